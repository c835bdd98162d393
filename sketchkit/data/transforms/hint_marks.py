"""What people draw to say a colour: dots, blocks, strokes and scribbles, as shares of pixels that they cover."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

# A pixel's share is counted over this many places a side, so that what is thinner than a pixel is there, faintly.
_FINE = 4


def draw_mark(form: str, extent: float, random: np.random.Generator) -> np.ndarray:
    """A mark as the share of each pixel that it covers, (n, n) float32 in [0, 1].

    Args:
        form: one of `FORMS`.
        extent: the longer side of the mark's box, in pixels.
        random: what its shape is drawn from.
    """
    side = int(extent) + 3
    path, width = FORMS[form](random)
    # Anywhere between pixels, as the pen is.
    middle = side / 2 + random.random(2) - 0.5
    points = ((path * extent * (1 - width) + middle) * _FINE).round().astype(np.int32)
    canvas = np.zeros((side * _FINE, side * _FINE), np.uint8)
    if form == "block":
        (left, top), (right, bottom) = points.tolist()
        canvas[top : max(bottom, top + 1), left : max(right, left + 1)] = 255
    else:
        cv2.polylines(canvas, [points], False, 255, max(1, round(width * extent * _FINE)))
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


# A form: points (n, 2) in [-0.5, 0.5], and the width of the pen; both as shares of the mark's extent.
Form = tuple[np.ndarray, float]


def _dot(random: np.random.Generator) -> Form:
    return np.zeros((2, 2)), 1.0


def _block(random: np.random.Generator) -> Form:
    """Two corners."""
    return np.array([[-0.5, -0.5], [0.5, 0.5]]), 0.0


def _stroke(random: np.random.Generator) -> Form:
    """On in one direction that turns a little."""
    angles = random.uniform(0, 2 * np.pi) + random.normal(0, 0.35, 6).cumsum()
    return _boxed(np.stack([np.cos(angles), np.sin(angles)], 1).cumsum(0)), random.uniform(0.08, 0.35)


def _scribble(random: np.random.Generator) -> Form:
    """To and fro, along a line across."""
    count = int(random.integers(5, 11))
    along, across = np.linspace(-0.5, 0.5, count), np.full(count, random.uniform(0.2, 0.5))
    across[::2] *= -1
    turn = random.uniform(0, np.pi)
    ways = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = np.stack([along, across], 1) + random.normal(0, 0.05, (count, 2))
    return _boxed(points @ ways), random.uniform(0.06, 0.2)


FORMS: Mapping[str, Callable[[np.random.Generator], Form]] = {
    "dot": _dot, "block": _block, "stroke": _stroke, "scribble": _scribble,
}  # fmt: skip


def _boxed(points: np.ndarray) -> np.ndarray:
    """The points in a box around 0 whose longer side is 1."""
    low, high = points.min(0), points.max(0)
    return (points - (low + high) / 2) / (high - low).max()
