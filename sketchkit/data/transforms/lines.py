"""Line drawings made of pictures, and the transform that makes a sample's source of its target.

Grey is 0.299 R + 0.587 G + 0.114 B. How lines are drawn in it is a plugin: an entry of LINE_METHODS.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from sketchkit.data.transforms.sample import as_picture, require
from sketchkit.errors import ConfigError
from sketchkit.registry import LINE_METHODS, TRANSFORMS


def extract_lines(images: Tensor, method: str = "xdog", **options: float) -> Tensor:
    """Black lines on white out of colour pictures, on the device they lie on.

    Args:
        images: (B, 3, H, W) RGB, float in [0, 1] or uint8.
        method: a name in LINE_METHODS: 'xdog', 'canny', 'sobel'.
        **options: the method's.

    Returns:
        (B, 1, H, W) float in [0, 1].

    Raises:
        ConfigError: an unknown method or option, or a value outside its limits.
    """
    from kornia.color import rgb_to_grayscale

    draw = LINE_METHODS.build({"type": method, **options})
    return draw(rgb_to_grayscale(images if images.is_floating_point() else images.float() / 255))


@TRANSFORMS.register_module()
class ExtractLines:
    """Draws `source` from `target`, with the options of `extract_lines`.

    An option given as a pair, such as sigma=(0.8, 2.0), is drawn uniformly between the two for every sample.

    Raises:
        ConfigError: as `extract_lines`, for every value that may be drawn.
    """

    # Whether a source is made here, as a person would have drawn it.
    draws = True

    def __init__(self, method: str = "xdog", **options: float | Sequence[float]) -> None:
        self.method = method
        self.ranges = {name: _ends(name, value) for name, value in options.items()}
        for corner in product(*self.ranges.values()):
            LINE_METHODS.build({"type": method, **dict(zip(self.ranges, corner, strict=True))})

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """The sample with its lines as `source`, (3, H, W) uint8.

        Raises:
            ConfigError: the sample has no target.
        """
        require(sample, "target", "ExtractLines")
        options = {name: _draw(*ends) for name, ends in self.ranges.items()}
        lines = extract_lines(sample["target"].as_subclass(Tensor)[None], self.method, **options)
        pixels = lines[0].mul(255).round().to(torch.uint8).repeat(3, 1, 1)
        return {**sample, "source": as_picture(pixels)}


def _ends(option: str, value: float | Sequence[float]) -> tuple[float, float]:
    """Where the drawing of an option begins and ends; a number is both."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value, value
    if len(value) != 2 or value[0] > value[1]:
        raise ConfigError(f"{option}={value!r} is no range: give a number or two, the smaller first")
    return value[0], value[1]


def _draw(low: float, high: float) -> float:
    return low if low == high else torch.empty(()).uniform_(low, high).item()
