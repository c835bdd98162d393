"""SketchyGAN as its authors' TensorFlow code has it, in float64.

One thing differs by decision, and is set here as the original has it: the gates have an epsilon against maps that are
the same everywhere, for which the original has no number.
"""

from functools import partial

import numpy as np
import pytest
import torch
from sketchkit_plugins.backbones import mru_official

from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.registry import BACKBONES, HEADS, LOSSES, MODELS
from tests.parity.make_sketchygan import CLASSES, LABELS, RATES, SIZE, WIDTH, value
from tests.parity.make_sketchygan import batch as fed
from tests.parity.ours import STILL, ZERO, all_close, below, close, system
from tests.parity.recipe import read, summary

KEPT = read("sketchygan")
# Measured: 7e-14 and 3e-11; TensorFlow and torch add up in other orders.
PASS, GRADIENT = 1e-12, 1e-9
# Measured after three steps: 4e-9 and 4e-7. Adam without momentum takes a full step of the least gradient, and so of
# its rounding.
TRAINED, MOVED = 1e-7, 3e-6
COMMON = dict(image_size=SIZE, num_classes=CLASSES, width=WIDTH)
GENERATOR = dict(type="OfficialMRUGenerator", **COMMON)
DISCRIMINATOR = dict(type="OfficialMRUDiscriminator", **COMMON)
KINDS = {
    ".weight": "/weights",
    ".parametrizations.weight.original": "/weights",
    ".bias": "/biases",
    ".norm.gamma.weight": "/scale",
    ".norm.beta.weight": "/offset",
    ".activation.weight": "/prelu/param",
}
V3 = {
    "before": "norm_activation_in", "gate": "update_gate", "image": "Conv", "merged": "norm_activation_merge_1",
    "first": "Conv_1", "first.conv": "Conv_1", "second": "Conv_2", "shortcut": "Conv_3",
}  # fmt: skip
V2 = {
    "gates:0": "Conv", "gates:1": "Conv_1", "first": "Conv_2", "first.conv": "Conv_2", "second": "Conv_3",
    "second.conv": "Conv_3", "skip": "Conv_4", "skip.conv": "Conv_4",
}  # fmt: skip


def units(place, scope, number, parts):
    """Our layers of a unit by the original's scopes."""
    return {f"{place}.{ours}": f"{scope}_unit_t_{number}_layer_0/{original}" for ours, original in parts.items()}


def layers(side):
    """Our layers, which may end in a half, by the original's scopes below `side`."""
    place = "encoder" if side == "generator" else "trunk"
    table = {f"{place}.last": "mru_conv_unit_last_norm"}
    for level in range(4):
        table.update(units(f"{place}.units.{level}", "mru_conv", level + 1, V3))
    if side == "discriminator":
        return {**table, "stem.0": "Conv", "real": "Conv_1", "classes": "fully_connected"}
    for level in range(5):
        table.update(units(f"decoder.units.{level}", "mru_deconv", 8 - 2 * level, V2))
    ends = {"stem": "Conv", "noise_map": "fully_connected", "noise_map.linear": "fully_connected", "to_image": "Conv_1"}
    return {**table, **ends}


def named(side, network, values):
    """The original's names with what `values` gives for our parameters, halved where two share one."""
    table, found = dict(values), {}
    if "stem.1.weight" in table:
        found[f"{side}/Conv/prelu/param"] = table["stem.1.weight"]
    for ours, scope in layers(side).items():
        layer, _, half = ours.partition(":")
        for kind, original in KINDS.items():
            if f"{layer}{kind}" in table:
                one = table[f"{layer}{kind}"]
                if half:
                    one = one.split(network.get_submodule(layer.removesuffix(".gates")).gate_channels)[int(half)]
                found[f"{side}/{scope}{original}"] = one
    expected = {key.removeprefix("shape/") for key in KEPT if key.startswith(f"shape/{side}/")}
    assert set(found) == expected
    return found


def turned(array):
    """A kernel (out, in, h, w) or matrix (out, in) to TensorFlow's order of axes, and back by `turned_back`."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def turned_back(array):
    """The inverse of `turned`."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def start(name):
    """A variable's first numbers in the original's order."""
    return value(name, tuple(KEPT[f"shape/{name}"]))


def in_original_order(name, tensor):
    """Numbers of ours as the original has them."""
    array = tensor.detach().numpy()
    return turned(array) if name.endswith("/weights") else array.reshape(KEPT[f"shape/{name}"])


def fill(side, network):
    """The original's weights; the estimates of singular vectors become these."""
    with torch.no_grad():
        for name, parameter in named(side, network, network.named_parameters()).items():
            drawn = start(name)
            drawn = turned_back(drawn) if name.endswith("/weights") else drawn
            parameter.copy_(torch.from_numpy(np.array(drawn)).reshape(parameter.shape))
        for module in network.modules():
            if hasattr(module, "parametrizations"):
                u, _, v = torch.linalg.svd(module.parametrizations.weight.original.flatten(1), full_matrices=False)
                module.parametrizations.weight[0]._u.copy_(u[:, 0])
                module.parametrizations.weight[0]._v.copy_(v[0])
    return network


@pytest.fixture
def exact(double, monkeypatch):
    """What the text at the top names."""
    monkeypatch.setattr(mru_official, "minmax_gate", partial(mru_official.minmax_gate, epsilon=0.0))


def tensors(step):
    """What the original was fed."""
    return {name: torch.from_numpy(value) for name, value in fed(step).items()}


def same_gradients(side, network):
    """Every weight's."""
    gradients = [(name, parameter.grad) for name, parameter in network.named_parameters()]
    found = {name: in_original_order(name, one) for name, one in named(side, network, gradients).items()}
    all_close(found, below(KEPT, "gradient"), GRADIENT, ZERO)


