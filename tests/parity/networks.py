"""Weights by name into a torch network, and what came of them; for scripts and tests alike."""

import numpy as np
import torch

from tests.parity.recipe import summary, symmetric, weight

# What the models of the family of pix2pix are told; the rest is said by each script.
OPTIONS = dict(
    input_nc=3, output_nc=3, netD="basic", n_layers_D=3, no_dropout=True, init_type="normal", init_gain=0.02,
    gpu_ids=[], isTrain=True, checkpoints_dir=".", name="", preprocess="none", lr=2e-4, beta1=0.5, direction="AtoB",
)  # fmt: skip


def fill(pairs, prefix):
    """Weights by the original's names into (name, parameter) pairs."""
    with torch.no_grad():
        for name, parameter in pairs:
            shape = tuple(parameter.shape)
            drawn = weight(f"{prefix}.{name}", shape, np.prod(shape[1:]))
            parameter.copy_(torch.from_numpy(drawn))


def moved(pairs, prefix):
    """By name, what became of the weights that `fill` gave: the difference."""
    changes = {}
    for name, parameter in pairs:
        shape = tuple(parameter.shape)
        changes[name] = parameter.detach().numpy() - weight(f"{prefix}.{name}", shape, np.prod(shape[1:]))
    return changes


def kept(arrays, place):
    """Summaries of arrays by name, below a key."""
    return {f"{place}/{name}": summary(array) for name, array in arrays.items()}


def trained(model, prefix, sides, losses, batches):
    """Steps of a model of the family of pix2pix: each step's losses, and how far every weight has come in the end."""
    for name in sides:
        fill(getattr(model, name).named_parameters(), f"{prefix}.{name}")
    rows = []
    for source, target in batches:
        pair = {"A": torch.from_numpy(symmetric(source)), "B": torch.from_numpy(symmetric(target))}
        model.set_input({**pair, "A_paths": [], "B_paths": []})
        model.optimize_parameters()
        rows.append([getattr(model, f"loss_{name}").item() for name in losses])
    values = {"steps/losses": np.array(rows)}
    for name in sides:
        named = list(getattr(model, name).named_parameters())
        values[f"steps/{name}/names"] = np.array([key for key, _ in named])
        values.update(kept(moved(named, f"{prefix}.{name}"), f"steps/{name}"))
    return values
