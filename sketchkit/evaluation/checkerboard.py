"""How much of a picture is the pattern that a network's strides leave (Odena et al., Distill 2016)."""

from __future__ import annotations

import torch
from torch import Tensor

from sketchkit.data.images import UnusablePicture
from sketchkit.registry import whole_number


def checkerboard(images: Tensor, stride: int = 2) -> Tensor:
    """The share of the energy, means removed, at the frequencies of a stride: k / s cycles a pixel, 0 < k < s.

    With F the 2-D Fourier transform of H x W pixels, R the rows H k / s and C the columns W k / s:
    sum_{y in R or x in C} |F[y, x]|^2 / sum_yx |F[y, x]|^2, both sums over the channels too. Odena et al.,
    "Deconvolution and Checkerboard Artifacts", show where such a pattern comes from.

    Args:
        images: (B, C, H, W) float, in any range; cut at the lower right where `stride` does not divide their sides.
        stride: s, in pixels.

    Returns:
        (B,) in 0..1, 0 for a flat picture. White noise has 1 - (1 - (s - 1) / H) (1 - (s - 1) / W) or so.

    Raises:
        ConfigError: a stride below 2.
        UnusablePicture: a picture smaller than the stride.
    """
    whole_number("stride", stride, 2)
    height, width = (side - side % stride for side in images.shape[-2:])
    if not height or not width:
        size = f"{images.shape[-1]}x{images.shape[-2]}"
        raise UnusablePicture(f"a picture of {size} is smaller than stride={stride}: leave it out, or lower the stride")
    images = images[..., :height, :width]
    energy = torch.fft.fft2(images - images.mean((2, 3), keepdim=True)).abs().square().sum(1)
    rows, columns = (_left_by(stride, side, images.device) for side in (height, width))
    pattern = energy.masked_fill(~(rows[:, None] | columns), 0).sum((1, 2))
    # What rounding leaves of a flat picture is flat too, and no pattern.
    return pattern / energy.sum((1, 2)).clamp_min(torch.finfo(energy.dtype).tiny)


def _left_by(stride: int, side: int, device: torch.device) -> Tensor:
    """Which of the frequencies 0..side-1, in cycles a side, are multiples of side / stride other than 0."""
    frequencies = torch.arange(side, device=device)
    return (frequencies % (side // stride) == 0) & (frequencies > 0)
