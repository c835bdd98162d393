"""The U-Net of pix2pix: published counts, its layers by hand, and what its options do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sketchkit_plugins.backbones.unet import UNetGenerator
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError, DataError
from sketchkit.registry import BACKBONES
from sketchkit.translators.padding import PaddedGenerator

AUTO_PAINTER = {"bias": True, "norm_innermost": True}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 54_413_955),
        ({"norm": "instance"}, 54_409_603),
        ({"num_downs": 7}, 41_828_995),
        ({"num_downs": 7, "norm": "instance"}, 41_825_667),
        (AUTO_PAINTER, 54_420_483),
        ({**AUTO_PAINTER, "width": 16}, 3_406_083),
        ({"in_channels": 1, "out_channels": 2}, 54_409_858),  # recolouring's complex net
        ({"hint_channels": 4}, 54_413_955 + 4 * 64 * 16),
        # The last doubling to 16 channels without a bias, their norm's two numbers each, and the convolution of 3 x 3.
        ({"final_width": 16}, 54_413_955 + 16 * 128 * (16 - 3) - 3 + 2 * 16 + 16 * 3 * 9 + 3),
    ],
)
def test_parameters(options: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        net = BACKBONES.build({"type": "UNetGenerator", **options})
    assert sum(p.numel() for p in net.parameters()) == expected


def test_512_pixels_pass_a_bottleneck_of_512_by_2_by_2() -> None:
    with torch.device("meta"):
        net = UNetGenerator(**AUTO_PAINTER)
        seen: list[Tensor] = []
        for block in net.encoder:
            block.register_forward_hook(lambda *arguments: seen.append(arguments[2]))
        assert net(torch.rand(1, 3, 512, 512)).shape == (1, 3, 512, 512)
    shapes = [(64, 256), (128, 128), (256, 64), (512, 32), (512, 16), (512, 8), (512, 4), (512, 2)]
    assert [tuple(m.shape[1:]) for m in seen] == [(c, side, side) for c, side in shapes]


def strengthen(net: nn.Module) -> None:
    """Make every layer matter: with the weights of the start each fades to rounding in the picture."""
    torch.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, 0, 0.1)


def test_data_takes_the_published_way() -> None:
    net = UNetGenerator(in_channels=2, width=3, num_downs=3, norm="instance")
    strengthen(net)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    ups = [m for m in net.modules() if isinstance(m, nn.ConvTranspose2d)]
    x = torch.rand(2, 2, 16, 24)
    e0 = convs[0](x)
    e1 = F.instance_norm(convs[1](F.leaky_relu(e0, 0.2)))
    e2 = convs[2](F.leaky_relu(e1, 0.2))
    d2 = F.instance_norm(ups[0](e2.relu()))
    d1 = F.instance_norm(ups[1](torch.cat([e1, d2], 1).relu()))
    expected = ups[2](torch.cat([e0, d1], 1).relu()).tanh()
    assert expected.std() > 0.1
    maps: list[Tensor] = []
    for block in net.encoder:
        block.register_forward_hook(lambda *arguments: maps.append(arguments[2]))
    assert torch.allclose(net(x), expected, atol=1e-5)
    # No activation in place has changed what the skips handed on.
    assert all(torch.allclose(found, e, atol=1e-5) for found, e in zip(maps, (e0, e1, e2), strict=True))


@pytest.mark.parametrize("innermost", [False, True])
def test_norms_stand_everywhere_but_at_the_edges(innermost: bool) -> None:
    net = UNetGenerator(width=2, num_downs=6, norm_innermost=innermost)

    def norms(blocks: nn.ModuleList) -> list[bool]:
        return [any(isinstance(m, nn.BatchNorm2d) for m in block.modules()) for block in blocks]

    assert norms(net.encoder) == [False, True, True, True, True, innermost]
    assert norms(net.decoder) == [True, True, True, True, True, False]


@pytest.mark.parametrize(
    ("norm", "bias", "expected"),
    [
        ("batch", None, {False}),
        ("instance", None, {True}),
        (None, None, {True}),
        ("batch", True, {True}),
        (None, False, {False}),
    ],
)
@pytest.mark.parametrize("upsampling", ["transposed", "resize", "pixel_shuffle"])
def test_biases(norm: str | None, bias: bool | None, expected: set[bool], upsampling: str) -> None:
    net = UNetGenerator(width=2, num_downs=4, norm=norm, bias=bias, upsampling=upsampling)
    *others, last = (m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)))
    assert {layer.bias is not None for layer in others} == expected
    assert last.bias is not None


@pytest.mark.parametrize(("num_downs", "places"), [(8, [1, 2, 3]), (7, [1, 2]), (6, [1]), (5, []), (2, [])])
def test_dropout_stands_in_the_doublings_after_the_innermost(num_downs: int, places: list[int]) -> None:
    net = UNetGenerator(width=1, num_downs=num_downs, dropout=0.3)
    drops = [[m.p for m in block if isinstance(m, nn.Dropout)] for block in net.decoder]
    assert [place for place, found in enumerate(drops) if found == [0.3]] == places
    assert sum(map(len, drops)) == len(places)


@pytest.mark.parametrize("dropout", [0.5, 0.0])
def test_dropout_works_in_training_alone(dropout: float) -> None:
    net, source = UNetGenerator(width=2, num_downs=6, dropout=dropout), torch.rand(2, 3, 64, 64)
    strengthen(net)
    assert torch.equal(net(source), net(source)) == (dropout == 0)
    net.eval()
    assert torch.equal(net(source), net(source))


@pytest.mark.parametrize("upsampling", ["transposed", "resize", "pixel_shuffle"])
@pytest.mark.parametrize("size", [(1, 1), (17, 40), (64, 33)])
def test_a_picture_of_any_size_keeps_it(upsampling: str, size: tuple[int, int]) -> None:
    net = UNetGenerator(in_channels=1, out_channels=2, width=2, num_downs=4, upsampling=upsampling, hint_channels=4)
    batch = {"source": torch.rand(2, 1, *size), "hint": torch.rand(2, 4, *size)}
    assert PaddedGenerator(net, batch)().shape == (2, 2, *size)


@pytest.mark.parametrize("upsampling", ["transposed", "resize", "pixel_shuffle"])
def test_gradients_reach_every_weight(upsampling: str) -> None:
    net = UNetGenerator(width=2, num_downs=6, upsampling=upsampling, hint_channels=1)
    strengthen(net)
    net(torch.rand(2, 3, 64, 64), hint=torch.rand(2, 1, 64, 64)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_a_hint_is_seen_beside_the_source_and_none_is_zeros() -> None:
    net = UNetGenerator(width=2, num_downs=2, hint_channels=4).eval()
    strengthen(net)
    source, hint = torch.rand(2, 3, 8, 8), torch.rand(2, 4, 8, 8)
    seen: list[Tensor] = []
    net.encoder[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    outs = [net(source, hint=given) for given in (hint, torch.zeros_like(hint), None)]
    assert torch.equal(seen[0], torch.cat([source, hint], 1))
    assert not torch.allclose(outs[0], outs[1])
    assert torch.equal(outs[1], outs[2])


def test_a_hint_is_not_looked_at_by_a_network_without_hint_channels() -> None:
    net, source = UNetGenerator(width=2, num_downs=2).eval(), torch.rand(2, 3, 8, 8)
    assert torch.equal(net(source, hint=torch.rand(2, 4, 64, 64)), net(source))


def test_bfloat16_autocast_is_near_float32() -> None:
    net, source = UNetGenerator(width=4, num_downs=4, hint_channels=1).eval(), torch.rand(2, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(source)
    assert torch.allclose(out.float(), net(source), atol=0.02)


def test_the_innermost_norm_needs_two_values() -> None:
    batch = UNetGenerator(width=2, num_downs=3, norm_innermost=True)
    with pytest.raises(DataError, match="UNetGenerator: batch norm cannot work on a map of 1x1 of a batch of one"):
        batch(torch.rand(1, 3, 8, 8))
    assert batch(torch.rand(2, 3, 8, 8)).isfinite().all()
    assert batch(torch.rand(1, 3, 8, 16)).isfinite().all()
    assert batch.eval()(torch.rand(1, 3, 8, 8)).isfinite().all()
    instance = UNetGenerator(width=2, num_downs=3, norm="instance", norm_innermost=True).eval()
    with pytest.raises(DataError, match="instance norm cannot work on a map of 1x1: give"):
        instance(torch.rand(2, 3, 8, 8))
    assert UNetGenerator(width=2, num_downs=3, norm="instance")(torch.rand(1, 3, 8, 8)).isfinite().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_downs": 1}, "num_downs=1 leaves no U"),
        ({"width": 0}, "width=0"),
        ({"dropout": 1.0}, r"dropout=1.0 .* less than 1"),
        ({"dropout": -0.1}, "dropout=-0.1"),
        ({"norm": "bach"}, "did you mean 'batch'"),
        ({"upsampling": "transpose"}, "did you mean 'transposed'"),
        ({"init": "ortogonal"}, "did you mean 'orthogonal'"),
    ],
)
def test_impossible_options_are_explained(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        UNetGenerator(**{"width": 1, "num_downs": 2, **options})


def test_a_wrong_size_of_picture_or_hint_is_explained() -> None:
    net = UNetGenerator(width=2, num_downs=3, hint_channels=4)
    with pytest.raises(ConfigError, match="UNetGenerator: a picture of 12x16 does not divide by 8"):
        net(torch.rand(1, 3, 12, 16))
    with pytest.raises(DataError, match=r"a hint of shape \(1, 4, 12, 16\) .*: give one of shape \(1, 4, 16, 16\)"):
        net(torch.rand(1, 3, 16, 16), hint=torch.rand(1, 4, 12, 16))
