"""What is asked of a trained run, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from torch import Tensor

from sketchkit.config.inference import Detail
from sketchkit.errors import ConfigError
from sketchkit.options import one_of, whole_number

Direction: TypeAlias = Literal["AtoB", "BtoA"]
Lines: TypeAlias = Literal["auto", "as-is"]
SIZES = ("trained", "native")
TILE = 2048  # pixels


@dataclass(frozen=True)
class Request:
    """How pictures are to be translated.

    Attributes:
        direction: 'AtoB' (source to target), or 'BtoA' where the run learnt it (CycleGAN).
        size: the shorter side, in pixels, at which the networks work: 'trained', that of the whole pictures of the
            training; 'native', the picture's own; or a number. The output has the picture's size in any case.
        samples: outputs a picture, where there is more than one.
        seed: number of the first one's noise, and of what dropout drops; the next has the next number.
        lines: 'auto' brings a drawing to the look of the training's, where the config says that sources are drawings;
            'as-is' leaves it.
        fit: whether the drawing is also moved and resized to where the training's were; the output shows it there.
        detail: how outputs get the size of their source; None is as the config says. See `InferenceOptions`.
        tile: the longer side, in pixels, of what networks see at once; what is larger is made in tiles.
        insist: make tiles though the outcome is another than that of the whole, where it is.

    Raises:
        ConfigError: a value that is none of these.
    """

    direction: Direction = "AtoB"
    size: int | str = "trained"
    samples: int = 1
    seed: int = 0
    lines: Lines = "auto"
    fit: bool = False
    detail: Detail | None = None
    tile: int = TILE
    insist: bool = False

    def __post_init__(self) -> None:
        one_of("direction", self.direction, get_args(Direction))
        one_of("lines", self.lines, get_args(Lines))
        one_of("detail", self.detail, (*get_args(Detail), None))
        if isinstance(self.size, str):
            one_of("size", self.size, SIZES)
        for name, least in {"size": 1, "samples": 1, "seed": 0, "tile": 16}.items():
            if not (name == "size" and isinstance(self.size, str)):
                whole_number(name, getattr(self, name), least)
        for name in ("fit", "insist"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}={getattr(self, name)!r}: give True or False")
        if self.fit and self.lines == "as-is":
            raise ConfigError("fit changes drawings and lines='as-is' leaves them: leave out one of them")

    @property
    def noises(self) -> range:
        """The numbers of the noises."""
        return range(self.seed, self.seed + self.samples)


class Source(NamedTuple):
    """A picture to translate.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, or (H, W, 4) straight RGBA.
        label: its class, for a run whose network draws classes.
        hint: color strokes (4, H, W) uint8 RGBA, for a run that was trained with hints.
        name: noise depends on it too, as in `sketchkit eval`, where each sample has one.
    """

    pixels: np.ndarray
    label: str | None = None
    hint: Tensor | None = None
    name: str = ""


class Translation(NamedTuple):
    """What became of a picture.

    pictures: an output (H, W, 3) uint8 RGB for each noise; size: height and width at which the networks worked; notes:
    what was done to the picture before that, a few words each.
    """

    pictures: list[np.ndarray]
    size: tuple[int, int]
    notes: tuple[str, ...]