def test_the_networks_the_terms_and_their_gradients_are_the_originals(exact):
    generator = fill("generator", BACKBONES.build(GENERATOR))
    head = fill("discriminator", HEADS.build(DISCRIMINATOR))
    given, label = tensors(0), torch.tensor(LABELS)
    state = generator.encode(given["sketch"], label=label)
    fake, again = generator.decode(state, given["noise"]), generator.decode(state, given["noise_alt"])
    close(summary(fake.detach()), KEPT["img_2_to_1"], PASS)
    close(summary(again.detach()), KEPT["img_2_to_1_b"], PASS)
    gan = LOSSES.build(dict(type="AdversarialLoss", mode="softplus"))
    classes = LOSSES.build(dict(type="AuxiliaryClassificationLoss", focal_gamma=2.0))
    plain = LOSSES.build(dict(type="AuxiliaryClassificationLoss"))
    seen, real, detached = head(fake), head(given["photo"]), head(fake.detach())
    terms = [
        gan(seen), gan(detached, real), 0.5 * plain(label, seen), classes(label, detached, real),
        LOSSES.build(dict(type="PixelLoss"))(fake, given["photo"]),
        LOSSES.build(dict(type="DiversityLoss"))(fake, again, given["noise"], given["noise_alt"]),
    ]  # fmt: skip
    close([term.item() for term in terms], KEPT["terms"], PASS)
    (terms[1] + terms[3]).backward()
    same_gradients("discriminator", head)
    (terms[0] + terms[2] + 10 * terms[4] + 10 * terms[5]).backward()
    same_gradients("generator", generator)


def test_the_configs_weight_decay_is_the_originals(double):
    """Half the sum of squares; torch's optimizer knows its gradient alone, so that the value is worked out here."""
    model, optimizers = system(
        "sketchygan_official_sketchy", f"categories={CLASSES}", f"backbone.width={WIDTH}",
        f"heads.discriminator.width={WIDTH}", "generator_losses.perceptual=None",
    )  # fmt: skip
    found = []
    for side, network in (("generator", model.backbone), ("discriminator", model.heads["discriminator"])):
        fill(side, network)
        groups = optimizers[side].param_groups
        found.append(sum(group["weight_decay"] / 2 * (p**2).sum() for group in groups for p in group["params"]).item())
    close(found, KEPT["decay"], PASS)


class AsGiven(torch.nn.Module):
    """No preprocessing: the original is fed beyond the eight bits of pictures."""

    def forward(self, data, training):
        return data


def translator():
    """The variant without spectral norm: logits of 4 x 4 patches are added up, and D's terms halved."""
    adversarial = dict(type="AdversarialLoss", mode="vanilla")
    model = MODELS.build(
        dict(
            type="ConditionalTranslator",
            backbone=GENERATOR,
            heads=dict(discriminator=dict(**DISCRIMINATOR, spectral_norm=False)),
            generator_losses=dict(
                gan=dict(**adversarial, weight=16.0),
                classes=dict(type="AuxiliaryClassificationLoss", weight=0.5),
                pixel=dict(type="PixelLoss", weight=10.0),
                diversity=dict(type="DiversityLoss", weight=10.0),
            ),
            discriminator_losses=dict(
                gan=dict(**adversarial, weight=8.0),
                classes=dict(type="AuxiliaryClassificationLoss", focal_gamma=2.0),
                dragan=dict(type="DRAGANPenalty", one_sided=True, weight=10.0),
            ),
        )
    )
    model.data_preprocessor = AsGiven()
    adam = {side: dict(optimizer=dict(type="Adam", lr=rate, betas=(0.0, 0.9))) for side, rate in RATES.items()}
    return model, GroupOptimizers(adam)(model)


def test_steps_with_the_penalty_are_the_originals(exact, monkeypatch):
    model, optimizers = translator()
    sides = {"generator": model.backbone, "discriminator": model.heads["discriminator"]}
    for side, network in sides.items():
        fill(side, network)
    for step, kept in enumerate(KEPT["steps/terms"]):
        given = tensors(step)
        # TensorFlow's Adam adds its epsilon before it corrects the second moment, torch's after.
        for wrapper in optimizers.values():
            wrapper.param_groups[0]["eps"] = 1e-8 / (1 - 0.9 ** (step + 1)) ** 0.5
        noises = iter([given["noise"], given["noise_alt"]])
        monkeypatch.setattr(torch, "randn", lambda *_, noises=noises, **__: next(noises))
        monkeypatch.setattr(torch, "rand", lambda *_, given=given, **__: given["alpha"])
        # Other calls are of labels that nobody flips.
        spread = {given["spread"].shape: given["spread"]}
        monkeypatch.setattr(torch, "rand_like", lambda one, spread=spread: spread.get(one.shape, torch.ones_like(one)))
        data = {"source": given["sketch"], "target": given["photo"], "label": torch.tensor(LABELS)}
        logs = {name: value.item() for name, value in model.train_step(data, optimizers).items()}
        penalty = 10 * logs["D/dragan"]
        found = [8 * logs["D/gan"] + penalty, logs["D/classes"], logs["D/dragan"]]
        found += [16 * logs["G/gan"], 0.5 * logs["G/classes"], logs["G/pixel"], logs["G/diversity"]]
        close(found, kept, TRAINED)
    for side, network in sides.items():
        after = named(side, network, network.named_parameters())
        moves = {name: in_original_order(name, one) - start(name) for name, one in after.items()}
        all_close(moves, below(KEPT, "moved"), MOVED, STILL)
