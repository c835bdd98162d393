"""A person's picture -> what networks take: understood as in the training, at its scale, by its pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, max_pool2d

from sketchkit.config.inference import InferenceOptions
from sketchkit.data.drawings import DrawingProfile, Frame, Reading, read_drawing
from sketchkit.data.pixels import on_white, transparency
from sketchkit.data.transforms.scale import Scale, resized
from sketchkit.inference.preparation import Preparation
from sketchkit.inference.request import Request, Source
from sketchkit.translators.pictures import IMAGES
from sketchkit.translators.preprocessing import with_hint

_STRONGER = 4  # at most so many times: a speck is to stay one
CLEAR = "what is transparent was laid on white"


class Prepared(NamedTuple):
    """A picture that networks can be given.

    pixels: as it was understood, (3, H, W) uint8; entry: as networks see it but for its range, (1, C, h, w) uint8;
    hint: (1, 4, h, w) in the networks' range; number: of its class; name: see `Source`; notes: what was done.
    """

    pixels: Tensor
    entry: Tensor
    hint: Tensor | None
    number: int | None
    name: str
    notes: tuple[str, ...]


class PictureReader:
    """Prepares pictures as a run's training had them.

    Args:
        preparation: the steps of the run's pipeline.
        options: whether sources are drawings.
        drawings: what those of the training look like; None: nothing is known of them.
    """

    def __init__(self, preparation: Preparation, options: InferenceOptions, drawings: DrawingProfile | None) -> None:
        self.preparation, self.options, self.drawings = preparation, options, drawings

    def reads_drawings(self, request: Request) -> bool:
        """Whether what goes in is a drawing, and it is known how the training's looked."""
        return self.options.is_drawing and self.drawings is not None and request.direction == "AtoB"

    def __call__(self, source: Source, number: int | None, request: Request) -> Prepared:
        """The picture; `number` is its class's."""
        kind = IMAGES[request.direction == "BtoA"]
        reading = self._understood(source.pixels, request)
        pixels = torch.from_numpy(np.ascontiguousarray(reading.picture.transpose(2, 0, 1)))
        entry = self.preparation(pixels, kind, self._scale(kind, request, *pixels.shape[-2:]))[None]
        hint = None if source.hint is None else _hint(source.hint, reading.frame, entry.shape[-2:])
        return Prepared(pixels, entry, hint, number, source.name, reading.notes)

    def guide(self, one: Prepared) -> Tensor:
        """What gives an output of the picture its detail, (3, H, W) uint8: of drawings dark lines on a light ground."""
        return 255 - one.pixels if self.drawings and self.drawings.is_dark else one.pixels

    def at_its_own_size(self, one: Prepared, kind: str) -> Tensor:
        """The picture as networks would see it if they saw it at its own size, (1, C, H, W) uint8."""
        return self.preparation(one.pixels, kind)[None]

    def _understood(self, pixels: np.ndarray, request: Request) -> Reading:
        """The picture in RGB; a drawing by the look of the training's."""
        if self.drawings and self.reads_drawings(request) and request.lines == "auto":
            return read_drawing(pixels, self.drawings, fit=request.fit)
        notes = (CLEAR,) if transparency(pixels) is not None else ()
        return Reading(on_white(pixels), notes, None)

    def _scale(self, kind: str, request: Request, height: int, width: int) -> Scale | None:
        if request.size == "native":
            return None
        known = self.preparation.scale(kind, height, width)
        if isinstance(request.size, str):
            return known
        return known._replace(side=request.size) if known else Scale(request.size)


def _hint(hint: Tensor, frame: Frame | None, size: Sequence[int]) -> Tensor:
    """A hint (4, H, W) uint8 as the networks take it, (1, 4, *size), where the frame of its picture is."""
    # Its colors times alpha before it is resized: else the ground of the strokes would tinge their borders.
    ready = with_hint({"hint": hint[None]})["hint"]
    if frame:
        cut = frame.cut(ready[0].permute(1, 2, 0).contiguous().numpy(), 0)
        ready = torch.from_numpy(cut).permute(2, 0, 1)[None]
    return ready if ready.shape[-2:] == tuple(size) else _resized_hint(ready, size)


def _resized_hint(hint: Tensor, size: Sequence[int]) -> Tensor:
    """A hint (1, 4, H, W) at another size; a stroke that becomes thinner than a pixel stays nearly as strong as it was.

    Where every place around has less alpha than the strongest that was there, all is made stronger by that much.
    """
    # Always bilinear: a hint must not leave its range, and another way overshoots.
    small = resized(hint, size)
    if size[0] > hint.shape[-2] or size[1] > hint.shape[-1]:
        return small
    strongest = adaptive_max_pool2d(hint[:, 3:], (size[0], size[1]))
    before, after = (max_pool2d(alpha, 3, 1, 1) for alpha in (strongest, small[:, 3:]))
    return small * (before / after.clamp(min=1e-6)).clamp(1, _STRONGER)
