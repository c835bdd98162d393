"""Which half of a side-by-side picture is the sketch, and whether a picture has any colour at all."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sketchkit.data.image_io import UnreadableImage, read_image
from sketchkit.errors import DataError
from sketchkit.problems import first_few

_TINGE = 24  # max - min of R, G, B above which a pixel is coloured; JPEG tinges the edges of grey lines less
_NEAR = 32  # levels around the commonest grey that are the ground too
_COLORED = 0.005  # a half with this share of coloured pixels is no sketch
_PAPER = 0.5  # a sketch is ground by at least this share
_CLEAR = 1.5  # between two grey halves the sketch has this many times less ink
_SIDE = 256  # a look at every n-th pixel is enough: about this many along the short side


class UnclearSides(DataError):
    """Most pictures do not say which half is the sketch."""


@dataclass(frozen=True)
class SideReport:
    """What was found in the pictures that were looked at, of `total`; `left` and `right` say where the sketch is."""

    side: str
    left: list[Path]
    right: list[Path]
    unclear: list[Path]
    total: int

    @property
    def summary(self) -> str:
        """One line for the log."""
        looked = len(self.left) + len(self.right) + len(self.unclear)
        clear = looked - len(self.unclear)
        seen = f"{looked} files" if looked == self.total else f"{looked} of {self.total} files looked at"
        return f"the sketch is the {self.side} half: {clear} say so, {len(self.unclear)} are unclear ({seen})"


def sketch_side(image: Tensor) -> str | None:
    """'left' or 'right', whichever half of (3, H, W) uint8 is the sketch; None when that is unclear.

    A sketch has next to no colour and is mostly one ground, light or dark. Where that is true of both halves, as for a
    grey drawing beside its lines, the one with clearly less ink is the sketch.
    """
    half = image.shape[-1] // 2
    left, right = _look(image[..., :half]), _look(image[..., -half:])
    if left.is_sketch != right.is_sketch:
        return "left" if left.is_sketch else "right"
    if not left.is_sketch or _CLEAR * min(left.ink, right.ink) >= max(left.ink, right.ink):
        return None
    return "left" if left.ink < right.ink else "right"


def find_source_side(
    files: Sequence[Path], read: Callable[[Path], np.ndarray] = read_image, sample: int | None = 200, seed: int = 0
) -> SideReport:
    """Which half is the sketch in a data set of side-by-side pictures.

    Args:
        files: the pictures.
        read: file -> (H, W, 3) uint8 RGB; a file that it cannot read is unclear, data sets report it when they read it.
        sample: look at this many, chosen by `seed`; None for all.
        seed: of that choice.

    Raises:
        UnclearSides: fewer than half are clear.
        DataError: some files say left and some right, or there are none.
    """
    if not files:
        raise DataError("no picture to find the sketch's side in: check the data's folder")
    chosen = sorted(files)
    if sample is not None and sample < len(chosen):
        chosen = sorted(random.Random(seed).sample(chosen, sample))
    found: dict[str | None, list[Path]] = {"left": [], "right": [], None: []}
    for file in chosen:
        found[_side_of(file, read)].append(file)
    left, right, unclear = found.values()
    side = "left" if len(left) > len(right) else "right"
    _refuse_mixed(side, *sorted((left, right), key=len))
    if 2 * len(unclear) > len(chosen):
        raise UnclearSides(
            f"it is unclear which half is the sketch in {len(unclear)} of {len(chosen)} files, first {unclear[0]}: set "
            "source_side='left' or source_side='right'"
        )
    return SideReport(side, left, right, unclear, len(files))


def is_gray(image: Tensor, tolerance: int = 8) -> bool:
    """Whether (3, H, W) uint8 has no colour: max - min of R, G, B exceeds `tolerance` in fewer than 1 pixel of 1000."""
    low, high = image.aminmax(dim=0)
    return bool((high - low > tolerance).float().mean() < 0.001)


@dataclass(frozen=True)
class _Look:
    colored: float
    ink: float

    @property
    def is_sketch(self) -> bool:
        return self.colored < _COLORED and self.ink <= 1 - _PAPER


def _look(half: Tensor) -> _Look:
    """The share of coloured pixels, and of those that are not the ground."""
    step = max(1, min(half.shape[-2:]) // _SIDE)
    low, high = half[..., ::step, ::step].aminmax(dim=0)
    # The middle of the extremes is a pixel's grey as far as a ground is concerned, and costs one pass.
    gray = (low.int() + high.int()) // 2
    ground = torch.bincount(gray.flatten(), minlength=256).argmax()
    ink = (gray - ground).abs() > _NEAR
    return _Look(colored=float((high - low > _TINGE).float().mean()), ink=float(ink.float().mean()))


def _side_of(file: Path, read: Callable[[Path], np.ndarray]) -> str | None:
    try:
        return sketch_side(torch.from_numpy(read(file)).permute(2, 0, 1))
    except UnreadableImage:
        return None


def _refuse_mixed(side: str, few: Sequence[Path], many: Sequence[Path]) -> None:
    if few:
        names = first_few(few)
        raise DataError(
            f"the sketch is the {side} half in {len(many)} files and the other in {len(few)}, {names}: mend or remove "
            f"these, or set source_side='{side}' if they are misjudged"
        )
