"""A figure as a photograph: relief lit from one side, on a textured ground, with soft shadows; float RGB in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sketchkit.data.sample.figure import Figure, Part
from sketchkit.data.sample.shapes import paint

Rng = np.random.Generator
SUPERSAMPLE = 2
SHIFT = 4  # fractional bits of OpenCV's drawing coordinates


@dataclass(frozen=True)
class Light:
    """Unit direction towards the lamp (x right, y down, z to the viewer), its tint, and the share of ambient light."""

    direction: np.ndarray
    tint: np.ndarray
    ambient: float


def render_photo(figure: Figure, rng: Rng, size: int) -> np.ndarray:
    """The figure, given in the unit square, as (size, size, 3) uint8 RGB."""
    side = size * SUPERSAMPLE
    light = _light(rng)
    canvas = _ground(figure, rng, side, light)
    canvas *= 1 - _cast_shadow(figure, light, rng, side)[..., None]
    for part in figure.parts:
        _lay(canvas, part, light, rng)
    canvas = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return _developed(canvas, rng)


def coverage(points: np.ndarray, side: int) -> np.ndarray:
    """A closed outline in the unit square as a (side, side) float32 mask with soft edges."""
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [fixed(points, side)], 255, cv2.LINE_AA, SHIFT)
    return mask.astype(np.float32) / 255


def fixed(points: np.ndarray, side: int) -> np.ndarray:
    """Unit-square points as OpenCV's fixed-point pixels."""
    return np.rint((points * side - 0.5) * (1 << SHIFT)).astype(np.int32)


def _light(rng: Rng) -> Light:
    direction = np.array(
        [rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.75), -rng.uniform(0.4, 0.8), rng.uniform(0.6, 1.0)]
    )
    warmth = rng.uniform(-0.06, 0.08)
    return Light(direction / np.linalg.norm(direction), 1 + warmth * np.array([1.0, 0.2, -1.0]), rng.uniform(0.36, 0.5))


def _noise(rng: Rng, side: int, cells: tuple[int, int]) -> np.ndarray:
    """Smooth noise of unit deviation, (side, side), with about so many cells down and across."""
    coarse = rng.standard_normal(cells).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def _ground(figure: Figure, rng: Rng, side: int, light: Light) -> np.ndarray:
    """A muted floor, and behind an upright figure a muted wall; brighter towards the lamp."""
    horizon = figure.bounds()[1][1] - rng.uniform(0.05, 0.25) if figure.upright else 0.0
    floor, wall = _muted(rng), _muted(rng)
    y = (np.arange(side, dtype=np.float32)[:, None] + 0.5) / side
    blend = np.clip((y - horizon) * side / 3 + 0.5, 0, 1)[..., None]
    canvas = np.broadcast_to(wall * (1 - blend) + floor * blend, (side, side, 3)).astype(np.float32)
    grain = int(rng.choice([6, 12, 24]))
    texture = (
        0.5 * _noise(rng, side, (grain * 4, grain)) + 0.3 * _noise(rng, side, (64, 48)) + _noise(rng, side, (3, 3))
    )
    strength = 0.012 + (rng.uniform(0.02, 0.06) - 0.012) * blend
    x = np.linspace(-1, 1, side, dtype=np.float32)
    slope = 0.14 * (light.direction[0] * x[None] + light.direction[1] * (2 * y - 1))
    return (canvas * (1 + strength * texture[..., None] + slope[..., None]) * light.tint).astype(np.float32)


def _muted(rng: Rng) -> np.ndarray:
    return np.array(paint(rng, rng.uniform(0, 360), rng.uniform(0.04, 0.18), rng.uniform(0.4, 0.82)), np.float32)


