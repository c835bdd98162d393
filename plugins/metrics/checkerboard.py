"""The checkerboard that strides leave in outputs, beside what real pictures have of it (Odena et al., Distill 2016)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sketchkit.evaluation.checkerboard import checkerboard
from sketchkit.evaluation.contract import PictureMetric, Seen, Setup, View
from sketchkit.registry import PICTURE_METRICS, whole_number


class CheckerboardView(View):
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
        return {"view": "checkerboard", "version": 1, "stride": self.stride}

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

    def __init__(self, setup: Setup = Setup(), stride: int = 2) -> None:
        self.view = CheckerboardView(stride)

    def compute(self, seen: Seen) -> dict[str, float]:
        """{'checkerboard': the fakes' mean, 'checkerboard_real': that of the real pictures}."""
        assert seen.real is not None
        return {"checkerboard": self.per_sample(seen).mean().item(), "checkerboard_real": seen.real.mean().item()}

    def per_sample(self, seen: Seen) -> Tensor:
        """The share (N,) of each fake."""
        assert seen.fake is not None
        return seen.fake[:, 0]
