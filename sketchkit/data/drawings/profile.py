"""What the drawings of a training look like, in a few numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from sketchkit.data.drawings.frame import Box, box_of, offset_of, size_of
from sketchkit.data.drawings.ink import lift
from sketchkit.data.drawings.look import Look, look_at
from sketchkit.data.drawings.strokes import strokes_of

_DIRTY = 0.02  # a ground with more that is not white was not clean
_COLORED = 0.35  # blue ballpoint has 0.5 and more, pencil and JPEG's tinge less than 0.15
# Of the drawings, from the least to the most: the few odd ones of a set say nothing of the set.
_RANGE = (0.02, 0.98)


@dataclass(frozen=True)
class DrawingProfile:
    """What a training's drawings look like, as files.

    Attributes:
        is_dark: whether the ground is dark.
        is_gray: whether lines have no colour.
        is_clean: whether the ground is white all over, or black.
        strength: the contrast of the faintest lines, 1 for black on white.
        pen: the median width of strokes over the short side.
        pens: from the thinnest to the thickest pen.
        box: the median left, top, right and bottom of the ink, in shares of width and height.
        sizes: from the smallest to the largest drawing: the longer side of its box.
        offset: how far from the middle of the median box that of a drawing may be.
    """

    is_dark: bool
    is_gray: bool
    is_clean: bool
    strength: float
    pen: float
    pens: tuple[float, float]
    box: Box
    sizes: tuple[float, float]
    offset: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `from_dict`."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DrawingProfile:
        """The profile that `to_dict` wrote.

        Raises:
            ValueError: it is none, or its numbers are out of range.
        """
        if not isinstance(values, Mapping) or set(values) != set(_LENGTHS):
            raise ValueError(f"a profile of drawings has {', '.join(_LENGTHS)}, and nothing else")
        profile = cls(**{name: _read(name, values[name], length) for name, length in _LENGTHS.items()})
        left, top, right, bottom = profile.box
        if not (left < right and top < bottom and profile.sizes[0] <= profile.sizes[1]):
            raise ValueError("a profile of drawings whose box is empty, or whose sizes go down")
        if not profile.pens[0] <= profile.pen <= profile.pens[1]:
            raise ValueError("a profile of drawings whose pen is none of its pens")
        return profile


# 0: true or false; 1: a number; more: so many numbers.
_LENGTHS = {
    "is_dark": 0, "is_gray": 0, "is_clean": 0, "strength": 1, "pen": 1, "pens": 2, "box": 4, "sizes": 2, "offset": 1,
}  # fmt: skip


class _Measured(NamedTuple):
    look: Look
    pen: float | None
    box: Box


def measure_drawings(pictures: Iterable[np.ndarray]) -> DrawingProfile | None:
    """What pictures (H, W, 3) uint8 have in common as drawings.

    Returns:
        None: fewer than half are drawings, or they are areas without a line.
    """
    measured = [_measure(picture) for picture in pictures]
    drawn = [one for one in measured if one]
    pens = np.array([one.pen for one in drawn if one.pen])
    if 2 * len(drawn) < len(measured) or not pens.size:
        return None
    looks = [one.look for one in drawn]
    boxes = np.array([one.box for one in drawn])
    box = _floats(np.median(boxes, axis=0))
    return DrawingProfile(
        is_dark=_most(look.is_dark for look in looks),
        is_gray=_most(not is_colored(look) for look in looks),
        is_clean=_most(is_clean(look) for look in looks),
        strength=float(np.quantile([look.strength / 255 for look in looks], _RANGE[0])),
        pen=float(np.median(pens)),
        pens=_floats(np.quantile(pens, _RANGE)),
        box=box,
        sizes=_floats(np.quantile([size_of(tuple(one)) for one in boxes], _RANGE)),
        offset=float(np.quantile([offset_of(tuple(one), box) for one in boxes], _RANGE[1])),
    )


def is_clean(look: Look) -> bool:
    """Whether the ground is white, or black, all over."""
    return look.dirt <= _DIRTY


def is_colored(look: Look) -> bool:
    """Whether the lines have a colour."""
    return look.color > _COLORED


def _measure(picture: np.ndarray) -> _Measured | None:
    look = look_at(picture)
    if look is None:
        return None
    ink = lift(255 - picture if look.is_dark else picture, look)
    box, strokes = box_of(ink), strokes_of(ink)
    return _Measured(look, strokes and strokes.pen, box) if box else None


def _most(values: Iterable[bool]) -> bool:
    return bool(np.mean(list(values)) > 0.5)


def _floats(values: np.ndarray) -> Any:
    return tuple(float(value) for value in values)


def _read(name: str, value: Any, length: int) -> Any:
    """One value, checked: shares are from 0 to 1, a pen is more than nothing."""
    numbers = value if length > 1 and isinstance(value, (list, tuple)) else [value]
    if length == 0:
        if not isinstance(value, bool):
            raise ValueError(f"a profile of drawings with {name} that is neither true nor false")
        return value
    least = 1e-4 if name in ("pen", "pens", "strength") else 0
    # Compared first: a whole number may be past what a float holds.
    is_right = all(isinstance(n, (int, float)) and not isinstance(n, bool) and least <= n <= 1 for n in numbers)
    if len(numbers) != length or not is_right:
        raise ValueError(f"a profile of drawings with {name} that is not {length} of {least} to 1")
    return float(value) if length == 1 else tuple(float(n) for n in numbers)
