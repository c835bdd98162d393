"""The sample sets besides the Sketchy Database's: each kind as its pictures, one a figure, by their places in the set.

The figures and photos are those of the Sketchy set of the same seed; every sketch is a valid one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from sketchkit.data.sample.catalog import KINDS
from sketchkit.data.sample.figure import Figure, posed
from sketchkit.data.sample.pen import draw_sketch
from sketchkit.data.sample.photo import render_photo

Rng = np.random.Generator
Pictures = Iterator[tuple[str, np.ndarray]]
HELD_OUT = 5  # one of so many is kept from training
GRAY = 10  # one of so many has no colour


def some_figure(seed: int, number: int, photo: int) -> tuple[Figure, Rng]:
    """The `photo`-th figure of class `number` in the unit square, and the generator that draws the rest of it."""
    rng = np.random.default_rng([seed, number, photo])
    return posed(KINDS[number].draw(rng), rng, KINDS[number].turn), rng


def pairs(seed: int, photos_per_class: int, size: int) -> Pictures:
    """train/NNNN.png and val/NNNN.png, (size, 2 size, 3) RGB: left the photo, right the sketch that registers with it.

    The layout of Kaggle's anime sketch colorization pairs. A fifth is val.
    """
    for number, (figure, rng) in enumerate(_figures(seed, photos_per_class)):
        photo = render_photo(figure, rng, size)
        sketch = cv2.cvtColor(draw_sketch(figure, rng, size), cv2.COLOR_GRAY2RGB)
        yield f"{'val' if _is_held_out(number) else 'train'}/{number + 1:04d}.png", np.concatenate([photo, sketch], 1)


def unpaired(seed: int, photos_per_class: int, size: int) -> Pictures:
    """trainA/NNNN.png and testA/NNNN.png sketches, trainB/NNNN.jpg and testB/NNNN.jpg photos of other figures.

    Of 25 figures 12 are in A, so that the sides differ in number; a fifth of each side is test.
    """
    counts = {"A": 0, "B": 0}
    for number, (figure, rng) in enumerate(_figures(seed, photos_per_class)):
        side = "A" if 12 * (number + 1) // 25 > 12 * number // 25 else "B"
        folder = ("test" if _is_held_out(counts[side]) else "train") + side
        counts[side] += 1
        draw, ending = (draw_sketch, "png") if side == "A" else (render_photo, "jpg")
        yield f"{folder}/{number + 1:04d}.{ending}", draw(figure, rng, size)


def color(seed: int, photos_per_class: int, size: int) -> Pictures:
    """NNNN.jpg photos, one in ten of them grey, for a filter to find."""
    for number, (figure, rng) in enumerate(_figures(seed, photos_per_class)):
        photo = render_photo(figure, rng, size)
        is_gray = number % GRAY == GRAY - 1
        yield f"{number + 1:04d}.jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY) if is_gray else photo


LAYOUTS: dict[str, Callable[[int, int, int], Pictures]] = {"pairs": pairs, "unpaired": unpaired, "color": color}


def _figures(seed: int, photos_per_class: int) -> Iterator[tuple[Figure, Rng]]:
    """One figure of each class in turn, so that any stretch of them holds about as many of each."""
    for photo in range(photos_per_class):
        for number in range(len(KINDS)):
            yield some_figure(seed, number, photo)


def _is_held_out(number: int) -> bool:
    return number % HELD_OUT == HELD_OUT - 1
