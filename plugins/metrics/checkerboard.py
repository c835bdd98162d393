"""The checkerboard that strides leave in outputs, beside what real pictures have of it (Odena et al., Distill 2016)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sketchkit.data.image_io import UnusablePicture
from sketchkit.evaluation.metric import FeatureExtractor, Features, PictureMetric, Setup
from sketchkit.options import whole_number
from sketchkit.registry import PICTURE_METRICS


class CheckerboardExtractor(FeatureExtractor):
    """The share of a picture's energy in the pattern of a stride: a row of 1, float64.

    Raises:
        ConfigError: a stride below 2.
    """

    dtype = torch.float64

    def __init__(self, stride: int) -> None:
        whole_number("stride", stride, 2)
        self.stride = stride

    @property
    def identity(self) -> dict[str, Any]:
        """The stride."""
        return {"extractor": "checkerboard", "version": 1, "stride": self.stride}

    def prepare(self, *pictures: Tensor) -> Tensor:
        """One picture (3, H, W) uint8 -> (1,).

        Raises:
            UnusablePicture: it is smaller than the stride.
        """
        (picture,) = pictures
        return checkerboard(picture[None].to(self.dtype), self.stride)


@PICTURE_METRICS.register_module(name="checkerboard")
class Checkerboard(PictureMetric):
    """The mean share of the fakes' energy in the pattern of a stride, 0 to 1; see `checkerboard`.

    Real pictures have a little of it, so that 0 is not the aim: their share is given beside it.

    Args:
        setup: see `Setup`; nothing of it matters here.
        stride: of the network's upsampling, in output pixels: 2, or 4 for that of the layer before the last.

    Raises:
        ConfigError: a stride below 2.
    """

    better = "lower"
    by_default = True

    def __init__(self, setup: Setup = Setup(), stride: int = 2) -> None:
        self.extractor = CheckerboardExtractor(stride)

    def compute(self, features: Features) -> dict[str, float]:
        """{'checkerboard': the fakes' mean, 'checkerboard_real': that of the real pictures}."""
        assert features.real is not None
        return {
            "checkerboard": self.per_sample(features).mean().item(),
            "checkerboard_real": features.real.mean().item(),
        }

    def per_sample(self, features: Features) -> Tensor:
        """The share (N,) of each fake."""
        assert features.fake is not None
        return features.fake[:, 0]


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
