"""What grows and swims, each drawn anew from a random generator."""

from __future__ import annotations

import numpy as np

from sketchkit.data.sample.figure import Figure, Part
from sketchkit.data.sample.shapes import blob, curve, ellipse, paint, ribbon, rotated, symmetric

Rng = np.random.Generator
LEAF_PROFILE = (0.0, 0.8, 1.0, 0.6, 0.0)


def apple(rng: Rng) -> Figure:
    """Red, with a stalk and often a leaf."""
    w, h, lean = rng.uniform(0.72, 0.95), rng.uniform(0.68, 0.88), rng.uniform(-0.25, 0.25)
    right = [(0, 0.2 - h), (0.45 * w, -h), (w, -0.4 * h), (0.93 * w, 0.25 * h), (0.72 * w, 0.72 * h),
             (0.38 * w, 0.97 * h), (0, 0.88 * h)]  # fmt: skip
    dip = curve([(-0.3 * w, 0.12 - h), (0, 0.27 - h), (0.3 * w, 0.12 - h)])
    parts = [Part(blob(symmetric(right)), paint(rng, 0, 0.88, 0.8, 5), gloss=0.6, lines=(dip,))]
    stalk = curve([(0, 0.22 - h), (lean / 3, -h), (lean, -h - 0.25)])
    parts.append(Part(ribbon(stalk, (0.04, 0.05)), paint(rng, 30, 0.6, 0.35)))
    if rng.random() < 0.7:
        side = rng.choice([-1.0, 1.0])
        parts.append(_leaf((lean / 3, -h), (lean / 3 + 0.5 * side, -h - rng.uniform(0.05, 0.3)), 0.13, rng))
    return Figure(tuple(parts))


def pear(rng: Rng) -> Figure:
    """Yellow-green, with a stalk."""
    w, neck, lean = rng.uniform(0.58, 0.72), rng.uniform(0.2, 0.3), rng.uniform(-0.12, 0.12)
    right = [(lean, -0.85), (neck + lean, -0.65), (neck + 0.07, -0.2), (w, 0.35), (0.7 * w, 0.8), (0, 0.9)]
    left = [(2 * lean - x if y < -0.5 else -x, y) for x, y in reversed(right[1:-1])]
    flank = curve([(0.55 * w, 0.1), (0.7 * w, 0.4), (0.5 * w, 0.68)])
    body = Part(blob([*right, *left]), paint(rng, 72, 0.78, 0.8, 6), gloss=0.45, lines=(flank,))
    stalk = curve([(lean, -0.83), (lean + 0.04, -0.98), (3 * lean, -1.12)])
    parts = [body, Part(ribbon(stalk, (0.035, 0.045)), paint(rng, 30, 0.6, 0.3))]
    if rng.random() < 0.4:
        parts.append(_leaf((lean, -0.85), (lean + 0.45, -1.0), 0.11, rng))
    return Figure(tuple(parts))


def banana(rng: Rng) -> Figure:
    """Yellow, one or a bunch of two or three."""
    bend, color = rng.uniform(0.5, 0.95), paint(rng, 50, 0.85, 0.95, 4)
    fan = int(rng.choice([1, 2, 3], p=[0.55, 0.3, 0.15]))
    parts: list[Part] = []
    for number in range(fan):
        turn = 0.42 * (number - (fan - 1) / 2)
        parts += _one_banana(bend, rng.uniform(0.17, 0.22), turn, color)
    return Figure(tuple(parts), upright=False)


def _one_banana(bend: float, width: float, turn: float, color: tuple[float, float, float]) -> list[Part]:
    t = np.linspace(-1, 1, 60)
    path = rotated(np.stack([0.95 * t, bend * (0.45 - t**2)], 1) + (0.9, 0), turn) - (0.9, 0)
    body = ribbon(path[6:-4], width * np.array([0.3, 0.75, 1.0, 1.05, 1.0, 0.75, 0.3]))
    ridge = path[14:-12] + (0, 0.3 * width)
    dark = (0.3, 0.22, 0.08)
    return [
        Part(ribbon(path[:9], width * np.array([0.26, 0.33])), dark),
        Part(ribbon(path[-6:], width * np.array([0.36, 0.2])), dark),
        Part(body, color, gloss=0.2, lines=(ridge,)),
    ]


