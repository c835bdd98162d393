"""Layers that double height and width, and the checkerboard that they do or do not leave."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from sketchkit_plugins.backbones.resnet import ResNetGenerator
from sketchkit_plugins.backbones.unet import UNetGenerator
from sketchkit_plugins.layers.initialize import initialize
from sketchkit_plugins.layers.upsampling import UPSAMPLINGS, PixelShuffleUpsampling, check_size, make_upsampling
from sketchkit_plugins.metrics.checkerboard import checkerboard
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError, DataError

INITS = ["normal", "xavier", "kaiming", "orthogonal"]


@pytest.mark.parametrize("name", UPSAMPLINGS)
@pytest.mark.parametrize("kernel", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_height_and_width_double(name: str, kernel: int, size: tuple[int, int]) -> None:
    up = make_upsampling(name, 2, 3, kernel=kernel)
    assert up(torch.rand(2, 2, *size)).shape == (2, 3, 2 * size[0], 2 * size[1])


@pytest.mark.parametrize(
    ("name", "kernel", "weights"),
    [("transposed", 2, 4), ("transposed", 3, 9), ("transposed", 4, 16), ("resize", 4, 9), ("pixel_shuffle", 4, 4 * 9)],
)
def test_parameters(name: str, kernel: int, weights: int) -> None:
    def count(bias: bool) -> int:
        return sum(p.numel() for p in make_upsampling(name, 5, 7, kernel=kernel, bias=bias).parameters())

    assert count(False) == weights * 5 * 7
    assert count(True) == count(False) + (4 * 7 if name == "pixel_shuffle" else 7)


@pytest.mark.parametrize(("kernel", "padding", "output_padding"), [(2, 0, 0), (3, 1, 1), (4, 1, 0)])
def test_transposed_convolutions_are_the_references(kernel: int, padding: int, output_padding: int) -> None:
    up = make_upsampling("transposed", 2, 3, kernel=kernel)
    assert isinstance(up, nn.ConvTranspose2d)
    assert (up.kernel_size, up.stride) == ((kernel, kernel), (2, 2))
    assert (up.padding, up.output_padding) == ((padding, padding), (output_padding, output_padding))


@pytest.mark.parametrize("name", ["resize", "pixel_shuffle"])
def test_a_flat_map_stays_flat_up_to_its_borders(name: str) -> None:
    up = make_upsampling(name, 2, 3)
    initialize(up, "kaiming")
    out = up(torch.full((1, 2, 4, 4), 0.7))
    assert out.abs().max() > 0.1
    assert torch.allclose(out, out[..., :1, :1].expand_as(out), atol=1e-6)


def test_a_flat_map_stays_flat_in_half_precision() -> None:
    up = make_upsampling("resize", 64, 8)
    with torch.autocast("cpu", torch.bfloat16):
        out = up(torch.rand(1, 64, 1, 1).expand(1, 64, 4, 4)).float()
    assert torch.equal(out, out[..., :1, :1].expand_as(out))


def test_resize_repeats_each_pixel_and_convolves() -> None:
    up, x = make_upsampling("resize", 2, 3), torch.rand(1, 2, 3, 4)
    twice = F.pad(x.repeat_interleave(2, 2).repeat_interleave(2, 3), (1, 1, 1, 1), mode="replicate")
    assert torch.allclose(up(x), F.conv2d(twice, up.weight, up.bias), atol=1e-6)


@pytest.mark.parametrize("init", [None, *INITS])
def test_pixel_shuffle_starts_as_nearest_upsampling_of_a_convolution(init: str | None) -> None:
    up = PixelShuffleUpsampling(2, 3)
    if init:
        initialize(up, init)
    x = torch.rand(2, 2, 5, 6)
    out = up(x)
    blocks = out.unflatten(2, (5, 2)).unflatten(4, (6, 2))  # B, C, 5, 2, 6, 2
    assert out.abs().max() > 0.01
    assert torch.equal(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks))
    small = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), up.conv.weight[[0, 4, 8]])
    assert torch.allclose(out, F.interpolate(small, scale_factor=2, mode="nearest"), atol=1e-6)


def test_pixel_shuffle_kernels_are_spread_as_asked() -> None:
    up = PixelShuffleUpsampling(32, 32)
    initialize(up, "normal", 0.02)
    assert up.conv.weight.std().item() == pytest.approx(0.02, rel=0.03)


def test_the_four_pixels_of_a_block_learn_apart() -> None:
    up = PixelShuffleUpsampling(1, 1)
    up(torch.ones(1, 1, 2, 2))[0, 0, 0, 1].backward()
    assert up.conv.weight.grad is not None
    assert up.conv.weight.grad.flatten(1).any(1).tolist() == [False, True, False, False]


def smooth_picture(size: int = 64) -> Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    return torch.stack([torch.sin(2 * x + y), torch.cos(2 * x * y), x * y])[None]


@pytest.mark.parametrize(
    "make",
    [partial(UNetGenerator, width=8, num_downs=5), partial(ResNetGenerator, width=8, num_blocks=2)],
    ids=["unet", "resnet"],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_whole_generator_starts_without_checkerboard_but_for_transposed_convolutions(make: Any, seed: int) -> None:
    shares = {}
    for name in UPSAMPLINGS:
        torch.manual_seed(seed)
        with torch.no_grad():
            shares[name] = checkerboard(make(upsampling=name)(smooth_picture())).item()
    assert shares["transposed"] > 0.1
    assert shares["resize"] < 0.01
    assert shares["pixel_shuffle"] < 0.01


@pytest.mark.slow
def test_the_checkerboard_stays_in_training_longest_with_transposed_convolutions() -> None:
    """After sixty steps on smooth pairs, beside the share that the targets themselves have."""

    def smooth(seed: int) -> Tensor:
        coarse = torch.rand(16, 3, 4, 4, generator=torch.Generator().manual_seed(seed)).mul(2).sub(1)
        return F.interpolate(coarse, (64, 64), mode="bicubic", align_corners=False).clamp(-1, 1)

    sources, targets = smooth(1), smooth(2)
    shares = {}
    for name in UPSAMPLINGS:
        torch.manual_seed(0)
        network = UNetGenerator(width=16, num_downs=4, dropout=0, upsampling=name)
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.5, 0.999))
        for _ in range(60):
            chosen = torch.randint(16, (4,))
            optimizer.zero_grad()
            (network(sources[chosen]) - targets[chosen]).abs().mean().backward()
            optimizer.step()
        with torch.no_grad():
            shares[name] = checkerboard(network.eval()(sources)).mean().item()
    assert checkerboard(targets).mean() < 0.0005
    assert shares["transposed"] > 1.5 * shares["resize"]
    assert shares["transposed"] > 1.5 * shares["pixel_shuffle"]


def test_sizes_are_checked_with_one_line() -> None:
    check_size(torch.rand(1, 3, 8, 16), 8, "Net", least=8)
    with pytest.raises(ConfigError, match="Net: a picture of 12x16 does not divide by 8: pad it"):
        check_size(torch.rand(1, 3, 12, 16), 8, "Net")
    with pytest.raises(DataError, match="Net needs pictures of 16x16 or more and got 8x16"):
        check_size(torch.rand(1, 3, 8, 16), 8, "Net", least=16)


def test_an_unknown_name_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'transposed'"):
        make_upsampling("transpose", 2, 3)
