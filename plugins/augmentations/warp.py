"""Affine warps of pictures that stay clear of aliasing (Karras et al., NeurIPS 2020, appendix B)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

# The symlet of 12 taps (Daubechies 1992), as in the paper.
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
BEFORE, AFTER = 5, 6  # of a pixel's place in the doubled picture, where its taps begin and end
MARGIN = 6  # pixels, mirrored, beyond which places are mirrored
LEAST = MARGIN + 1  # pixels a side that can be mirrored so


def warped(picture: Tensor, inverse: Tensor) -> Tensor:
    """Pictures (B, C, H, W) moved by the inverse of a map of their pixels; what comes in is mirrored at the borders.

    They are doubled by the filter, read bilinearly where `inverse` says, and halved by the filter again, so that a map
    that moves nothing gives the picture back. Linear in the picture, and made of products and gathers, which have
    second gradients, and repeatable ones on every device.

    Args:
        picture: at least `LEAST` pixels high and wide.
        inverse: (B, 2, 3): pixel (x, y) of the result, counted from the picture's center, shows the place
            inverse @ (x, y, 1) of the picture.
    """
    height, width = picture.shape[-2:]
    up, down = zip(*(_filters(side, picture.dtype, picture.device) for side in (height, width)), strict=True)
    x, y = _places(inverse.to(picture.dtype), height, width)
    read = _read(up[0] @ picture @ up[1].T, x, y, height, width)
    return down[0] @ read @ down[1].T


@lru_cache(maxsize=16)
def _filters(side: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Doubling a line of `side` pixels, and halving, as matrices.

    A doubled line begins 2 * MARGIN before the first pixel and ends as many behind the last, and is that of a line that
    is mirrored at its ends; the one that is halved begins BEFORE the first and ends AFTER the last.
    """
    last = 2 * (side - 1)
    places, taps = torch.arange(-2 * MARGIN, last + 2 * MARGIN + 1), torch.tensor(SYM6, dtype=torch.float64)
    pixels = torch.arange(-MARGIN - AFTER, side + MARGIN + AFTER)
    distance = places[:, None] - 2 * pixels + BEFORE
    shares = taps[distance.clamp(0, len(SYM6) - 1)] * ((distance >= 0) & (distance < len(SYM6)))
    up = torch.zeros(len(places), side, dtype=torch.float64).index_add(1, _mirrored(pixels, side), shares)
    down = shares[2 * MARGIN - BEFORE : len(places) - 2 * MARGIN + AFTER, MARGIN + AFTER : MARGIN + AFTER + side].T
    # The filter's sum is 2 ** 0.5: doubled pixels are to sum up to twice as much, halved ones to as much.
    return (up * 2**0.5).to(device, dtype), (down * 0.5**0.5).to(device, dtype)


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
