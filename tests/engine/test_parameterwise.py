"""Weight decay and learning rates within a network, and which numbers the released SketchyGAN decays."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from sketchkit_plugins.backbones.mru_official import MRUv2, MRUv3
from sketchkit_plugins.backbones.mru_official_generator import OfficialMRUGenerator
from sketchkit_plugins.heads.mru_official_discriminator import OfficialMRUDiscriminator
from torch import Tensor, nn

from sketchkit.config.load import load_config
from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.engine.parameterwise import parameter_groups
from sketchkit.errors import ConfigError

OFFICIAL = Path(__file__).resolve().parents[2] / "configs/sketchygan_official_sketchy.py"


class Sides(nn.Module):
    """What `GroupOptimizers` asks a translator for."""

    def __init__(self, **sides: nn.Module) -> None:
        super().__init__()
        self.sides = nn.ModuleDict(sides)

    def optimizer_groups(self) -> dict[str, nn.Module]:
        return dict(self.sides.items())


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1))


def numbers(groups: list[dict[str, Any]]) -> dict[float, int]:
    """Weight decay -> how many numbers have it."""
    return {round(group["weight_decay"], 9): sum(p.numel() for p in group["params"]) for group in groups}


# What the released code regularizes (mru.py): the weights of every convolution of a v3 unit, of those of a v2 unit but
# the 1 x 1, and, ten times less, of what is fully connected.


def v3(x: int, image: int, y: int) -> int:
    return 9 * (x + image) * x + 9 * image * x + 9 * x * y + 9 * y * y + (x * y if x != y else 0)


def v2(x: int, image: int, y: int) -> int:
    return 9 * (x + image) * x + 2 * 9 * (x + image) * y + 9 * y * y


def official(side: str) -> dict[str, Any]:
    return load_config(OFFICIAL, ["data_root=nowhere"]).optim_wrapper[side]


def groups_of(side: str, network: nn.Module) -> list[dict[str, Any]]:
    config = official(side)
    return parameter_groups(network, config["optimizer"], config["paramwise_cfg"])


def test_the_official_generator_decays_what_the_released_one_does() -> None:
    with torch.device("meta"):
        decayed = numbers(groups_of("generator", OfficialMRUGenerator()))
    encoder = v3(8, 3, 64) + v3(64, 3, 128) + v3(128, 3, 256) + v3(256, 3, 512)
    decoder = v2(512, 3 + 64, 384) + v2(384, 3 + 128, 256) + v2(256, 3 + 64, 128) + v2(128, 3 + 8, 128) + v2(128, 3, 64)
    assert decayed[1e-5] == encoder + decoder
    assert decayed[1e-6] == 256 * 64 * 4 * 4
    assert sum(decayed.values()) == 22_235_107
    assert len(decayed) == 3


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_the_official_discriminator_decays_what_the_released_one_does(spectral_norm: bool) -> None:
    head = OfficialMRUDiscriminator(spectral_norm=spectral_norm, width=8)
    decayed = numbers(groups_of("discriminator", nn.ModuleDict({"discriminator": head})))
    assert decayed[1e-5] == v3(8, 3, 16) + v3(16, 3, 32) + v3(32, 3, 64) + v3(64, 3, 96)
    assert decayed[1e-6] == 96 * 50
    assert sum(decayed.values()) == sum(p.numel() for p in head.parameters())


def raw(layer: nn.Module) -> Tensor:
    """The weight that is trained, of which spectral norm makes the one that is used."""
    weight = layer.parametrizations.weight.original if hasattr(layer, "parametrizations") else layer.weight
    assert isinstance(weight, Tensor)
    return weight


def released_decay(network: nn.Module, linear: nn.Module) -> Tensor:
    """The term that the released code adds to a side's loss: the rate times half the sum of squares."""
    total = 1e-6 * raw(linear).square().sum() / 2
    for unit in network.modules():
        layers: list[Any] = []
        if isinstance(unit, MRUv3):
            layers = [unit.gate, unit.image, unit.first.conv, unit.second, unit.shortcut]
        elif isinstance(unit, MRUv2):
            layers = [unit.gates, unit.first.conv, unit.second.conv]
        total = total + sum(1e-5 * raw(layer).square().sum() / 2 for layer in layers)
    return total


def narrow(side: str) -> nn.Module:
    if side == "generator":
        return OfficialMRUGenerator(image_size=16, width=2, num_classes=3).double()
    return nn.ModuleDict({"discriminator": OfficialMRUDiscriminator(image_size=8, width=2, num_classes=3).double()})


