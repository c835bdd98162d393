"""Hints that a run is tried with: five colours in three sizes, in the middle of an area and anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

COLORS = {
    "red": (220, 30, 30), "blue": (30, 60, 220), "green": (40, 160, 70), "dark violet": (50, 30, 70),
    "pale rose": (250, 210, 215),
}  # fmt: skip
# Of the picture's short side; the form changes from drawing to drawing.
SIZES = (0.03, 0.08, 0.2)
FORMS = ("dot", "block", "stroke")
PLACES = ("middle", "elsewhere")
_FINE = 8  # strokes are drawn at this many times the size and averaged, as a person's are by resizing
_PAPER = 0.9  # as light as this, of 1, is no line
_AWAY = 0.05  # of the short side, from a stroke to what it is not about


class Case(NamedTuple):
    """A hint (4, H, W) uint8 over a drawing; how much of a pixel (H, W) is under it, and whether it is none of its
    business: in areas that it does not touch."""

    color: str
    size: float
    place: str
    hint: np.ndarray
    under: np.ndarray
    aside: np.ndarray


def cases_of(light: np.ndarray, number: int) -> Iterator[Case]:
    """Every color, size and place over a drawing.

    Args:
        light: (H, W) in [0, 1], 1 where there is no line.
        number: the drawing's, which says the form and the places.
    """
    is_paper = (light >= _PAPER).astype(np.uint8)
    areas = cv2.connectedComponents(is_paper, connectivity=4)[1]
    middle = _middle(areas)
    random = np.random.default_rng(number)
    for place in PLACES:
        for size in SIZES:
            at = middle if place == "middle" else (random.uniform(0.1, 0.9, 2) * light.shape).tolist()
            share = stroke(FORMS[number % len(FORMS)], light.shape, at, size * min(light.shape))
            touched = np.unique(areas[share > 0])
            distance = cv2.distanceTransform((share == 0).astype(np.uint8), cv2.DIST_L2, 5)
            aside = is_paper.astype(bool) & ~np.isin(areas, touched) & (distance > _AWAY * min(light.shape))
            for color, rgb in COLORS.items():
                hint = np.zeros((4, *light.shape), np.uint8)
                hint[3] = (share * 255).round()
                hint[:3, hint[3] > 0] = np.array(rgb)[:, None]
                yield Case(color, size, place, hint, share * is_paper, aside)


def stroke(form: str, shape: Sequence[int], at: Sequence[float], extent: float) -> np.ndarray:
    """The share of each pixel (H, W) under a mark around (row, column) `at`, `extent` pixels long."""
    canvas = np.zeros([side * _FINE for side in shape], np.uint8)
    row, column = (place * _FINE for place in at)
    half = extent * _FINE / 2
    if form == "block":
        first, last = ((round(column + x), round(row + x)) for x in (-half, half))
        cv2.rectangle(canvas, first, last, 255, -1)
    elif form == "dot":
        cv2.circle(canvas, (round(column), round(row)), max(1, round(half)), 255, -1)
    else:
        path = [(-1, 0.4), (-0.3, -0.3), (0.3, 0.3), (1, -0.4)]
        points = np.array([(column + x * 0.8 * half, row + y * 0.8 * half) for x, y in path]).round().astype(np.int32)
        cv2.polylines(canvas, [points], False, 255, max(1, round(half * 0.4)))
    return cv2.resize(canvas, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float64) / 255


def _middle(areas: np.ndarray) -> tuple[float, float]:
    """The place deepest within an area that does not reach the border; within any, where all do."""
    border = np.unique(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]]))
    closed = ~np.isin(areas, [*border, 0])
    depth = cv2.distanceTransform((closed if closed.any() else areas > 0).astype(np.uint8), cv2.DIST_L2, 5)
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return row + 0.5, column + 0.5
