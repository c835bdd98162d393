"""At what scale a pipeline shows whole pictures: its last step that makes them larger or smaller.

A transform of one's own declares it by `short_side(height, width)`, the pixels that it gives the shorter side of a
picture of that size, and `interpolation`, its word. Those of torchvision are told here by name and options, without
importing it, which takes as long as importing torch does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from sketchkit.declared import Interpolation
from sketchkit.options import explained, one_of

LONGEST = 16_384  # pixels, of the longer side of whatever is resized by its shorter one
SMOOTH = ("bilinear", "bicubic")  # the ways that have antialiasing


class Scale(NamedTuple):
    """The shorter side in pixels, and how pictures are brought to it: a word of `sketchkit.declared.Interpolation`."""

    side: int
    interpolation: str = "bilinear"

    def __call__(self, image: Tensor) -> Tensor:
        """(C, H, W) uint8 with that shorter side, in its own shape; antialiased, as torchvision's `resize`."""
        height, width = image.shape[-2:]
        short, long = sorted((height, width))
        # A thread of a picture would become as long as the memory is large.
        side = min(self.side, max(1, LONGEST * short // long))
        if side == short:
            return image
        longer = int(side * long / short)
        size = (side, longer) if height <= width else (longer, side)
        return resized(image[None], size, self.interpolation)[0]


def resized(image: Tensor, size: Sequence[int], interpolation: str = "bilinear") -> Tensor:
    """(B, C, H, W) at another (height, width); antialiased where the way has that."""
    if interpolation not in SMOOTH:
        return F.interpolate(image, tuple(size), mode=interpolation)
    if tuple(size) == (1, 1):  # which torch's way for bytes makes only of such tensors
        image = image.contiguous(memory_format=torch.channels_last)
    return F.interpolate(image, tuple(size), mode=interpolation, align_corners=False, antialias=True)


class Resizer:
    """What a step that torchvision has does to the scale of whole pictures.

    Args:
        config: of the step, whose `type` is one of RESIZERS.

    Raises:
        ConfigError: its options say no scale.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.options = dict(config)
        self.name: str = self.options.pop("type")
        self.interpolation: str = self.options.pop("interpolation", "bilinear")
        one_of(f"{self.name}: interpolation", self.interpolation, get_args(Interpolation))
        with explained(self.name):
            scale_of(self, LONGEST, LONGEST)

    def short_side(self, height: int, width: int) -> float:
        """The pixels of the shorter side of a picture of that size."""
        return RESIZERS[self.name](height, width, **self.options)


def scale_of(step: Any, height: int, width: int) -> Scale:
    """The scale, in whole pixels, that a step brings a picture of that size to; it `resizes`."""
    return Scale(max(1, round(step.short_side(height, width))), step.interpolation)


def resizes(step: Any) -> bool:
    """Whether a step makes whole pictures larger or smaller."""
    return getattr(step, "short_side", None) is not None


def _resize(height: int, width: int, size: Any, max_size: int | None = None, **_: Any) -> float:
    """A number is the shorter side, two are height and width; `max_size` is the longest that the longer may be."""
    most = max_size * min(height, width) / max(height, width) if max_size else float("inf")
    return min(most, min(size) if isinstance(size, Sequence) else size or most)


def _crop(height: int, width: int, size: Any, scale: Sequence[float] = (0.08, 1.0), **_: Any) -> float:
    """A crop that is then resized: as if the whole had been, for a crop of middling share."""
    return (min(size) if isinstance(size, Sequence) else size) / (sum(scale) / 2) ** 0.5


def _drawn(height: int, width: int, min_size: int, max_size: int, **_: Any) -> float:
    """A size that is drawn from min_size to below max_size: their middle."""
    return (min_size + max_size - 1) / 2


RESIZERS: Mapping[str, Callable[..., float]] = {"Resize": _resize, "RandomResizedCrop": _crop, "RandomResize": _drawn}
