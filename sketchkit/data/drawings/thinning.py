"""Drawn lines made one pixel wide, without specks and spurs.

A pixel's neighbours are a number of eight bits, from the one on its right on, against the clock.
"""

from __future__ import annotations

import cv2
import numpy as np

Lines = np.ndarray  # (H, W) uint8, 1 on a line and 0 beside it
_BITS = np.array([[8, 4, 2], [16, 0, 1], [32, 64, 128]], np.float32)


def thin(lines: Lines) -> Lines:
    """Lines of one pixel, connected as they were (Guo and Hall 1989, algorithm A1; MATLAB's)."""
    while True:
        before = lines
        for table in _REMOVED:
            lines = lines & ~table[_neighbors(lines)]
        if np.array_equal(lines, before):
            return lines


def drop_small(lines: Lines, smallest: int) -> Lines:
    """Without components, over corners too, of fewer pixels."""
    _, labels, about, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    return lines & (about[:, cv2.CC_STAT_AREA] >= smallest)[labels].astype(np.uint8)


def prune(lines: Lines, spur: int) -> Lines:
    """Without branches of up to `spur` pixels; lines without a fork stay whole."""
    left = lines
    for _ in range(spur):
        left = left & ~_IS_END[_neighbors(left)]
    # The ends of what is left grow back as far as they were cut.
    front = left & _IS_END[_neighbors(left)]
    for _ in range(spur):
        front = cv2.dilate(front, np.ones((3, 3), np.uint8)) & lines & ~left
        left = left | front
    _, labels = cv2.connectedComponents(lines, connectivity=8)
    is_gone = np.ones(labels.max() + 1, bool)
    is_gone[labels[left == 1]] = False
    return left | (lines & is_gone[labels].astype(np.uint8))


def _neighbors(lines: Lines) -> np.ndarray:
    return cv2.filter2D(lines, cv2.CV_8U, _BITS, borderType=cv2.BORDER_CONSTANT)


def _tables() -> tuple[list[np.ndarray], np.ndarray]:
    """For each number of neighbours: whether the pixel goes, in either half of a pass, and whether it ends a line."""
    x = ((np.arange(256)[:, None] >> np.arange(8)) & 1 == 1).T
    sides, corners, following = x[::2], x[1::2], np.roll(x[::2], -1, 0)
    crossings = (~sides & (corners | following)).sum(0)
    fewest = np.minimum((sides | corners).sum(0), (corners | following).sum(0))
    may_go = (crossings == 1) & (fewest >= 2) & (fewest <= 3)
    first, second = may_go & ~((x[1] | x[2] | ~x[7]) & x[0]), may_go & ~((x[5] | x[6] | ~x[3]) & x[4])
    # A pixel alone is one too.
    is_end = ((~x & np.roll(x, -1, 0)).sum(0) <= 1) & (x.sum(0) <= 2)
    return [first.astype(np.uint8), second.astype(np.uint8)], is_end.astype(np.uint8)


_REMOVED, _IS_END = _tables()