def fish(rng: Rng) -> Figure:
    """Orange, from the side, with fins, scales or stripes."""
    h, color = rng.uniform(0.32, 0.52), paint(rng, 24, 0.92, 0.95, 5)
    fin = paint(rng, 16, 0.9, 0.75, 4)
    fork = rng.uniform(0.25, 0.45)
    tail = blob([(0.5, 0), (0.95, -fork), (1.0, -fork * 0.7), (0.82, 0), (1.0, fork * 0.7), (0.95, fork)])
    back = blob([(-0.3, -0.7 * h), (-0.05, -h - rng.uniform(0.15, 0.3)), (0.35, -0.9 * h), (0.3, -0.4 * h)])
    upper = [(-0.95, 0.02), (-0.65, -0.6 * h), (-0.15, -h), (0.35, -0.55 * h), (0.66, -0.1)]
    body = blob([*upper, *((x, -y * 0.95) for x, y in reversed(upper[1:]))])
    gill = curve([(-0.52, -0.55 * h), (-0.4, 0), (-0.52, 0.55 * h)])
    marks = [curve([(x, -0.45 * h), (x + 0.09, 0), (x, 0.45 * h)]) for x in np.linspace(-0.15, 0.4, rng.integers(2, 5))]
    side_fin = blob([(-0.25, 0.1), (0.05, 0.12), (0.1, 0.35), (-0.1, 0.3)])
    return Figure((
        Part(tail, fin, 0.4, lines=(curve([(0.66, 0), (0.9, -0.6 * fork)]), curve([(0.66, 0), (0.9, 0.6 * fork)]))),
        Part(back, fin, 0.4),
        Part(body, color, gloss=0.5, lines=(gill, *marks)),
        Part(side_fin, fin, 0.4),
        Part(ellipse(-0.68, -0.2 * h, 0.085, 0.085), (0.95, 0.95, 0.9), 0.4),
        Part(ellipse(-0.69, -0.2 * h, 0.04, 0.04), (0.05, 0.05, 0.06), 0.4, 0.8),
    ), upright=False)  # fmt: skip


def mushroom(rng: Rng) -> Figure:
    """A brown cap, plain or dotted, on a pale stem."""
    w, h, stem = rng.uniform(0.65, 0.95), rng.uniform(0.6, 0.95), rng.uniform(0.14, 0.24)
    lean = rng.uniform(-0.15, 0.15)
    foot = ribbon(curve([(0, -0.1), (lean / 2, 0.4), (lean, 0.9)]), (stem, stem * 0.9, stem * 1.35))
    rim = rng.uniform(0.08, 0.2)
    cap = blob(
        [(-w, 0), (-0.75 * w, -0.55 * h), (0, -h), (0.75 * w, -0.55 * h), (w, 0), (0.5 * w, rim), (-0.5 * w, rim)]
    )
    gills = tuple(curve([(x * w, 0.55 * rim), (0.7 * x * w, 0.0)]) for x in (-0.5, -0.2, 0.2, 0.5))
    parts = [
        Part(foot, paint(rng, 42, 0.18, 0.9), 0.9, 0.05),
        Part(cap, paint(rng, 22, 0.72, 0.48, 5), gloss=0.25, lines=gills),
    ]
    if rng.random() < 0.55:
        cream = paint(rng, 40, 0.2, 0.85)
        spots = ((-0.45, -0.4, 0.1), (0.02, -0.68, 0.12), (0.42, -0.38, 0.11), (-0.08, -0.25, 0.09))
        parts += [Part(ellipse(x * w, y * h, r, 0.8 * r), cream, 0.5, 0.05) for x, y, r in spots]
    return Figure(tuple(parts))


def starfish(rng: Rng) -> Figure:
    """Pink, five arms bent each in its own way."""
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    reach = np.interp(angle, np.linspace(0, 2 * np.pi, 6), rng.uniform(0.88, 1.05, 6)[[0, 1, 2, 3, 4, 0]])
    radius = 0.3 + (reach - 0.3) * ((1 + np.cos(5 * angle)) / 2) ** rng.uniform(1.1, 1.7)
    swirl = rng.uniform(-0.3, 0.3)

    def point(a: np.ndarray, r: np.ndarray) -> np.ndarray:
        return np.stack([r * np.sin(a + swirl * r**2), -r * np.cos(a + swirl * r**2)], 1)

    along = np.linspace(0.12, 0.78, 12)
    arms = tuple(point(np.full(12, 2 * np.pi * arm / 5), along) for arm in range(5))
    color = paint(rng, 340, 0.62, 0.92, 6)
    return Figure((Part(point(angle, radius), color, 1.0, 0.15, arms),), upright=False)


