"""The residual generator of CycleGAN: published counts, its layers by hand, and what its options do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sketchkit_plugins.backbones.resnet import ReflectConv2d, ResidualBlock, ResNetGenerator
from sketchkit_plugins.layers.blur import BlurDownsampling
from sketchkit_plugins.layers.condition import Condition
from torch import nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError, DataError
from sketchkit.registry import BACKBONES
from sketchkit.translators.padding import PaddedGenerator

UPSAMPLINGS = ["transposed", "resize", "pixel_shuffle", "bilinear"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 11_378_179),
        ({"norm": "batch"}, 11_383_427),
        ({"num_blocks": 6}, 7_837_699),
        ({"num_blocks": 6, "norm": "batch"}, 7_841_411),
        ({"hint_channels": 4}, 11_378_179 + 4 * 64 * 49),
        ({"dropout": 0.5, "norm": None}, 11_378_179),
        # CUT's, as its authors' code prints it.
        ({"antialias": True, "upsampling": "bilinear"}, 11_378_179),
    ],
)
def test_parameters(options: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        net = BACKBONES.build({"type": "ResNetGenerator", **options})
    assert sum(p.numel() for p in net.parameters()) == expected


def strengthen(net: nn.Module) -> None:
    """Make every layer matter: with the weights of the start each fades to rounding in the picture."""
    torch.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, 0, 0.1)


def reflected(x: torch.Tensor, conv: nn.Conv2d, pad: int) -> torch.Tensor:
    return F.conv2d(F.pad(x, (pad,) * 4, mode="reflect"), conv.weight, conv.bias)


def test_data_takes_the_published_way() -> None:
    net = ResNetGenerator(in_channels=2, width=3, num_blocks=1)
    strengthen(net)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    up0, up1 = (m for m in net.modules() if isinstance(m, nn.ConvTranspose2d))
    norm = F.instance_norm
    source = torch.rand(2, 2, 16, 12)
    x = norm(reflected(source, convs[0], 3)).relu()
    for conv in convs[1:3]:
        x = norm(F.conv2d(x, conv.weight, conv.bias, stride=2, padding=1)).relu()
    x = x + norm(reflected(norm(reflected(x, convs[3], 1)).relu(), convs[4], 1))
    for up in (up0, up1):
        x = norm(F.conv_transpose2d(x, up.weight, up.bias, stride=2, padding=1, output_padding=1)).relu()
    expected = reflected(x, convs[5], 3).tanh()
    assert expected.std() > 0.1
    assert torch.allclose(net(source), expected, atol=1e-5)


def test_dropout_works_in_the_blocks_in_training_alone() -> None:
    net, source = ResNetGenerator(width=2, num_blocks=2, dropout=0.4), torch.rand(2, 3, 16, 16)
    strengthen(net)
    places = [[type(m) for m in block.change] for block in net.modules() if isinstance(block, ResidualBlock)]
    expected = [ReflectConv2d, nn.InstanceNorm2d, nn.ReLU, nn.Dropout, ReflectConv2d, nn.InstanceNorm2d]
    assert places == [expected, expected]
    assert not torch.equal(net(source), net(source))
    assert torch.equal(net.eval()(source), net(source))
    without = ResNetGenerator(width=2, num_blocks=2)
    assert torch.equal(without(source), without(source))


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("size", [(5, 7), (17, 30), (32, 9)])
def test_a_picture_of_any_size_keeps_it(upsampling: str, size: tuple[int, int]) -> None:
    net = ResNetGenerator(in_channels=1, out_channels=2, width=2, num_blocks=1, upsampling=upsampling)
    assert PaddedGenerator(net, {"source": torch.rand(2, 1, *size)})().shape == (2, 2, *size)


@pytest.mark.parametrize(("num_downs", "least"), [(0, 4), (1, 4), (2, 8), (3, 16)])
@pytest.mark.parametrize("norm", ["instance", "batch", None])
def test_the_least_size_works_and_the_one_below_is_explained(num_downs: int, least: int, norm: str | None) -> None:
    net = ResNetGenerator(width=2, num_blocks=1, num_downs=num_downs, norm=norm)
    assert net(torch.rand(1, 3, least, least)).isfinite().all()
    below = least - net.size_multiple
    with pytest.raises(DataError, match=f"ResNetGenerator needs pictures of {least}x{least} or more and got {below}x"):
        net(torch.rand(1, 3, below, least))


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("norm", ["batch", "instance", None])
def test_gradients_reach_every_weight(upsampling: str, norm: str | None) -> None:
    net = ResNetGenerator(width=2, num_blocks=2, upsampling=upsampling, norm=norm, hint_channels=1)
    strengthen(net)
    net(torch.rand(2, 3, 16, 16), hint=torch.rand(2, 1, 16, 16)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A bias in front of a norm has no effect: its gradient is zero but for rounding.
        assert name.endswith("bias") or parameter.grad.any(), name


@pytest.mark.parametrize("norm", ["batch", "instance", None])
def test_only_convolutions_before_batch_norm_have_no_bias(norm: str | None) -> None:
    net = ResNetGenerator(width=2, num_blocks=1, norm=norm)
    *others, last = (m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)))
    assert {layer.bias is not None for layer in others} == {norm != "batch"}
    assert last.bias is not None


def test_a_missing_hint_is_zeros() -> None:
    net, source = ResNetGenerator(width=2, num_blocks=1, hint_channels=4), torch.rand(2, 3, 16, 16)
    strengthen(net)
    hints = [None, torch.zeros(2, 4, 16, 16), torch.ones(2, 4, 16, 16)]
    none, zeros, ones = (net(source, hint=hint) for hint in hints)
    assert torch.equal(none, zeros)
    assert not torch.allclose(ones, zeros)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_blocks": -1}, "num_blocks=-1"),
        ({"num_downs": -1}, "num_downs=-1"),
        ({"width": 0}, "width=0"),
        ({"dropout": 2}, "dropout=2"),
        ({"norm": "instnce"}, "did you mean 'instance'"),
        ({"upsampling": "pixelshuffle"}, "did you mean 'pixel_shuffle'"),
    ],
)
def test_impossible_options_are_explained(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ResNetGenerator(**{"width": 1, "num_blocks": 1, **options})


def test_a_size_that_does_not_divide_is_explained() -> None:
    with pytest.raises(ConfigError, match="ResNetGenerator: a picture of 18x16 does not divide by 4"):
        ResNetGenerator(width=1, num_blocks=0)(torch.rand(1, 3, 18, 16))


@pytest.mark.parametrize("antialias", [False, True])
def test_features_are_those_of_the_published_layers(antialias: bool) -> None:
    """CUT's layers 0, 4, 8, 12 and 16: the mirrored picture, both halving convolutions, and two of the blocks."""
    net = ResNetGenerator(width=3, num_blocks=5, antialias=antialias)
    strengthen(net)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    source = torch.rand(2, 3, 16, 12)
    padded = F.pad(source, (3,) * 4, mode="reflect")
    x = F.instance_norm(F.conv2d(padded, convs[0].weight, convs[0].bias)).relu()
    down = []
    for conv in convs[1:3]:
        down.append(F.conv2d(x, conv.weight, conv.bias, stride=1 if antialias else 2, padding=1))
        x = F.instance_norm(down[-1]).relu()
        x = BlurDownsampling()(x) if antialias else x
    blocks = []
    for block in (m for m in net.modules() if isinstance(m, ResidualBlock)):
        x = block(x, Condition(source))
        blocks.append(x)
    expected = {"block_5": blocks[4], "input": padded, "down_2": down[1], "block_1": blocks[0], "down_1": down[0]}
    found = net.encoder_features(source, list(expected))
    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(found, expected.values(), strict=True))


def test_a_layer_that_does_not_exist_and_a_network_of_more_than_pictures_are_explained() -> None:
    with pytest.raises(ConfigError, match="layer='block_3'"):
        ResNetGenerator(width=3, num_blocks=2).encoder_features(torch.rand(1, 3, 16, 16), ["block_3"])
    for option in ("hint_channels", "num_classes", "noise_channels"):
        with pytest.raises(ConfigError, match=option):
            ResNetGenerator(width=3, **{option: 4}).encoder_features(torch.rand(1, 3, 16, 16), ["input"])
