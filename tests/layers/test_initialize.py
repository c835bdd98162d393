"""How weights are drawn: the published distributions, measured on the weights."""

from __future__ import annotations

import math

import pytest
import torch
from sketchkit_plugins.backbones.resnet import ResNetGenerator
from sketchkit_plugins.backbones.unet import UNetGenerator
from sketchkit_plugins.heads.convolutional import ConvDiscriminator
from sketchkit_plugins.layers.initialize import initialize
from torch import nn

from sketchkit.errors import ConfigError


def layers() -> nn.Sequential:
    """Two wide layers of each kind that is drawn, at values no initialisation would give."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(32, 64, 3), nn.BatchNorm2d(4000), nn.ConvTranspose2d(64, 32, 4), nn.Linear(128, 256), nn.LayerNorm(8)
    )
    for parameter in net.parameters():
        nn.init.constant_(parameter, 5.0)
    return net


# The spread of He (2 / fan in) and Glorot (2 / (fan in + fan out)) for Conv(32, 64, k3), ConvT(64, 32, k4) and
# Linear(128, 256). Of a transposed convolution's weight (64, 32, 4, 4), torch calls 32 x 16 the fan in.
FANS = [(32 * 9, 64 * 9), (32 * 16, 64 * 16), (128, 256)]
SPREADS = [
    ("normal", 0.02, [0.02, 0.02, 0.02]),
    ("normal", 0.1, [0.1, 0.1, 0.1]),
    ("xavier", 0.5, [0.5 * math.sqrt(2 / (fan_in + fan_out)) for fan_in, fan_out in FANS]),
    ("kaiming", 0.02, [math.sqrt(2 / fan_in) for fan_in, _ in FANS]),
]


@pytest.mark.parametrize(("init", "gain", "spreads"), SPREADS)
def test_weights_are_spread_as_published(init: str, gain: float, spreads: list[float]) -> None:
    net = layers()
    initialize(net, init, gain)
    for layer, spread in zip((net[0], net[2], net[3]), spreads, strict=True):
        assert layer.weight.std().item() == pytest.approx(spread, rel=0.03)
        assert layer.weight.mean().item() == pytest.approx(0, abs=0.03 * spread)
        assert not layer.bias.any()


def test_orthogonal_rows_have_the_length_of_the_gain() -> None:
    net = layers()
    initialize(net, "orthogonal", 0.3)
    rows = net[0].weight.flatten(1)  # 64 rows of 288
    assert torch.allclose(rows @ rows.T, 0.09 * torch.eye(64), atol=1e-5)
    assert not net[0].bias.any()


@pytest.mark.parametrize("init", ["normal", "xavier", "kaiming", "orthogonal"])
def test_batch_norm_starts_near_one_and_other_layers_are_left_alone(init: str) -> None:
    net = layers()
    initialize(net, init, 0.02)
    assert net[1].weight.mean().item() == pytest.approx(1, abs=0.002)
    assert net[1].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not net[1].bias.any()
    assert net[4].weight.eq(5.0).all()


def test_an_unknown_name_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'xavier'"):
        initialize(layers(), "xaiver")


@pytest.mark.parametrize("cls", [UNetGenerator, ResNetGenerator, ConvDiscriminator])
def test_networks_hand_their_options_on(cls: type) -> None:
    narrow = {"channels": (32, 64)} | {"strides": (2, 2)} if cls is ConvDiscriminator else {"width": 16}
    for gain in (0.02, 0.1):
        for layer in cls(**narrow, init_gain=gain).modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                assert layer.weight.std().item() == pytest.approx(gain, rel=0.12)
    with pytest.raises(ConfigError, match="did you mean 'normal'"):
        cls(**narrow, init="norml")
