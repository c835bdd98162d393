"""The areas of one colour in a picture, and the picture with other colours in some of them."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

_FLAT = 12  # how far, of 255 levels, neighbours in one area may differ in a channel
_INK = 40  # what is darker in all channels is a line, however wide
_LEAST = 1e-3  # what is smaller than this share of the picture is no area, but texture
_OTHER = 40  # farther than this from any mixture of an area's colour and black, a pixel is of another area
# The box, in pixels, over which an area goes on into the soft border of a line.
REACH = np.ones((5, 5), np.uint8)


class Regions:
    """The areas of a picture (H, W, 3) uint8 over which the colour changes at most slowly.

    Attributes:
        labels: (H, W) int32, the number of each pixel's area; 0 where colours change, such as on lines, and in texture.
        sizes: pixels of each number; 0 of number 0, and of those that are not in `labels`.
    """

    def __init__(self, picture: np.ndarray) -> None:
        window = np.ones((2, 2), np.uint8)
        red, green, blue = cv2.split(cv2.subtract(cv2.dilate(picture, window), cv2.erode(picture, window)))
        is_light = cv2.inRange(picture, (0, 0, 0), (_INK,) * 3) == 0
        is_flat = ((cv2.max(cv2.max(red, green), blue) <= _FLAT) & is_light).view(np.uint8)
        _, labels, found, _ = cv2.connectedComponentsWithStats(is_flat, connectivity=4)
        self.sizes = found[:, cv2.CC_STAT_AREA].copy()
        self.sizes[0] = 0
        self.sizes[self.sizes < _LEAST * is_flat.size] = 0
        self.labels: np.ndarray = np.where(self.sizes > 0, np.arange(len(found), dtype=np.int32), 0)[labels]

    def repainted(self, picture: np.ndarray, colors: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """The picture with new colours; shading stays, and so do the lines, whose soft borders take the new colour.

        Args:
            picture: (H, W, 3) uint8.
            colors: number of an area -> its colour and the one that it is to have, each (3,) in 0..255.
        """
        old, new = (np.stack(column).astype(np.float32) for column in zip(*colors.values(), strict=True))
        changed, inside = picture.copy(), np.zeros(self.labels.shape, np.uint16)
        for number, (label, shift) in enumerate(zip(colors, new - old, strict=True), 1):
            is_here = self.labels == label
            cv2.add(changed, (*shift.tolist(), 0), changed, is_here.view(np.uint8))
            inside[is_here] = number
        near = cv2.dilate(inside, REACH)
        border = np.flatnonzero((self.labels == 0) & (near > 0))
        number = near.ravel()[border] - 1
        before = picture.reshape(-1, 3)[border].astype(np.float32)
        share = _share(before, old[number])
        changed.reshape(-1, 3)[border] = (before + share[:, None] * (new - old)[number]).clip(0, 255).round()
        return changed


def _share(pixels: np.ndarray, color: np.ndarray) -> np.ndarray:
    """How much of a colour is in pixels that are mixed of it and black, (N,) in [0, 1]; 0 in all others."""
    share = ((pixels * color).sum(1) / (color**2).sum(1).clip(1)).clip(0, 1)
    return np.where(np.abs(pixels - share[:, None] * color).max(1) <= _OTHER, share, 0)
