"""Colour hints: in training made of the target, in use the person's own strokes (Auto-Painter, Liu et al. 2017).

A hint is straight RGBA, (4, H, W) uint8: alpha says where it speaks, the colour is 0 where alpha is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
from torch import Tensor

from sketchkit.data.image_io import read_straight
from sketchkit.data.transforms.hint_marks import FORMS, draw_mark
from sketchkit.data.transforms.hint_page import Page
from sketchkit.data.transforms.sample import as_picture, like, require
from sketchkit.declared import Blocks, Choices, Range, Share
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import one_of
from sketchkit.registry import TRANSFORMS

Extent = Annotated[float, Range(above=0, most=1)]


@TRANSFORMS.register_module()
class ColorHints:
    """Makes `hint` of `target`: marks in its colours, as people draw them, and some in colours that it then takes.

    Comes last in a pipeline, after the geometry. Lengths are shares of the picture's short side.

    A mark in the target's colour has the mean of what lies under it, and stays within the area of one colour that its
    middle is in. A mark in a colour of its own has any; the areas that it means, those that it mostly lies on or
    mostly covers, take that colour in the target too. So a training sees hints that the drawing alone would not let it
    guess, and the true picture always agrees.

    Args:
        marks: the most marks; the logarithm of their number is uniform, so that few are as likely as many.
        forms: what is drawn, each as likely: 'dot', 'block', 'stroke', 'scribble'.
        size: smallest and largest extent of a mark; its logarithm is uniform.
        repaint: of a mark having a colour of its own, which changes the target; 0 in validation, where the target is
            the truth.
        blur: the target is first averaged over boxes of this side; 0 for not at all.
        white: what falls on a colour whose R, G and B all reach this is left out; 256 for nothing.
        probability: of a sample having hints at all, so that drawing without any is learnt too.

    Raises:
        ConfigError: an option's value is outside its limits.
    """

    def __init__(
        self,
        marks: Blocks = 30,
        forms: Sequence[Annotated[str, Choices(FORMS)]] = tuple(FORMS),
        size: tuple[Extent, Extent] = (0.01, 0.3),
        repaint: Share = 0.5,
        blur: Share = 0.0,
        white: Annotated[int, Range(0, 256)] = 256,
        probability: Share = 0.8,
    ) -> None:
        _check(marks >= 0, "marks", marks, "0 or more")
        _check(len(forms) > 0, "forms", forms, "one or more")
        for form in forms:
            one_of("ColorHints.forms", form, FORMS)
        _check(len(size) == 2 and 0 < size[0] <= size[1] <= 1, "size", size, "(smallest, largest), above 0, at most 1")
        for option, share in {"repaint": repaint, "blur": blur, "probability": probability}.items():
            _check(0 <= share <= 1, option, share, "0 to 1")
        _check(0 <= white <= 256, "white", white, "0 to 256, where 256 leaves nothing out")
        self.marks, self.forms, self.size, self.repaint = marks, list(forms), tuple(size), repaint
        self.blur, self.white, self.probability = blur, white, probability

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """The sample with its `hint`, (4, H, W) uint8, and the target that agrees with it.

        Raises:
            ConfigError: the sample has no target, or one that is not RGB.
        """
        require(sample, "target", "ColorHints")
        if len(sample["target"]) != 3:
            raise ConfigError(f"ColorHints needs a target of 3 channels, and it has {len(sample['target'])}")
        target = cv2.merge(list(sample["target"].numpy()))
        if self.marks == 0 or torch.rand(()).item() >= self.probability:
            return {**sample, "hint": as_picture(torch.zeros(4, *target.shape[:2], dtype=torch.uint8))}
        # Of numpy, whose single numbers cost less; but what it draws is a matter of torch's generator alone.
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        short = min(target.shape[:2])
        page = Page(target, round(self.blur * short), random)
        for form, extent in self._drawn(short, random):
            page.draw(draw_mark(form, extent, random), random.random() < self.repaint, self.white)
        truth = page.truth()
        changed = {} if truth is None else {"target": like(_planes(truth), sample["target"])}
        return {**sample, **changed, "hint": as_picture(_planes(page.hint()))}

    def _drawn(self, short_side: int, random: np.random.Generator) -> Iterator[tuple[str, float]]:
        """Form and extent, in pixels, of each mark."""
        low, high = self.size
        for _ in range(int((self.marks + 1) ** random.random())):
            yield self.forms[random.integers(len(self.forms))], short_side * low * (high / low) ** random.random()


def hint_from_picture(rgba: np.ndarray) -> Tensor:
    """A person's strokes, (H, W, 4) uint8 straight RGBA, as a hint (4, H, W); alpha between 0 and 255 is kept.

    Raises:
        DataError: another shape or type.
    """
    if rgba.ndim != 3 or rgba.shape[2] != 4 or rgba.dtype != np.uint8:
        raise DataError(f"a hint is (H, W, 4) uint8 RGBA, not {rgba.shape} {rgba.dtype}: give it an alpha channel")
    return _planes(np.where(rgba[..., 3:] > 0, rgba, 0))


def read_hint(path: str | Path, size: tuple[int, int]) -> Tensor:
    """The strokes in a picture file as a hint (4, H, W) uint8.

    Args:
        path: a picture with transparency, such as a PNG, that lies over the sketch.
        size: (H, W) of the sketch.

    Raises:
        UnreadableImage: the file is missing, cut short, or no image.
        DataError: it has no transparency, or another size than the sketch.
    """
    rgba = read_straight(path)
    if rgba.shape[2] != 4:
        raise DataError(f"{path} has no transparency: save the strokes on a transparent ground, as RGBA PNG")
    if rgba.shape[:2] != tuple(size):
        raise DataError(
            f"the hint {path} is {rgba.shape[1]}x{rgba.shape[0]} and the sketch {size[1]}x{size[0]}: bring the hint to "
            "the sketch's size"
        )
    return hint_from_picture(rgba)


def _planes(picture: np.ndarray) -> Tensor:
    """(H, W, C) -> (C, H, W)."""
    return torch.from_numpy(np.stack(cv2.split(picture)))


def _check(is_fine: bool, option: str, value: object, wanted: str) -> None:
    if not is_fine:
        raise ConfigError(f"ColorHints has {option}={value!r}: give {wanted}")