def _cast_shadow(figure: Figure, light: Light, rng: Rng, side: int) -> np.ndarray:
    """The silhouette's shadow on the ground: laid back over the floor, or beside what lies flat."""
    shape = np.max([coverage(part.outline, side) for part in figure.parts], axis=0)
    base = figure.bounds()[1][1] * side
    if figure.upright:
        lean, flat = 0.7 * light.direction[0], rng.uniform(0.18, 0.32)
        # A point h above the base falls at flat * h above it, moved away from the lamp.
        move = np.array([[1, lean, -lean * base], [0, flat, base * (1 - flat)]])
    else:
        step = -rng.uniform(0.03, 0.06) * side * light.direction
        move = np.array([[1, 0, step[0]], [0, 1, step[1]]])
    shadow = cv2.warpAffine(shape, move, (side, side))
    return rng.uniform(0.4, 0.6) * _blur(shadow, 0.018 * side)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigmaX=sigma, borderType=cv2.BORDER_REPLICATE)


def _lay(canvas: np.ndarray, part: Part, light: Light, rng: Rng) -> None:
    """Paint the part over the canvas, darkening what lies close under its edge; only its neighbourhood is touched."""
    side = len(canvas)
    window = _window(part.outline, side)
    mask = coverage(part.outline, side)[window]
    step = -0.012 * side * light.direction[:2]
    under = cv2.warpAffine(mask, np.array([[1, 0, step[0]], [0, 1, step[1]]]), mask.shape[::-1])
    surface = _shaded(part, mask, light, rng, side)
    for line in part.lines:
        surface *= 1 - 0.38 * _line(line, side)[window][..., None]
    below, alpha = canvas[window] * (1 - 0.3 * _blur(under, 0.012 * side))[..., None], mask[..., None]
    canvas[window] = below * (1 - alpha) + surface * alpha


def _window(points: np.ndarray, side: int) -> tuple[slice, slice]:
    """Rows and columns around a part, with room for its shadow."""
    low = np.floor((points.min(0) - 0.06) * side).astype(int).clip(0)
    high = np.ceil((points.max(0) + 0.06) * side).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _line(line: np.ndarray, side: int) -> np.ndarray:
    drawn = np.zeros((side, side), np.uint8)
    cv2.polylines(drawn, [fixed(line, side)], False, 255, max(1, round(0.009 * side)), cv2.LINE_AA, SHIFT)
    return _blur(drawn.astype(np.float32) / 255, 0.003 * side)


def _shaded(part: Part, mask: np.ndarray, light: Light, rng: Rng, side: int) -> np.ndarray:
    """Lambert shading with a highlight (Blinn) of a surface bulging from its outline inwards."""
    normal = _normals(mask, part.relief)
    diffuse = np.clip(normal @ light.direction.astype(np.float32), 0, 1)
    half = light.direction + (0, 0, 1)
    highlight = np.clip(normal @ (half / np.linalg.norm(half)).astype(np.float32), 0, 1) ** 30
    rows, columns = mask.shape
    mottle = 1 + (0.05 * _noise(rng, side, (5, 5)) + 0.03 * _noise(rng, side, (24, 24)))[:rows, :columns]
    shade = (light.ambient + (1.12 - light.ambient) * diffuse) * mottle
    color = np.array(part.color) * light.tint
    return (shade[..., None] * color + part.gloss * highlight[..., None]).astype(np.float32)


def _normals(mask: np.ndarray, relief: float) -> np.ndarray:
    """Unit normals, (H, W, 3), of a height that rises from the edge as a quarter circle."""
    inside = (mask > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    top = max(float(depth.max()), 1.0)
    height = top * np.sqrt(1 - (1 - np.clip(depth / top, 0, 1)) ** 2)
    # The blur takes the crease off the middle line, where the distance to the edge has its ridge.
    height = relief * _blur(height, max(0.22 * top, 0.8))
    slope_y, slope_x = np.gradient(height)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(height)], -1)
    return (normal / np.linalg.norm(normal, axis=-1, keepdims=True)).astype(np.float32)


def _developed(canvas: np.ndarray, rng: Rng) -> np.ndarray:
    """The camera's exposure and noise, rounded to 8 bits."""
    exposed = np.clip(canvas * rng.uniform(0.92, 1.08) + 0.012 * rng.standard_normal(canvas.shape), 0, 1)
    return np.rint(255 * exposed).astype(np.uint8)
