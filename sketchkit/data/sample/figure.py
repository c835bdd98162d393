"""A drawn object: parts from back to front, from which both the photo and the sketches are made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sketchkit.data.sample.shapes import Color, rotated

MARGIN = 0.04


@dataclass(frozen=True)
class Part:
    """A surface with one outline, (N, 2), of a base colour.

    relief: 0 is flat, 1 as round as a ball; lines: open curves on it, faint in the photo, inked in the sketch;
    inked: whether a sketch shows its outline.
    """

    outline: np.ndarray
    color: Color
    relief: float = 0.8
    gloss: float = 0.25
    lines: tuple[np.ndarray, ...] = ()
    inked: bool = True


@dataclass(frozen=True)
class Figure:
    """Parts from back to front; `upright` stands on the ground, else it lies there seen from above."""

    parts: tuple[Part, ...]
    upright: bool = True

    def mapped(self, matrix: np.ndarray, offset: np.ndarray) -> Figure:
        """Every point p moved to `matrix @ p + offset`."""

        def move(points: np.ndarray) -> np.ndarray:
            return points @ matrix.T + offset

        parts = (replace(p, outline=move(p.outline), lines=tuple(map(move, p.lines))) for p in self.parts)
        return replace(self, parts=tuple(parts))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest (x, y)."""
        points = np.concatenate([part.outline for part in self.parts])
        return points.min(0), points.max(0)


def posed(figure: Figure, rng: np.random.Generator, turn: float) -> Figure:
    """The figure somewhere in the unit square: mirrored, turned (up to `turn` degrees), slanted, stretched, sized."""
    angle = np.deg2rad(rng.uniform(-turn, turn))
    slant = np.array([[1.0, rng.uniform(-0.08, 0.08)], [0.0, 1.0]])
    stretch = np.diag([rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.1), rng.uniform(0.9, 1.1)])
    figure = figure.mapped(rotated(np.eye(2), angle).T @ slant @ stretch, np.zeros(2))
    low, high = figure.bounds()
    scale = rng.uniform(0.62, 0.9) / (high - low).max()
    room = 1 - 2 * MARGIN - scale * (high - low)
    # Rather near the middle than at the rim, as people take pictures.
    place = MARGIN + room * rng.beta(2.5, 2.5, 2)
    return figure.mapped(np.eye(2) * scale, place - scale * low)


def misposed(figure: Figure, rng: np.random.Generator) -> Figure:
    """The figure as drawn by somebody who got its pose wrong: flipped, turned, of another size and place."""
    low, high = figure.bounds()
    turn = rng.choice([-1.0, 1.0]) * rng.uniform(0.45, 1.0)
    matrix = rotated(np.eye(2), turn).T @ np.diag([-1.0, 1.0]) * rng.uniform(0.6, 0.85)
    return figure.mapped(matrix, rng.uniform(0.42, 0.58, 2) - matrix @ (low + high) / 2)
