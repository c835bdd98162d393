"""What people make, each drawn anew from a random generator."""

from __future__ import annotations

import numpy as np

from sketchkit.data.sample.figure import Figure, Part
from sketchkit.data.sample.shapes import blob, curve, ellipse, paint, polygon, ribbon

Rng = np.random.Generator


def cup(rng: Rng) -> Figure:
    """Sky blue, with a handle and something in it."""
    top, foot, h = rng.uniform(0.5, 0.66), rng.uniform(0.34, 0.55), rng.uniform(0.55, 0.8)
    rim, color = rng.uniform(0.1, 0.18), paint(rng, 205, 0.75, 0.88, 6)
    drop = np.linspace(0, np.pi, 30)
    bottom = np.stack([foot * np.cos(drop), h + 0.8 * rim * np.sin(drop)], 1)
    wall = np.concatenate([polygon([(-foot, h), (-top, -h), (top, -h), (foot, h)])[:-12], bottom])
    reach = rng.uniform(0.3, 0.45)
    ear = curve([(0.9 * top, -0.6 * h), (top + reach, -0.5 * h), (top + 0.9 * reach, 0.25 * h), (0.9 * foot, 0.45 * h)])
    band = tuple(
        curve([(-0.5 * (top + foot), y), (0, y + 0.8 * rim), (0.5 * (top + foot), y)])
        for y in (-0.12, 0.12)[: int(rng.integers(0, 3))]
    )
    return Figure((
        Part(ribbon(ear, 0.08), color, 0.9, 0.4),
        Part(wall, color, 0.8, 0.4, band),
        Part(ellipse(0, -h, top, rim), paint(rng, 205, 0.35, 0.95), 0.1),
        Part(ellipse(0, -h + 0.02, 0.87 * top, 0.75 * rim), paint(rng, 25, 0.6, 0.3), 0.05),
    ))  # fmt: skip


def cabin(rng: Rng) -> Figure:
    """Brick-brown walls under a slate roof: a gable, and a side seen at a slant."""
    w, h, rise = rng.uniform(0.4, 0.55), rng.uniform(0.4, 0.55), rng.uniform(0.4, 0.6)
    depth, tilt = rng.uniform(0.45, 0.8), rng.uniform(-0.14, 0.0)
    brick, slate = paint(rng, 14, 0.62, 0.62, 5), paint(rng, 215, 0.2, 0.36)
    front = polygon([(-w, -0.0), (0, -rise), (w, 0), (w, 2 * h), (-w, 2 * h)]) - (0.35, 0)
    side = polygon([(w, 0), (w + depth, tilt), (w + depth, 2 * h + 1.5 * tilt), (w, 2 * h)]) - (0.35, 0)
    ridge = [(0.06, -rise - 0.08), (0.1 + depth, tilt - rise - 0.04), (w + depth + 0.1, tilt + 0.07), (w + 0.07, 0.09)]
    logs = tuple(curve([(-w, y), (w, y)]) - (0.35, 0) for y in np.linspace(0.15, 2 * h, 5)[:-1])
    door_w, door_h, glass = 0.13, rng.uniform(0.42, 0.55), paint(rng, 50, 0.4, 0.92)
    door = [(-door_w, 2 * h - door_h), (door_w, 2 * h - door_h), (door_w, 2 * h), (-door_w, 2 * h)]
    eaves = curve([(-w - 0.1, 0.1), (-0.5 * w, -0.5 * rise + 0.02), (0, -rise)])
    pane_x = w + 0.5 * depth - 0.35
    parts = [
        Part(side, brick, 0.02, 0.05),
        Part(front, tuple(min(1.12 * c, 1.0) for c in brick), 0.02, 0.05, logs),  # type: ignore[arg-type]
        Part(ribbon(eaves, 0.06) - (0.35, 0), slate, 0.2),
        Part(polygon(ridge) - (0.35, 0), slate, 0.08, 0.1),
        Part(polygon(door) - (0.35, 0), (0.22, 0.13, 0.09), 0.05),
        _window(pane_x, h + tilt, glass),
    ]
    if rng.random() < 0.6:
        x = 0.5 * depth - 0.25
        chimney = polygon([(x, -rise - 0.3), (x + 0.17, -rise - 0.3), (x + 0.17, -0.3), (x, -0.3)])
        parts.insert(0, Part(chimney, brick, 0.1))
    return Figure(tuple(parts))


