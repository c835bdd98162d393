"""Layers that double height and width, with and without the checkerboard of transposed convolutions.

Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts" (Distill 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError, DataError
from sketchkit.options import check_options, one_of, options_of

from .mmcv_layers import Layer, entry_of, explained, options_of_layer, try_on_maps
from .receptive import ReceptiveField, field_after

Upsampling: TypeAlias = str | Layer

UPSAMPLINGS = ("transposed", "resize", "pixel_shuffle", "bilinear")


class PixelShuffleUpsampling(nn.Module):
    """A 3 x 3 convolution to four times the channels, which become the four pixels of each 2 x 2 block."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4 * out_channels, 3, padding=1, padding_mode="replicate", bias=bias)
        self.initialize(nn.init.kaiming_normal_)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in_channels, H, W) to (B, out_channels, 2 H, 2 W)."""
        return F.pixel_shuffle(self.conv(x), 2)

    @torch.no_grad()
    def initialize(self, draw: Callable[[Tensor], Tensor]) -> None:
        """ICNR (Aitken et al. 2017, arXiv 1707.02937): `draw` one kernel for all four pixels of a block; bias 0.

        At the start the layer then equals nearest upsampling of a convolution.
        """
        kernel = draw(torch.empty_like(self.conv.weight[::4]))
        self.conv.weight.copy_(kernel.repeat_interleave(4, 0))
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)


@field_after.register
def _(layer: PixelShuffleUpsampling, field: ReceptiveField) -> ReceptiveField:
    return field_after(layer.conv, field).enlarged([(0, 0)] * 2)


class ResizeConvolution(nn.Conv2d):
    """Each pixel twice in both directions, then a 3 x 3 convolution whose picture goes on as its border.

    Both in one transposed convolution: of the nine products at each pixel some have the same pixel, and four are left.
    Under autocast they are two steps.
    """

    sums: Tensor

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, padding_mode="replicate", bias=bias)
        # The taps (a, b, c) of an axis become (c, b + c, a + b, a), of stride 2.
        axis = torch.tensor([[0.0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]])
        self.register_buffer("sums", torch.kron(axis, axis), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in_channels, H, W) to (B, out_channels, 2 H, 2 W)."""
        if torch.is_autocast_enabled(x.device.type):  # sums of taps, rounded to half precision, would be a grid
            return super().forward(F.interpolate(x, scale_factor=2.0))
        taps = (self.weight.transpose(0, 1).flatten(2) @ self.sums).unflatten(2, (4, 4))
        return F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), "replicate"), taps, self.bias, 2, padding=3)


@field_after.register
def _(layer: ResizeConvolution, field: ReceptiveField) -> ReceptiveField:
    return field.enlarged([(0, 0)] * 2).window(3, padding=1)


def make_upsampling(
    upsampling: Upsampling, in_channels: int, out_channels: int, *, kernel: int = 4, bias: bool = True
) -> nn.Module:
    """A layer from (B, in_channels, H, W) to (B, out_channels, 2 H, 2 W) by one of the names in UPSAMPLINGS, or MMCV's.

    transposed: a convolution of stride 2 with that kernel, 2, 3 or 4. resize: see `ResizeConvolution`. bilinear:
    interpolated, then a 3 x 3 convolution over zeros at the borders (CUT's antialiasing). pixel_shuffle: see
    `PixelShuffleUpsampling`. A dict is a layer of MMCV's; after one that knows no channels, such as 'nearest', comes a
    3 x 3 convolution.

    Raises:
        ConfigError: an unknown name, or a dict that makes no such layer.
    """
    if isinstance(upsampling, Mapping):
        return _mmcv_upsampling(upsampling, in_channels, out_channels, bias)
    one_of("upsampling", upsampling, UPSAMPLINGS)
    if upsampling == "pixel_shuffle":
        return PixelShuffleUpsampling(in_channels, out_channels, bias=bias)
    if upsampling == "resize":
        return ResizeConvolution(in_channels, out_channels, bias=bias)
    if upsampling == "bilinear":
        conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
        return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), conv)
    # 2 (H - 1) + kernel - 2 padding + output_padding = 2 H
    padding, output_padding = (kernel - 1) // 2, kernel % 2
    return nn.ConvTranspose2d(in_channels, out_channels, kernel, 2, padding, output_padding, bias=bias)


def _then_convolution(layer: nn.Module, in_channels: int, out_channels: int, bias: bool) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="replicate", bias=bias)
    return nn.Sequential(layer, conv)


def _mmcv_upsampling(upsampling: Layer, in_channels: int, out_channels: int, bias: bool) -> nn.Module:
    from mmcv.cnn import build_upsample_layer

    with explained("upsampling", upsampling):
        entry = entry_of(upsampling)
        known = options_of(entry)[0]
        given = {"in_channels": in_channels, "out_channels": out_channels, "scale_factor": 2, "bias": bias}
        options = {**{name: given[name] for name in given if name in known}, **options_of_layer(upsampling)}
        if entry is nn.Upsample:  # whose mode is what MMCV calls its type
            options["mode"] = upsampling["type"]
        check_options(entry, options)
        layer = build_upsample_layer({**options, "type": entry})
        if "in_channels" not in known:
            layer = _then_convolution(layer, in_channels, out_channels, bias)
        return try_on_maps(layer, (in_channels, 2, 3), (out_channels, 4, 6))


def check_size(picture: Tensor, multiple: int, owner: str, least: int = 1) -> None:
    """Refuse a picture (B, C, H, W) that halving and doubling again would not bring back to its size.

    Raises:
        ConfigError: height or width does not divide by `multiple`.
        DataError: height or width is below `least`.
    """
    height, width = picture.shape[-2:]
    if height % multiple or width % multiple:
        raise ConfigError(f"{owner}: a picture of {height}x{width} does not divide by {multiple}: pad it to a multiple")
    if min(height, width) < least:
        raise DataError(f"{owner} needs pictures of {least}x{least} or more and got {height}x{width}: enlarge it")