def tree(rng: Rng) -> Figure:
    """Green, a broad crown or a conifer."""
    green, bark = paint(rng, 125, 0.75, 0.5, 10), paint(rng, 28, 0.5, 0.32)
    sway, width = rng.uniform(-0.08, 0.08), rng.uniform(0.07, 0.13)
    trunk = Part(ribbon(curve([(0, -0.1), (sway, 0.5), (0, 1.0)]), (width, width, 1.5 * width)), bark, gloss=0.0)
    if rng.random() < 0.35:
        return Figure((trunk, *_tiers(rng, green)))
    return Figure((trunk, *_crown(rng, green)))


def _tiers(rng: Rng, green: tuple[float, float, float]) -> list[Part]:
    width = rng.uniform(0.5, 0.7)
    tiers = []
    for y, share in ((0.65, 1.0), (0.2, 0.78), (-0.2, 0.55)):
        w = share * width
        right = [(0.0, y - 0.8), (0.55 * w, y - 0.25), (w, y), (0.35 * w, y - 0.04), (0.0, y + 0.05)]
        tiers.append(Part(blob(symmetric(right)), green, 0.7, 0.05))
    return tiers


def _crown(rng: Rng, green: tuple[float, float, float]) -> list[Part]:
    bumps, angle = int(rng.integers(7, 11)), np.linspace(0, 2 * np.pi, 200, endpoint=False)
    w, h, phase = rng.uniform(0.65, 0.9), rng.uniform(0.55, 0.75), rng.uniform(0, 6)
    radius = 0.9 + 0.12 * np.abs(np.sin(bumps * angle / 2 + phase)) + 0.05 * np.sin(2 * angle + phase)
    outline = np.stack([w * radius * np.cos(angle), h * radius * np.sin(angle) - 0.35], 1)
    # Bows that open downwards, like the rims of bunches of leaves.
    arcs = []
    for x, y in rng.uniform(-0.55, 0.55, (5, 2)):
        arcs.append(curve([(x * w - 0.15, y * h - 0.27), (x * w, y * h - 0.37), (x * w + 0.15, y * h - 0.27)]))
    return [Part(outline, green, 0.8, 0.05, tuple(arcs))]


def flower(rng: Rng) -> Figure:
    """Magenta petals around a yellow disc, on a stalk with leaves."""
    count, reach, disc = int(rng.integers(5, 10)), rng.uniform(0.42, 0.55), rng.uniform(0.14, 0.2)
    pink, plump = paint(rng, 305, 0.78, 0.88, 8), rng.uniform(0.85, 1.15)
    foot = rng.uniform(-0.25, 0.25)
    stalk = curve([(0, -0.4), (foot / 3, 0.2), (foot, 1.0)])
    parts = [Part(ribbon(stalk, 0.035), paint(rng, 110, 0.6, 0.42))]
    for side in (-1.0, 1.0)[: int(rng.integers(1, 3))]:
        parts.append(_leaf((foot / 2, 0.5), (foot / 2 + 0.5 * side, 0.5 - rng.uniform(0.1, 0.35)), 0.1, rng))
    start = rng.uniform(0, 6)
    for number in range(count):
        angle = start + 2 * np.pi * number / count
        x, y = 0.56 * reach * np.sin(angle), 0.56 * reach * np.cos(angle) - 0.45
        petal = ellipse(x, y, reach * plump * 1.6 / count, 0.48 * reach, -angle)
        parts.append(Part(petal, pink, 0.6, 0.1))
    parts.append(Part(ellipse(0, -0.45, disc, disc), paint(rng, 48, 0.85, 0.9), 0.7, 0.05))
    return Figure(tuple(parts))


def _leaf(base: tuple[float, float], tip: tuple[float, float], width: float, rng: Rng) -> Part:
    middle = ((base[0] + tip[0]) / 2, (base[1] + tip[1]) / 2 - 0.08)
    spine = curve([base, middle, tip])
    outline = ribbon(spine, width * np.array(LEAF_PROFILE))
    return Part(outline, paint(rng, 112, 0.65, 0.5), 0.5, lines=(spine[3:-4],))