def _window(x: float, y: float, glass: tuple[float, float, float]) -> Part:
    r = 0.15
    cross = (curve([(x - r, y), (x + r, y)]), curve([(x, y - r), (x, y + r)]))
    return Part(polygon([(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]), glass, 0.02, 0.3, cross)


def umbrella(rng: Rng) -> Figure:
    """Violet, open, of panels in two tones, with a hooked handle."""
    w, h, count = rng.uniform(0.85, 1.0), rng.uniform(0.55, 0.8), int(rng.integers(4, 7))
    tones = paint(rng, 272, 0.72, 0.72, 7), paint(rng, 272, 0.6 if rng.random() < 0.6 else 0.72, 0.88, 7)
    hook = rng.choice([-1.0, 1.0]) * 0.22
    shaft = curve([(0, -h), (0, 0.3), (0, 0.75), (0.12 * hook, 0.93), (0.5 * hook, 0.98), (hook, 0.9), (hook, 0.78)])
    parts = [Part(ribbon(shaft, 0.035), paint(rng, 30, 0.4, 0.3), gloss=0.5)]
    edges = -np.cos(np.linspace(0, np.pi, count + 1))
    for number in range(count):
        parts.append(_panel(edges[number], edges[number + 1], w, h, tones[number % 2]))
    parts.append(Part(polygon([(-0.03, -h), (0, -h - 0.15), (0.03, -h)]), (0.2, 0.18, 0.2)))
    return Figure(tuple(parts))


def _panel(start: float, end: float, w: float, h: float, color: tuple[float, float, float]) -> Part:
    t = np.linspace(0, np.pi / 2, 24)

    def rib(edge: float) -> np.ndarray:
        return np.stack([edge * w * np.sin(t), -h * np.cos(t)], 1)

    hem = curve([(start * w, 0), ((start + end) / 2 * w, -0.09), (end * w, 0)])
    return Part(np.concatenate([rib(start), hem[1:-1], rib(end)[::-1]]), color, 0.45, 0.3)


def sailboat(rng: Rng) -> Figure:
    """A navy hull under pale sails."""
    navy, cloth = paint(rng, 228, 0.85, 0.62, 5), paint(rng, 218, 0.14, 0.97)
    length, mast = rng.uniform(0.7, 0.95), rng.uniform(-0.15, 0.1)
    deck, belly, top = 0.5, rng.uniform(0.8, 0.95), rng.uniform(-1.0, -0.85)
    hull = np.concatenate([
        curve([(-length, deck - 0.04), (0, deck + 0.05), (length, deck - 0.08)]),
        curve([(length, deck - 0.08), (0.75 * length, belly), (-0.7 * length, belly), (-length, deck - 0.04)])[1:-1],
    ])  # fmt: skip
    strake = curve([(-0.92 * length, deck + 0.12), (0, deck + 0.2), (0.92 * length, deck + 0.1)])
    fill = rng.uniform(0.05, 0.2)
    main = _sail(mast - 0.04, top, -0.8 * length, deck - 0.12, fill)
    jib = _sail(mast + 0.06, top + 0.15, 0.8 * length, deck - 0.12, fill)
    seams = (curve([(mast - 0.06, 0.05), (mast - 0.04 - 0.42 * length, 0.05)]),)
    stripe = paint(rng, 228, 0.7, 0.8) if rng.random() < 0.5 else cloth
    return Figure((
        Part(ribbon(curve([(mast, top - 0.06), (mast, 0), (mast, deck + 0.05)]), 0.028), paint(rng, 30, 0.4, 0.4)),
        Part(main, cloth, 0.25, 0.05, seams),
        Part(jib, stripe, 0.25, 0.05),
        Part(hull, navy, 0.7, 0.5, (strake,)),
    ))  # fmt: skip


def _sail(mast: float, top: float, clew: float, foot: float, fill: float) -> np.ndarray:
    """A triangle along the mast whose free edge bulges by `fill`."""
    middle = ((mast + clew) / 2 + fill * (clew - mast), (top + foot) / 2)
    leech = curve([(mast, top), middle, (clew, foot)])
    return np.concatenate([leech, polygon([(clew, foot), (mast, foot), (mast, top)])[1:24]])


def car(rng: Rng) -> Figure:
    """A teal sedan from the side."""
    teal, glass = paint(rng, 172, 0.85, 0.66, 7), paint(rng, 200, 0.25, 0.82)
    roof, front, rear = rng.uniform(-0.52, -0.38), rng.uniform(-0.5, -0.36), rng.uniform(0.45, 0.62)
    body = blob([(-0.98, 0.05), (-0.9, -0.08), (front - 0.12, -0.13), (front + 0.18, roof), (0.1, roof - 0.05),
                 (rear - 0.12, roof + 0.02), (rear + 0.14, -0.13), (0.93, -0.1), (0.99, 0.12), (0.92, 0.25), (0, 0.26),
                 (-0.93, 0.25)])  # fmt: skip
    pillar, low, high = rng.uniform(0.0, 0.1), -0.12, roof + 0.09
    panes = (
        polygon([(front + 0.08, low), (front + 0.25, high), (pillar - 0.03, high - 0.02), (pillar - 0.03, low)]),
        polygon([(pillar + 0.03, low), (pillar + 0.03, high - 0.02), (rear - 0.17, high + 0.02), (rear - 0.02, low)]),
    )
    doors = tuple(curve([(x, low), (x, 0.2)]) for x in (front + 0.08, pillar, rear - 0.05))
    radius = rng.uniform(0.17, 0.22)
    parts = [Part(body, teal, 0.5, 0.6, doors), *(Part(pane, glass, 0.05, 0.6) for pane in panes)]
    for x in (-0.57, 0.58):
        parts.append(Part(ellipse(x, 0.25, radius, radius), (0.1, 0.1, 0.11), 0.3, 0.1))
        parts.append(Part(ellipse(x, 0.25, 0.5 * radius, 0.5 * radius), (0.7, 0.71, 0.73), 0.5, 0.5))
    parts.append(Part(ellipse(-0.91, 0.04, 0.05, 0.045), (0.98, 0.93, 0.7), 0.5, 0.6))
    return Figure(tuple(parts))
