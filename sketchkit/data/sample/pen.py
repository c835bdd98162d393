"""A figure as somebody draws it with a pen: black strokes on white paper, hidden lines left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from sketchkit.data.sample.figure import Figure, misposed
from sketchkit.data.sample.photo import SHIFT, fixed
from sketchkit.data.sample.shapes import curve

Rng = np.random.Generator
SUPERSAMPLE = 3


@dataclass(frozen=True)
class Hand:
    """How somebody draws; lengths are shares of the picture's side.

    width of the pen; wobble, how far lines stray; skip, the chance that an inner line is left out; gap, between a
    stroke's end and the next (negative: they overlap).
    """

    width: float
    wobble: float
    skip: float
    gap: float


def some_hand(rng: Rng) -> Hand:
    """A hand careful enough that its sketch registers with the photo."""
    return Hand(rng.uniform(0.011, 0.018), rng.uniform(0.002, 0.0065), rng.uniform(0.0, 0.3), rng.uniform(-0.03, 0.035))


def draw_sketch(figure: Figure, rng: Rng, size: int) -> np.ndarray:
    """A valid sketch of the figure, given in the unit square: (size, size) uint8, ink 0 on paper 255."""
    return _finished(_drawn(figure, some_hand(rng), rng, size), size)


def draw_error(figure: Figure, rng: Rng, size: int) -> np.ndarray:
    """A squiggle that has nothing to do with the figure."""
    paper = _paper(size)
    for _ in range(int(rng.integers(1, 3))):
        walk = np.cumsum(rng.uniform(-0.22, 0.22, (9, 2)), 0) + rng.uniform(0.35, 0.65, 2)
        _stroke(paper, curve([(x, y) for x, y in np.clip(walk, 0.05, 0.95)]), some_hand(rng), rng)
    return _finished(paper, size)


def draw_ambiguous(figure: Figure, rng: Rng, size: int) -> np.ndarray:
    """The largest part's outline alone, carelessly."""
    largest = max(figure.parts, key=lambda part: float(np.prod(np.ptp(part.outline, axis=0))))
    paper = _paper(size)
    _stroke(paper, _closed(largest.outline, rng), Hand(rng.uniform(0.011, 0.018), 0.03, 1.0, 0.0), rng)
    return _finished(paper, size)


def draw_pose(figure: Figure, rng: Rng, size: int) -> np.ndarray:
    """The right object in a pose it has not in the photo."""
    return draw_sketch(misposed(figure, rng), rng, size)


def draw_context(figure: Figure, rng: Rng, size: int) -> np.ndarray:
    """A valid sketch with a horizon, grass and a sun besides."""
    hand, base = some_hand(rng), float(figure.bounds()[1][1])
    paper = _drawn(figure, hand, rng, size)
    level = min(base + 0.02, 0.96)
    for start, end in ((0.03, 0.3), (0.7, 0.97)):
        _stroke(paper, curve([(start, level), ((start + end) / 2, level - 0.02), (end, level)]), hand, rng)
    for x in rng.uniform(0.05, 0.95, 6):
        _stroke(paper, curve([(x, level), (x + 0.01, level - 0.04), (x + 0.03, level - 0.07)]), hand, rng)
    angle = np.linspace(0, 2 * np.pi, 40)
    sun = np.stack([np.cos(angle), np.sin(angle)], 1) * 0.07 + (rng.choice([0.12, 0.88]), 0.12)
    _stroke(paper, sun, hand, rng)
    return _finished(paper, size)


# How each kind of invalid sketch is drawn, with the share of sketches that are.
INVALID: dict[str, tuple[Callable[[Figure, Rng, int], np.ndarray], float]] = {
    "error": (draw_error, 0.015),
    "ambiguous": (draw_ambiguous, 0.05),
    "pose": (draw_pose, 0.03),
    "context": (draw_context, 0.015),
}


def _paper(size: int) -> np.ndarray:
    return np.full((size * SUPERSAMPLE,) * 2, 255, np.uint8)


def _finished(paper: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(paper, (size, size), interpolation=cv2.INTER_AREA)


def _drawn(figure: Figure, hand: Hand, rng: Rng, size: int) -> np.ndarray:
    """Part after part, each wiping out what it hides."""
    paper = _paper(size)
    for part in figure.parts:
        cv2.fillPoly(paper, [fixed(part.outline, len(paper))], 255, cv2.LINE_8, SHIFT)
        if part.inked:
            _outline(paper, part.outline, hand, rng)
        for line in part.lines:
            if rng.random() >= hand.skip:
                _stroke(paper, line, hand, rng)
    return paper


def _closed(outline: np.ndarray, rng: Rng) -> np.ndarray:
    start = rng.integers(len(outline))
    return np.concatenate([outline[start:], outline[: start + 1]])


def _outline(paper: np.ndarray, outline: np.ndarray, hand: Hand, rng: Rng) -> None:
    """A closed outline in one to three strokes that do not quite meet, or pass each other."""
    path = _even(_closed(outline, rng), 0.006)
    count = int(rng.integers(1, 4)) if len(path) > 60 else 1
    overlap = round(-hand.gap / 0.006)
    for piece in range(count):
        start, end = piece * len(path) // count, (piece + 1) * len(path) // count
        index = np.arange(start, max(end + 1 + overlap, start + 3)) if count > 1 else np.arange(len(path))
        _stroke(paper, path[index % len(path)], hand, rng)


def _stroke(paper: np.ndarray, path: np.ndarray, hand: Hand, rng: Rng) -> None:
    """One line that strays slowly from `path` while the pressure on the pen changes."""
    points = _even(path, 0.006)
    strayed = points + hand.wobble * _slow(rng, len(points), 2) + 0.4 * hand.wobble * rng.standard_normal(2)
    widths = hand.width * len(paper) * (1 + 0.18 * _slow(rng, len(points), 1)[:, 0])
    pixels = fixed(strayed, len(paper))
    for start in range(0, len(pixels) - 1, 4):
        width = max(1, round(float(widths[start])))
        cv2.polylines(paper, [pixels[start : start + 5]], False, 0, width, cv2.LINE_AA, SHIFT)


def _even(path: np.ndarray, step: float) -> np.ndarray:
    """The path at points about `step` apart."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.linspace(0, along[-1], max(3, int(along[-1] / step)))
    return np.stack([np.interp(at, along, path[:, axis]) for axis in (0, 1)], 1)


def _slow(rng: Rng, length: int, channels: int) -> np.ndarray:
    """Smooth noise, (length, channels), that turns about every twelve points."""
    knots = rng.standard_normal((max(3, length // 12 + 2), channels)).astype(np.float32)
    smooth = cv2.resize(knots, (channels, length), interpolation=cv2.INTER_CUBIC)
    return smooth.reshape(length, channels)