def loss_of(side: str, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    if side == "generator":
        out = network(batch["source"], label=batch["label"], noise=batch["noise"])
    else:
        judged = network["discriminator"](batch["source"])  # type: ignore[index]
        out = torch.cat([judged.logits.flatten(), judged.class_logits.flatten()])
    return 1e-6 * out.square().mean()  # so that the decay is no trifle beside it


@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_steps_are_those_of_the_loss_with_the_term_added(side: str) -> None:
    batch = {"source": torch.rand(2, 3, 16, 16).double(), "label": torch.tensor([0, 2])}
    batch["noise"] = torch.randn(2, 256).double()
    ours, theirs, bare = (network := narrow(side)), copy.deepcopy(network), copy.deepcopy(network)
    wrapper = GroupOptimizers({side: official(side)})(Sides(**{side: ours}))[side]
    rates = {"lr": wrapper.get_lr()["base_lr"][0], "betas": (0.0, 0.9)}
    adam = {other: torch.optim.Adam(other.parameters(), **rates) for other in (theirs, bare)}
    linear = theirs.noise_map.linear if side == "generator" else theirs["discriminator"].classes  # type: ignore
    for _ in range(3):
        wrapper.backward(loss_of(side, ours, batch))
        wrapper.step()
        wrapper.zero_grad()
        for other, optimizer in adam.items():
            loss = loss_of(side, other, batch)
            (loss + released_decay(other, linear) if other is theirs else loss).backward()
            optimizer.step()
            optimizer.zero_grad()
    after = [torch.cat([p.detach().flatten() for p in one.parameters()]) for one in (ours, theirs, bare)]
    assert torch.allclose(after[0], after[1], rtol=0, atol=1e-9)
    assert (after[0] - after[2]).abs().max() > 1e-5


def test_parameters_of_the_same_options_share_a_group() -> None:
    network = net()
    groups = parameter_groups(
        network,
        {"lr": 0.1, "weight_decay": 0.01},
        {"norm_decay_mult": 0.0, "custom_keys": {"2.": {"lr_mult": 0.5}, "2.bias": {"lr_mult": 0.5, "decay_mult": 0}}},
    )
    weights = dict(network.named_parameters())
    said = {
        name: (group["lr"], group["weight_decay"])
        for name, one in weights.items() for group in groups if any(one is p for p in group["params"])
    }  # fmt: skip
    assert said == {
        "0.weight": (0.1, 0.01), "0.bias": (0.1, 0.01), "1.weight": (0.1, 0.0), "1.bias": (0.1, 0.0),
        "2.weight": (0.05, 0.01), "2.bias": (0.05, 0.0),
    }  # fmt: skip
    assert len(groups) == 4


@pytest.mark.parametrize(
    ("optimizer", "paramwise", "said"),
    [
        ({"weight_decay": 0.1}, {"custom_keys": {"cnov": {"decay_mult": 0.0}}}, r"custom_keys\['cnov'\] changes"),
        ({"weight_decay": 0.1}, {"custom_keys": {"0.": {}, "0.w": {"decay_mult": 0}}}, r"custom_keys\['0\.'\] changes"),
        ({}, {"norm_decay_mult": 0.0}, "norm_decay_mult changes nothing"),
        ({"weight_decay": 0.1}, {"dwconv_decay_mult": 1.0}, "dwconv_decay_mult changes nothing"),
    ],
)
def test_an_option_that_changes_nothing_is_refused(
    optimizer: dict[str, Any], paramwise: dict[str, Any], said: str
) -> None:
    config = {"optimizer": {"type": "Adam", "lr": 0.1, **optimizer}, "paramwise_cfg": paramwise}
    with pytest.raises(ConfigError, match=rf"optim_wrapper\.generator: paramwise_cfg\.{said}"):
        GroupOptimizers({"generator": config})(Sides(generator=net()))


def test_a_rate_that_is_not_given_is_asked_for() -> None:
    config = {"optimizer": {"type": "Adam"}, "paramwise_cfg": {"custom_keys": {"0.": {"lr_mult": 0.5}}}}
    with pytest.raises(ConfigError, match=r"optim_wrapper\.generator: .*lr, which is not given"):
        GroupOptimizers({"generator": config})(Sides(generator=net()))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("paramwise_cfg.bias_decay_mul=0", "no option 'bias_decay_mul': did you mean 'bias_decay_mult'"),
        ("paramwise_cfg.custom_keys.stem.decay=0", "no option 'decay': did you mean 'decay_mult'"),
        ("paramwise_cfg.custom_keys.stem.decay_mult=-1", "decay_mult=-1"),
        ("paramwise_cfg.custom_keys=[1]", "give a dict"),
    ],
)
def test_a_misspelt_option_is_named_before_anything_is_built(option: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(OFFICIAL, [f"+optim_wrapper.generator.{option}"])


def test_a_checkpoint_fits_whatever_groups_the_parameters_are_in() -> None:
    network = net()

    def build(**paramwise: Any) -> Any:
        cfg = {"optimizer": {"type": "Adam", "lr": 0.1, "weight_decay": 0.1}, "paramwise_cfg": paramwise}
        return GroupOptimizers({"generator": cfg})(Sides(generator=network))["generator"]

    first = build(custom_keys={"0.bias": {"decay_mult": 0.0}, "1.weight": {"lr_mult": 2.0}})
    first.backward(network(torch.rand(2, 1, 8, 8)).square().sum())
    first.step()
    kept = first.state_dict()["state"]
    assert [kept[place]["exp_avg"].shape for place in range(6)] == [p.shape for p in network.parameters()]
    for second in (build(), build(flat_decay_mult=0.0)):
        second.load_state_dict(first.state_dict())
        for parameter in network.parameters():
            assert torch.equal(*(one.optimizer.state[parameter]["exp_avg"] for one in (first, second)))
