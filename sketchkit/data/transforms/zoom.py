"""Framing pictures anew, nearer or farther."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from sketchkit.data.transforms.sample import Sample
from sketchkit.data.transforms.scale import resized
from sketchkit.declared import Interpolation, Range, Side
from sketchkit.errors import ConfigError
from sketchkit.registry import TRANSFORMS

# Of a picture; a frame of a hundred times its area would show a dot, at the price of all its pixels.
Part = Annotated[float, Range(0.01, 100)]


@TRANSFORMS.register_module()
class RandomZoom:
    """A frame at random, smaller than the picture or larger, whose contents are brought to `size`.

    Beyond a picture's borders its border pixels go on. Where torchvision's RandomResizedCrop only enlarges, this also
    shows things smaller than they are; all pictures of a sample by the same frame.

    Args:
        size: (height, width).
        scale: the least and the most area of the frame, as a share of the picture's.
        ratio: the least and the most width of the frame over its height, where the picture's is 1.
        interpolation: 'bilinear' or 'bicubic', both antialiased, or another of `Interpolation`.

    Raises:
        ConfigError: a range that is not of two numbers, the lesser first.
    """

    def __init__(
        self,
        size: Sequence[Side] = (64, 64),
        scale: Sequence[Part] = (0.6, 2.0),
        ratio: Sequence[Part] = (0.8, 1.25),
        interpolation: Interpolation = "bilinear",
    ) -> None:
        for name, span in (("scale", scale), ("ratio", ratio)):
            if len(span) != 2 or not span[0] <= span[1]:
                raise ConfigError(f"{name}={list(span)} is no range: give two numbers, the lesser first")
        if len(size) != 2:
            raise ConfigError(f"size={list(size)} is not a height and a width: give two numbers")
        self.size, self.scale, self.ratio, self.interpolation = list(size), scale, ratio, interpolation

    def __call__(self, sample: Sample) -> Sample:
        """The sample with each of its pictures in the same frame, as a share of its own height and width."""
        area, ratio = (_between(*span) for span in (self.scale, self.ratio))
        shares = math.sqrt(area / ratio), math.sqrt(area * ratio)
        # Wholly within the picture, or the picture wholly within the frame.
        starts = [(1 - share) * torch.rand(()).item() for share in shares]
        return {
            key: self._framed(value, starts, shares) if isinstance(value, Tensor) else value
            for key, value in sample.items()
        }

    def short_side(self, height: int, width: int) -> float:
        """The pixels of the shorter side of a whole picture, in a frame of middling area."""
        return min(self.size) / (self.scale[0] * self.scale[1]) ** 0.25

    def _framed(self, picture: Tensor, starts: Sequence[float], shares: Sequence[float]) -> Tensor:
        rows, columns = picture.shape[-2:]
        (top, bottom), (left, right) = (
            _ends(start, share, side) for start, share, side in zip(starts, shares, (rows, columns), strict=True)
        )
        inside = picture[..., max(0, top) : bottom, max(0, left) : right]
        beyond = [max(0, one) for one in (-left, -top, right - columns, bottom - rows)]
        frame = v2.functional.pad(inside, beyond, padding_mode="edge") if any(beyond) else inside
        return tv_tensors.wrap(resized(frame[None], self.size, self.interpolation)[0], like=picture)


def _between(least: float, most: float) -> float:
    """A number of that range, halves and doubles of one as likely."""
    return math.exp(torch.empty(()).uniform_(math.log(least), math.log(most)).item())


def _ends(start: float, share: float, side: int) -> tuple[int, int]:
    """The first pixel of a frame along a side, and the one behind its last; within the side if it is not larger."""
    first = round(start * side)
    if share <= 1:
        first = min(first, side - 1)
    return first, max(first + 1, round((start + share) * side))
