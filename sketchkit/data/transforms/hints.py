"""Colour hints: in training made of the target, in use the person's own strokes (Auto-Painter, Liu et al. 2017).

A hint is straight RGBA, (4, H, W) uint8: alpha says where it speaks, the colour is 0 where alpha is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
from torch import Tensor

from sketchkit.data.image_io import read_straight
from sketchkit.data.transforms.sample import as_picture, require
from sketchkit.declared import Blocks, Positive, Range, Share
from sketchkit.errors import ConfigError, DataError
from sketchkit.registry import TRANSFORMS

_REFERENCE = 512  # the short side, in pixels, that lengths are given for


@TRANSFORMS.register_module()
class ColorHints:
    """Makes `hint` of `target`: small blocks and a few strokes in the colours that the blurred target has there.

    Comes last in a pipeline, after the geometry. Lengths are pixels of a picture whose short side is 512 and shrink or
    grow with it; a block stays at least a pixel wide. No hint is ever white: what falls on white is left out.

    Args:
        max_blocks: the number of blocks is uniform in 0..max_blocks.
        block: smallest and largest side of a block.
        strokes: the number of strokes is uniform in 0..strokes; each wanders over 4 to 12 steps as long as three times
            its width and takes the colour anew at every step.
        width: smallest and largest width of a stroke.
        blur: the target is first averaged over boxes of this side; 1 for not at all.
        white: a colour whose R, G and B all reach this is white.
        probability: of a sample having hints at all, so that drawing without any is learnt too.

    Raises:
        ConfigError: an option's value is outside its limits.
    """

    def __init__(
        self,
        max_blocks: Blocks = 50,
        block: tuple[Positive, Positive] = (5, 10),
        strokes: Blocks = 3,
        width: tuple[Positive, Positive] = (3, 8),
        blur: Annotated[float, Range(1, 2**14)] = 9,
        white: Annotated[int, Range(0, 256)] = 235,
        probability: Share = 0.9,
    ) -> None:
        for option, value in {"max_blocks": max_blocks, "strokes": strokes}.items():
            _check(value >= 0, option, value, "0 or more")
        for option, lengths in {"block": block, "width": width}.items():
            _check(len(lengths) == 2 and 0 < lengths[0] <= lengths[1], option, lengths, "(smallest, largest), above 0")
        _check(blur >= 1, "blur", blur, "1 or more")
        _check(0 <= white <= 256, "white", white, "0 to 256, where 256 leaves nothing out")
        _check(0 <= probability <= 1, "probability", probability, "0 to 1")
        self.max_blocks, self.block, self.strokes, self.width = max_blocks, tuple(block), strokes, tuple(width)
        self.blur, self.white, self.probability = blur, white, probability

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """The sample with its `hint`, (4, H, W) uint8.

        Raises:
            ConfigError: the sample has no target.
        """
        require(sample, "target", "ColorHints")
        target = cv2.merge(list(sample["target"].numpy()))
        hint = np.zeros((*target.shape[:2], 4), np.uint8)
        if torch.rand(()).item() < self.probability:
            self._draw(hint, target)
        return {**sample, "hint": as_picture(_planes(hint))}

    def _draw(self, hint: np.ndarray, target: np.ndarray) -> None:
        scale = min(target.shape[:2]) / _REFERENCE
        side = max(1, round(self.blur * scale)) // 2 * 2 + 1
        colors = cv2.blur(target, (side, side))
        blocks, strokes = _count(self.max_blocks), _count(self.strokes)
        for (x, y), side in zip(_places(blocks, target), _lengths(blocks, self.block, scale), strict=True):
            self._draw_block(hint, colors, x, y, side)
        for place, width in zip(_places(strokes, target), _lengths(strokes, self.width, scale), strict=True):
            self._draw_stroke(hint, colors, place, width)

    def _draw_block(self, hint: np.ndarray, colors: np.ndarray, x: int, y: int, side: int) -> None:
        # Shifted, not cut, at the right and lower border.
        y, x = max(0, min(y, hint.shape[0] - side)), max(0, min(x, hint.shape[1] - side))
        color = colors[y : y + side, x : x + side].mean((0, 1))
        if color.min() < self.white:
            hint[y : y + side, x : x + side] = (*color.round(), 255)

    def _draw_stroke(self, hint: np.ndarray, colors: np.ndarray, place: Sequence[int], width: int) -> None:
        height, breadth = colors.shape[:2]
        path = np.asarray(place) + _walk(3 * width)
        path = path.clip(0, (breadth - 1, height - 1)).round().astype(int)
        for start, end in pairwise(path):
            x, y = (start + end) // 2
            color = colors[y, x]
            if color.min() < self.white:
                cv2.line(hint, start.tolist(), end.tolist(), (*color.tolist(), 255), width)


def hint_from_picture(rgba: np.ndarray) -> Tensor:
    """A person's strokes, (H, W, 4) uint8 straight RGBA, as a hint (4, H, W); alpha between 0 and 255 is kept.

    Raises:
        DataError: another shape or type.
    """
    if rgba.ndim != 3 or rgba.shape[2] != 4 or rgba.dtype != np.uint8:
        raise DataError(f"a hint is (H, W, 4) uint8 RGBA, not {rgba.shape} {rgba.dtype}: give it an alpha channel")
    return _planes(np.where(rgba[..., 3:] > 0, rgba, 0))


def read_hint(path: str | Path, size: tuple[int, int]) -> Tensor:
    """The strokes in a picture file as a hint (4, H, W) uint8.

    Args:
        path: a picture with transparency, such as a PNG, that lies over the sketch.
        size: (H, W) of the sketch.

    Raises:
        UnreadableImage: the file is missing, cut short, or no image.
        DataError: it has no transparency, or another size than the sketch.
    """
    rgba = read_straight(path)
    if rgba.shape[2] != 4:
        raise DataError(f"{path} has no transparency: save the strokes on a transparent ground, as RGBA PNG")
    if rgba.shape[:2] != tuple(size):
        raise DataError(
            f"the hint {path} is {rgba.shape[1]}x{rgba.shape[0]} and the sketch {size[1]}x{size[0]}: bring the hint to "
            "the sketch's size"
        )
    return hint_from_picture(rgba)


def _planes(picture: np.ndarray) -> Tensor:
    """(H, W, C) -> (C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def _check(is_fine: bool, option: str, value: object, wanted: str) -> None:
    if not is_fine:
        raise ConfigError(f"ColorHints has {option}={value!r}: give {wanted}")


def _count(most: int) -> int:
    return int(torch.randint(most + 1, ()))


def _places(count: int, picture: np.ndarray) -> list[list[int]]:
    """(x, y) of `count` pixels, uniform over the picture."""
    height, width = picture.shape[:2]
    return (torch.rand(count, 2) * torch.tensor([width, height])).int().tolist()


def _lengths(count: int, limits: Sequence[float], scale: float) -> list[int]:
    low, high = limits
    return (torch.empty(count).uniform_(low, high) * scale).round().clamp(min=1).int().tolist()


def _walk(step: float) -> np.ndarray:
    """Points (n, 2) from (0, 0) on, 4 to 12 steps, the direction turning a little at each."""
    steps = 4 + _count(8)
    angles = 2 * torch.pi * torch.rand(()) + torch.cumsum(torch.randn(steps) * 0.5, 0)
    moves = step * torch.stack([angles.cos(), angles.sin()], 1)
    return torch.cat([torch.zeros(1, 2), moves.cumsum(0)]).numpy()
