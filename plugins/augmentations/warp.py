"""Affine warps of pictures that stay clear of aliasing (Karras et al., NeurIPS 2020, appendix B)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# The symlet of 12 taps (Daubechies 1992), as in the paper.
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
BEFORE, AFTER = 5, 6  # of a pixel's place in the doubled picture, where its taps begin and end
MARGIN = 6  # pixels, mirrored, beyond which places are mirrored
LEAST = MARGIN + 1  # pixels a side that can be mirrored so


def warped(picture: Tensor, inverse: Tensor, taps: Tensor) -> Tensor:
    """Pictures (B, C, H, W) moved by the inverse of a map of their pixels; what comes in is mirrored at the borders.

    They are doubled by the filter, read bilinearly where `inverse` says, and halved by the filter again, so that a map
    that moves nothing gives the picture back. Linear in the picture, and made of gathers, which have second gradients
    and repeatable ones on every device.

    Args:
        picture: at least `LEAST` pixels high and wide.
        inverse: (B, 2, 3): pixel (x, y) of the result, counted from the picture's center, shows the place
            inverse @ (x, y, 1) of the picture.
        taps: SYM6, on the picture's device.
    """
    height, width = picture.shape[-2:]
    taps = taps.to(picture.dtype)
    doubled = _doubled(picture, taps)
    x, y = _places(inverse.to(picture.dtype), height, width)
    return _halved(_read(doubled, x, y, height, width), taps)


def _doubled(picture: Tensor, taps: Tensor) -> Tensor:
    """Twice as many pixels, from 2 * MARGIN before the first to as many behind the last."""
    count, channels, height, width = picture.shape
    more = MARGIN + 3  # whose taps reach into the margin
    index = [_mirrored(torch.arange(-more, side + more, device=picture.device), side) for side in (height, width)]
    x = picture[:, :, index[0]][..., index[1]].flatten(0, 1)[:, None]
    taps = taps * 2**0.5
    x = F.conv_transpose2d(x, taps[None, None, :, None], stride=(2, 1))
    x = F.conv_transpose2d(x, taps[None, None, None, :], stride=(1, 2))
    start = BEFORE + 2 * 3
    size = [2 * (side + 2 * MARGIN) - 1 for side in (height, width)]
    return x[..., start : start + size[0], start : start + size[1]].reshape(count, channels, *size)


def _halved(doubled: Tensor, taps: Tensor) -> Tensor:
    """What `_doubled` is undone by: its first pixel is BEFORE before that of the result."""
    count, channels, _, _ = doubled.shape
    x, taps = doubled.flatten(0, 1)[:, None], taps * 0.5**0.5
    x = F.conv2d(x, taps[None, None, :, None], stride=(2, 1))
    x = F.conv2d(x, taps[None, None, None, :], stride=(1, 2))
    return x.reshape(count, channels, *x.shape[-2:])


def _places(inverse: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where in the doubled picture each pixel (B, h, w) of the result's doubled picture is, in its pixels."""
    middle = [(side - 1) / 2 for side in (height, width)]
    rows, columns = (
        torch.arange(-BEFORE, 2 * (side - 1) + AFTER + 1, device=inverse.device, dtype=inverse.dtype) / 2 - center
        for side, center in zip((height, width), middle, strict=True)
    )
    a = inverse[:, :, :, None, None]
    x = a[:, 0, 0] * columns + a[:, 0, 1] * rows[:, None] + a[:, 0, 2]
    y = a[:, 1, 0] * columns + a[:, 1, 1] * rows[:, None] + a[:, 1, 2]
    return 2 * (x + middle[1]), 2 * (y + middle[0])


def _read(doubled: Tensor, x: Tensor, y: Tensor, height: int, width: int) -> Tensor:
    """Bilinear values (B, C, h, w) at places (B, h, w)."""
    left, top = x.floor(), y.floor()
    columns = [(_inside(left + step, width), 1 - (x - left - step).abs()) for step in (0, 1)]
    rows = [(_inside(top + step, height), 1 - (y - top - step).abs()) for step in (0, 1)]
    flat = doubled.flatten(2)
    result = torch.zeros((), dtype=doubled.dtype, device=doubled.device)
    for row, row_share in rows:
        for column, column_share in columns:
            index = (row * doubled.shape[-1] + column).flatten(1)[:, None].expand(-1, doubled.shape[1], -1)
            result = result + flat.gather(2, index).unflatten(2, x.shape[1:]) * (row_share * column_share)[:, None]
    return result


def _inside(place: Tensor, side: int) -> Tensor:
    """The index in the doubled picture of whole places, those beyond its margin mirrored."""
    last = 2 * (side - 1)
    mirrored = _mirrored(place.long(), last + 1)
    has_margin = (place >= -2 * MARGIN) & (place <= last + 2 * MARGIN)
    return torch.where(has_margin, place.long(), mirrored) + 2 * MARGIN


def _mirrored(index: Tensor, side: int) -> Tensor:
    """The index within 0 .. side - 1 of which any is a mirror image, the outermost pixels being the mirrors."""
    period = 2 * (side - 1)
    inside = index % period if period else index * 0
    return torch.minimum(inside, period - inside)
