"""The distribution of a metric's values as an inline SVG histogram: no script, and its text says what it shows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

# The drawing and its margins in SVG's own units; the page scales it.
WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 40, 28, 24, 24
MOST_BINS = 40
# Values that differ by less than this part of their size are taken for equal.
FLAT = 1e-6
FLAT_BINS = 11
MOST_TICKS = 5


def distribution(name: str, values: Sequence[float]) -> str:
    """A `<figure>` with the histogram of the finite values, and a caption with their count, range and mean.

    What is not finite is counted in the caption. Without a finite value there is a caption only.
    """
    numbers = np.asarray(values, np.float64)
    finite = numbers[np.isfinite(numbers)]
    caption = f"{_summary(finite)}{_left_out(numbers)}."
    drawing = _drawing(f"Histogram of {name}: {caption}", finite) if finite.size else ""
    return f'<figure class="chart">{drawing}<figcaption><b>{escape(name)}</b>: {escape(caption)}</figcaption></figure>'


def histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The counts (K,) and the edges (K + 1,) of K <= 40 bins over the values (N,), which are finite.

    K is what numpy's 'auto' takes, the larger of Freedman-Diaconis' and Sturges' number, but bounded before any edge is
    made: nearly equal values with one far away would ask for billions of bins. Equal values are one bin amid others.
    """
    low, high = float(values.min()), float(values.max())
    size = max(abs(low), abs(high))
    if high - low <= FLAT * size:
        middle, margin = (low + high) / 2, size / 10 or 0.5
        return np.histogram(values, FLAT_BINS, (middle - margin, middle + margin))
    first, third = np.percentile(values, (25, 75))
    width = 2 * (third - first) / values.size ** (1 / 3)
    wanted = math.ceil(min((high - low) / width, MOST_BINS)) if width else 1
    sturges = math.ceil(math.log2(values.size) + 1)
    return np.histogram(values, min(max(wanted, sturges), MOST_BINS))


def ticks(low: float, high: float) -> list[float]:
    """Two to five numbers in [low, high]: the multiples of 1, 2 or 5 times a power of ten; low < high."""
    power = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    # A step of 50 leaves three at most, so that one is always found.
    return next(filter(_are_few, (_multiples(digit * power, low, high) for digit in (1, 2, 5, 10, 20, 50))))


def _are_few(numbers: Sequence[float]) -> bool:
    return len(numbers) <= MOST_TICKS


def _multiples(step: float, low: float, high: float) -> list[float]:
    # The slack keeps a multiple at an end: 0.3 / 0.1 is less than 3.
    return [number * step for number in range(math.ceil(low / step - FLAT), math.floor(high / step + FLAT) + 1)]


def _summary(finite: np.ndarray) -> str:
    if not finite.size:
        return "no finite value"
    if finite.size == 1:
        return f"one value, {finite[0]:.4g}"
    return (
        f"{finite.size} values from {finite.min():.4g} to {finite.max():.4g}, mean {finite.mean():.4g}, "
        f"median {np.median(finite):.4g}"
    )


def _left_out(numbers: np.ndarray) -> str:
    odd = Counter(f"{number}" for number in numbers[~np.isfinite(numbers)].tolist())
    return "; not drawn: " + ", ".join(f"{count} {number}" for number, count in odd.items()) if odd else ""


@dataclass(frozen=True)
class _Axes:
    """From values and counts to places in the drawing."""

    low: float
    high: float
    most: int

    def x(self, value: float) -> float:
        return LEFT + (value - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def y(self, count: float) -> float:
        return HEIGHT - BOTTOM - count / self.most * (HEIGHT - TOP - BOTTOM)


def _drawing(label: str, finite: np.ndarray) -> str:
    counts, edges = histogram(finite)
    axes = _Axes(float(edges[0]), float(edges[-1]), int(counts.max()))
    parts = (*_grid(axes), *_bars(axes, counts.tolist(), edges.tolist()), *_values(axes), _mean(axes, finite.mean()))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _grid(axes: _Axes) -> Iterable[str]:
    """A line and a number at round counts."""
    for count in sorted({round(tick) for tick in ticks(0, axes.most)}):
        y = axes.y(count)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="count" x="{LEFT - 6}" y="{y + 4:.1f}">{count}</text>'


def _bars(axes: _Axes, counts: Sequence[int], edges: Sequence[float]) -> Iterable[str]:
    """A bar for each bin that is not empty; pointed at, it says its range and count."""
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        if count:
            x, y, said = axes.x(low), axes.y(count), f"{low:.4g} to {high:.4g}: {count}"
            size = f'width="{axes.x(high) - x - 1:.1f}" height="{axes.y(0) - y:.1f}"'
            yield f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" {size}><title>{said}</title></rect>'


def _values(axes: _Axes) -> Iterable[str]:
    """A mark and a number at round values."""
    base = HEIGHT - BOTTOM
    for tick in ticks(axes.low, axes.high):
        x = axes.x(tick)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>'
        # Eight digits: 3 * 0.1 is written 0.3.
        yield f'<text class="value" x="{x:.1f}" y="{base + 16}">{tick:.8g}</text>'


def _mean(axes: _Axes, mean: float) -> str:
    x = axes.x(mean)
    # Near an end of the axis the words stand on the side where there is room.
    side = "start" if x < WIDTH / 4 else "end" if x > WIDTH * 3 / 4 else "middle"
    words = f'<text class="mean" x="{x:.1f}" y="{TOP - 10}" text-anchor="{side}">mean {mean:.4g}</text>'
    return f'<line class="mean" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{HEIGHT - BOTTOM}"/>{words}'
