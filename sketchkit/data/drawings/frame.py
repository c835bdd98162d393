"""The part of a picture that a drawing is to fill, which may reach beyond the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

Box = tuple[float, float, float, float]  # left, top, right, bottom, in shares of the width and of the height
_INK = 64
_NEAREST = 8  # times closer there is nothing to see but pixels
_FARTHEST = 0.5


class Frame(NamedTuple):
    """A rectangle in a picture's pixels, of the picture's own shape; what lies beyond the picture is filled."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, picture: np.ndarray, fill: int | Sequence[int]) -> np.ndarray:
        """What the frame shows of a picture (H, W) or (H, W, C) uint8, at the picture's size.

        Args:
            picture: as large as the one that the frame was found for.
            fill: what lies beyond the picture: a level, or one a channel.
        """
        height, width = picture.shape[:2]
        right, bottom = self.left + self.width, self.top + self.height
        inside = picture[max(0, self.top) : max(0, bottom), max(0, self.left) : max(0, right)]
        borders = (max(0, -self.top), max(0, bottom - height), max(0, -self.left), max(0, right - width))
        fills = [fill] * 4 if isinstance(fill, int) else list(fill)
        framed = cv2.copyMakeBorder(inside, *borders, cv2.BORDER_CONSTANT, value=fills)
        way = (
            cv2.INTER_AREA if self.width > width else cv2.INTER_CUBIC if picture.shape[2:] != (4,) else cv2.INTER_LINEAR
        )
        return cv2.resize(framed, (width, height), interpolation=way)


def box_of(ink: np.ndarray) -> Box | None:
    """Where there is ink (H, W) uint8; None: nowhere."""
    drawn = ink >= _INK
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    if not rows.size:
        return None
    height, width = ink.shape
    return (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)


def size_of(box: Box) -> float:
    """The longer side of a box, as a share of the picture's."""
    return max(box[2] - box[0], box[3] - box[1])


def offset_of(box: Box, other: Box) -> float:
    """How far the middles of two boxes are apart, along the axis on which they are farther."""
    return max(abs(box[0] + box[2] - other[0] - other[2]), abs(box[1] + box[3] - other[1] - other[3])) / 2


def frame_for(box: Box, wanted: Box, shape: tuple[int, ...]) -> Frame:
    """The frame of a picture of this shape in which `box` lies where `wanted` lies, as large as fits into it."""
    height, width = shape[:2]
    scale = min((wanted[2] - wanted[0]) / (box[2] - box[0]), (wanted[3] - wanted[1]) / (box[3] - box[1]))
    scale = min(max(scale, _FARTHEST), _NEAREST)
    left = (box[0] + box[2]) / 2 - (wanted[0] + wanted[2]) / 2 / scale
    top = (box[1] + box[3]) / 2 - (wanted[1] + wanted[3]) / 2 / scale
    return Frame(round(left * width), round(top * height), max(1, round(width / scale)), max(1, round(height / scale)))
