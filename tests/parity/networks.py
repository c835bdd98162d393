"""Weights by name into a torch network, and what came of them; for scripts and tests alike."""

import numpy as np
import torch

from tests.parity.recipe import summary, weight


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
