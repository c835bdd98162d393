"""Curves in the plane as (N, 2) float arrays, x to the right and y down; an object fits into [-1, 1] squared."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

Points = Sequence[tuple[float, float]]
Color = tuple[float, float, float]
DENSE = 12


def blob(points: Points) -> np.ndarray:
    """A smooth closed curve through the points (Catmull-Rom)."""
    knots = np.asarray(points, float)
    return _catmull_rom(np.roll(knots, 1, 0), knots, np.roll(knots, -1, 0), np.roll(knots, -2, 0))


def curve(points: Points) -> np.ndarray:
    """A smooth open curve through the points (Catmull-Rom)."""
    knots = np.asarray(points, float)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    smooth = _catmull_rom(padded[:-3], padded[1:-2], padded[2:-1], padded[3:])
    return np.concatenate([smooth, knots[-1:]])


def polygon(points: Points) -> np.ndarray:
    """A closed polygon with points along its straight edges."""
    knots = np.asarray(points, float)
    t = np.linspace(0, 1, DENSE, endpoint=False)[None, :, None]
    return (knots[:, None] * (1 - t) + np.roll(knots, -1, 0)[:, None] * t).reshape(-1, 2)


def ellipse(x: float, y: float, width: float, height: float, turn: float = 0.0) -> np.ndarray:
    """Half axes `width` and `height` around (x, y), turned by `turn` radians."""
    angle = np.linspace(0, 2 * np.pi, 6 * DENSE, endpoint=False)
    return rotated(np.stack([width * np.cos(angle), height * np.sin(angle)], 1), turn) + (x, y)


def ribbon(path: np.ndarray, widths: float | Sequence[float] | np.ndarray) -> np.ndarray:
    """The outline of a band along an open path; `widths` are half widths, spread evenly from start to end."""
    steps = np.gradient(path, axis=0)
    normal = np.stack([-steps[:, 1], steps[:, 0]], 1) / np.linalg.norm(steps, axis=1, keepdims=True).clip(1e-9)
    profile = np.atleast_1d(np.asarray(widths, float))
    half = np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(profile)), profile)[:, None]
    return np.concatenate([path + normal * half, (path - normal * half)[::-1]])


def symmetric(right: Points) -> list[tuple[float, float]]:
    """The points of a right half, top to bottom, with their mirror images: a closed outline's knots."""
    return [*right, *((-x, y) for x, y in reversed(right) if x)]


def rotated(points: np.ndarray, turn: float) -> np.ndarray:
    """Turned around the origin by `turn` radians."""
    c, s = np.cos(turn), np.sin(turn)
    return points @ np.array([[c, s], [-s, c]])


def paint(rng: np.random.Generator, hue: float, saturation: float, value: float, spread: float = 7.0) -> Color:
    """RGB in [0, 1] near a hue in degrees, saturation and value; `spread` degrees of hue."""
    hue = (hue + rng.uniform(-spread, spread)) / 360 % 1
    jitter = rng.uniform(0.9, 1.1, 2)
    return colorsys.hsv_to_rgb(hue, min(saturation * jitter[0], 1), min(value * jitter[1], 1))


def _catmull_rom(before: np.ndarray, start: np.ndarray, end: np.ndarray, after: np.ndarray) -> np.ndarray:
    """One cubic a segment, (K, 2) each, giving (K * DENSE, 2); tangents are half the neighbours' difference."""
    t = np.linspace(0, 1, DENSE, endpoint=False)[None, :, None]
    a, b, c, d = (p[:, None] for p in (before, start, end, after))
    cubic = (-a + 3 * b - 3 * c + d) * t**3 + (2 * a - 5 * b + 4 * c - d) * t**2 + (c - a) * t + 2 * b
    return (cubic / 2).reshape(-1, 2)
