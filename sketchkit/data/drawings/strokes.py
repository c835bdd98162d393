"""How thick the lines of a drawing are, and the same lines drawn with another pen."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from sketchkit.data.drawings.ground import reduced
from sketchkit.data.drawings.thinning import Lines, prune, thin

_SIDE = 768  # lines are followed on at most so many pixels squared
_PEN = 6  # and where their width is at most about so many pixels
_LINE = 48  # ink of a line: thin ones have no pixel to themselves
_SMOOTH = 0.6  # pixels: middles go by whole pixels, and lines do not
_FILLED = 2.5  # times the pen: thicker is a filled area, and not where lines cross, which is about 1.5 to 2


class Strokes(NamedTuple):
    """The lines of a drawing, on few pixels.

    Attributes:
        ink: (h, w) uint8.
        middles: (h, w) uint8, 1 in the middle of each line.
        filled: (h, w) uint8, 1 on areas that are no lines.
        width: the mean width of the lines in pixels.
    """

    ink: np.ndarray
    middles: Lines
    filled: Lines
    width: float

    @property
    def pen(self) -> float:
        """The width over the short side of the picture."""
        return self.width / min(self.ink.shape)


def strokes_of(ink: np.ndarray) -> Strokes | None:
    """The lines of an ink (H, W) uint8; None: there are none, or filled areas alone."""
    ink = reduced(ink, _SIDE)
    rough = _rough_width(ink)
    if not rough:
        return None
    if rough > _PEN:
        ink = reduced(ink, int(_PEN / rough * (ink.shape[0] * ink.shape[1]) ** 0.5))
        rough = _rough_width(ink)
    drawn = _drawn(ink)
    filled = _filled(drawn, rough)
    lines = drawn & ~filled
    middles = prune(thin(lines), max(1, round(rough / 2)))
    length = _length(middles)
    if length < 2 * rough:
        return None
    return Strokes(ink, middles, filled, _area(ink, lines, filled) / length)


def redrawn(strokes: Strokes, pen: float, ink: np.ndarray) -> np.ndarray:
    """The ink (H, W) uint8 with lines of another width; filled areas stay as they are.

    Args:
        strokes: the lines of `ink`.
        pen: the wanted width over the short side.
        ink: (H, W) uint8.
    """
    scale = min(ink.shape) / min(strokes.ink.shape)
    away = cv2.distanceTransform(1 - strokes.middles, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    away = cv2.GaussianBlur(away, (0, 0), _SMOOTH)
    radius = _radius(away, strokes.middles, pen * min(strokes.ink.shape))
    full = cv2.resize(away, ink.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    # In place: a large picture's distances are large too.
    full *= -255 * scale
    full += 255 * (radius * scale + 0.5)
    lines = np.clip(full, 0, 255, out=full).astype(np.uint8)
    if not strokes.filled.any():
        return lines
    areas = cv2.resize(strokes.filled * 255, ink.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.maximum(lines, np.minimum(areas, ink))


def _radius(away: np.ndarray, middles: Lines, width: float) -> float:
    """How far from the middles lines reach that have the area of lines of that width.

    Smoothing lifts the distances in the middles, and by how much depends on the direction. Where lines lie close they
    share their area, so that they may reach no farther than that lifts.
    """
    area = min(int(width * _length(middles)), away.size - 1)
    return float(min(np.partition(away.ravel(), area)[area], width / 2 + _SMOOTH))


def _drawn(ink: np.ndarray) -> Lines:
    return (ink >= _LINE).astype(np.uint8)


def _rough_width(ink: np.ndarray) -> float:
    """Twice the median distance of the middles of lines from their edges; 0 without ink."""
    inside = cv2.distanceTransform(np.pad(_drawn(ink), 1), cv2.DIST_L2, 5)
    middles = (inside > 0) & (inside >= cv2.dilate(inside, np.ones((3, 3), np.uint8)))
    return max(1.0, 2 * float(np.median(inside[middles])) - 1) if middles.any() else 0.0


def _filled(drawn: Lines, width: float) -> Lines:
    # Soft edges make the thinnest lines three pixels wide, and five where they bend.
    side = max(7, int(np.ceil(_FILLED * width)) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    areas = cv2.morphologyEx(drawn, cv2.MORPH_OPEN, disc)
    # With its edge, which the disc does not fill.
    return cv2.dilate(areas, np.ones((3, 3), np.uint8)) & drawn


def _length(middles: Lines) -> float:
    """The length of lines of one pixel by their steps to the side and over a corner (Dorst and Smeulders 1987).

    A corner that a step to the side goes around is none. A line has a step less than pixels: each end has half a pixel.
    """
    lines = cv2.connectedComponents(middles, connectivity=8)[0] - 1
    m = np.pad(middles, 1).astype(bool)
    right, down = m[:, :-1] & m[:, 1:], m[:-1] & m[1:]
    falling = m[:-1, :-1] & m[1:, 1:] & ~m[:-1, 1:] & ~m[1:, :-1]
    rising = m[:-1, 1:] & m[1:, :-1] & ~m[:-1, :-1] & ~m[1:, 1:]
    return float(lines + 0.948 * (right.sum() + down.sum()) + 1.340 * (falling.sum() + rising.sum()))


def _area(ink: np.ndarray, lines: Lines, filled: Lines) -> float:
    """The ink of the lines with their soft edges."""
    about = cv2.dilate(lines, np.ones((3, 3), np.uint8)) & ~filled
    return float(ink[about == 1].sum(dtype=np.float64) / 255)
