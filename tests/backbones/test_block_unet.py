"""The small U-Nets of recolouring: the seed's tables, the layers by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sketchkit_plugins.backbones.block_unet import BlockUNet
from torch import nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError, DataError
from sketchkit.registry import BACKBONES
from sketchkit.translators.padding import PaddedGenerator

NORMAL = {
    "encoder": [[64, 64], [128, 128], [256, 256, 256]],
    "decoder": [[128, 64], [64]],
    "last_kernel": 1,
}
TINY: dict[str, Any] = {"encoder": [[2, 3], [4, 5], [6]], "decoder": [[4], [3, 2]]}


@pytest.mark.parametrize(("options", "expected"), [({"out_channels": 3}, 570_825), ({}, 570_534), (NORMAL, 2_327_558)])
def test_parameters(options: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        net = BACKBONES.build({"type": "BlockUNet", **options})
    assert sum(p.numel() for p in net.parameters()) == expected


def test_layers_stand_as_the_seed_lists_them() -> None:
    with torch.device("meta"):
        net = BlockUNet(**NORMAL)
    listed = [
        (m.in_channels, m.out_channels, m.kernel_size[0])
        for part in (net.encoder, net.ups, net.decoder, net.last)
        for m in part.modules()
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))
    ]
    encoder = [(1, 64, 3), (64, 64, 3), (64, 128, 3), (128, 128, 3), (128, 256, 3), (256, 256, 3), (256, 256, 3)]
    assert listed[:7] == encoder
    assert listed[7:9] == [(256, 128, 2), (64, 64, 2)]
    assert listed[9:] == [(256, 128, 3), (128, 64, 3), (128, 64, 3), (64, 2, 1)]


def test_data_takes_the_way_from_level_to_level() -> None:
    net = BlockUNet(**TINY, last_kernel=1)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    gammas = [m.weight for m in net.modules() if isinstance(m, nn.BatchNorm2d)]

    def step(x: torch.Tensor, layer: int) -> torch.Tensor:
        x = F.conv2d(x, convs[layer].weight, convs[layer].bias, padding=1 if layer < 8 else 0)
        return F.batch_norm(x, None, None, gammas[layer], training=True)

    source = torch.rand(2, 1, 8, 12)
    e0 = step(step(source, 0).relu(), 1).relu()
    e1 = step(step(F.max_pool2d(e0, 2), 2).relu(), 3).relu()
    e2 = step(F.max_pool2d(e1, 2), 4).relu()
    d1 = step(torch.cat([e1, F.conv_transpose2d(e2, net.ups[0].weight, net.ups[0].bias, stride=2)], 1), 5).relu()
    d0 = torch.cat([e0, F.conv_transpose2d(d1, net.ups[1].weight, net.ups[1].bias, stride=2)], 1)
    expected = step(step(step(d0, 6).relu(), 7).relu(), 8).tanh()
    assert len(convs) == len(gammas) == 9
    assert torch.allclose(net(source), expected, atol=1e-5)


@pytest.mark.parametrize("upsampling", ["transposed", "resize", "pixel_shuffle"])
@pytest.mark.parametrize("size", [(1, 1), (7, 10), (16, 13)])
def test_a_picture_of_any_size_keeps_it(upsampling: str, size: tuple[int, int]) -> None:
    net = BlockUNet(**TINY, upsampling=upsampling)
    out = PaddedGenerator(net, {"source": torch.rand(2, 1, *size)})()
    assert out.shape == (2, 2, *size)


def test_gradients_reach_every_weight() -> None:
    net = BlockUNet(**TINY)
    net(torch.rand(2, 1, 16, 16)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A bias in front of a norm has no effect: its gradient is zero but for rounding.
        assert name.endswith("bias") or parameter.grad.any(), name


def test_one_level_is_a_plain_network() -> None:
    net = BlockUNet(encoder=[[2]], decoder=[])
    assert net.size_multiple == 1
    assert net(torch.rand(2, 1, 5, 7)).shape == (2, 2, 5, 7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"decoder": [[4]]}, "3 levels of encoder need 2 of decoder, not 1"),
        ({"encoder": []}, "give each level the channels"),
        ({"decoder": [[4], []]}, "give each level the channels"),
        ({"last_kernel": 2}, "last_kernel=2 .* odd"),
        ({"upsampling": "resise"}, "did you mean 'resize'"),
    ],
)
def test_impossible_options_are_explained(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        BlockUNet(**{**TINY, **options})


def test_a_wrong_size_is_explained() -> None:
    net = BlockUNet(**TINY)
    with pytest.raises(ConfigError, match="BlockUNet: a picture of 6x8 does not divide by 4"):
        net(torch.rand(1, 1, 6, 8))
    with pytest.raises(DataError, match="BlockUNet: batch norm cannot work on a map of 1x1 of a batch of one"):
        net(torch.rand(1, 1, 4, 4))
    assert net.eval()(torch.rand(1, 1, 4, 4)).isfinite().all()
