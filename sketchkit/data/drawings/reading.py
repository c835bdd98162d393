"""A person's drawing -> one that looks as in training; one that does already stays as it is, to the byte."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from sketchkit.data.drawings.frame import Frame, box_of, frame_for, offset_of, size_of
from sketchkit.data.drawings.ground import lightest
from sketchkit.data.drawings.ink import lift, plain
from sketchkit.data.drawings.look import Look, levelled, look_at
from sketchkit.data.drawings.profile import DrawingProfile, is_clean, is_colored
from sketchkit.data.drawings.strokes import redrawn, strokes_of
from sketchkit.data.pixels import on_white, transparency

_PALE = 0.7  # of the training's contrast: what is fainter is pencil
_PEN = 1.35  # times the thickest or thinnest of the training, which pens of one kind differ by from drawing to drawing
_SMALLER, _ASIDE = 1.25, 0.08  # times the smallest, and a share of the picture beyond the farthest, of the training
_LIGHT, _DARK = 160, 96  # levels of lines that are light, and of lines that are not


class Reading(NamedTuple):
    """A drawing as the training had them.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        notes: what was done, a few words each.
        frame: the part of the picture that is shown; None: all of it.
    """

    picture: np.ndarray
    notes: tuple[str, ...]
    frame: Frame | None


def read_drawing(straight: np.ndarray, profile: DrawingProfile, *, fit: bool = False) -> Reading:
    """Bring a drawing to the look of a training's.

    What is no drawing (a photo, a blank sheet) is laid on white where it is transparent, and no more.

    Args:
        straight: (H, W, 3) RGB or straight (H, W, 4) RGBA, uint8.
        profile: what the training's drawings look like.
        fit: show a small or shifted drawing where the training's are.
    """
    notes: list[str] = []
    picture = _opaque(straight, notes)
    look = look_at(picture)
    if look is None:
        return Reading(picture, tuple(notes), None)
    if look.is_dark != profile.is_dark:
        lines = "white lines on black" if look.is_dark else "black lines on white"
        notes.append(f"{lines} were inverted")
    light = 255 - picture if look.is_dark else picture
    light = _level(light, look, profile, notes)
    frame, light = _fit(light, profile, notes) if fit else (None, light)
    light = _change_pen(light, profile, notes)
    if notes:
        picture = 255 - light if profile.is_dark else light
    return Reading(picture, tuple(notes), frame)


def _opaque(straight: np.ndarray, notes: list[str]) -> np.ndarray:
    """Without transparency: light lines on black, all others on white."""
    alpha = transparency(straight)
    if alpha is None:
        return straight[..., :3]
    gray = lightest(straight[..., :3])[alpha > 127]
    if gray.size and np.median(gray) > _LIGHT and (gray < _DARK).mean() < 0.02:
        notes.append("light lines on a transparent ground were laid on black")
        inverse = np.dstack([255 - straight[..., :3], alpha])
        return 255 - on_white(inverse)
    notes.append("a transparent ground was made white")
    return on_white(straight)


def _level(picture: np.ndarray, look: Look, profile: DrawingProfile, notes: list[str]) -> np.ndarray:
    """Black on white, as far as the training's drawings are."""
    said = []
    if profile.is_clean and not is_clean(look):
        said.append("uneven or tinted paper was made white")
    if look.strength / 255 < _PALE * profile.strength:
        said.append("pale lines were darkened")
    if profile.is_gray and is_colored(look):
        said.append("coloured lines were made black")
    notes += said
    if not said:
        return picture
    if not profile.is_gray:
        return levelled(picture, look.paper)
    return _gray(lift(picture, look))


def _fit(picture: np.ndarray, profile: DrawingProfile, notes: list[str]) -> tuple[Frame | None, np.ndarray]:
    box = box_of(plain(picture))
    if box is None:
        return None, picture
    small, large = profile.sizes[0] / _SMALLER, profile.sizes[1] * _SMALLER
    if small <= size_of(box) <= large and offset_of(box, profile.box) <= profile.offset + _ASIDE:
        return None, picture
    frame = frame_for(box, profile.box, picture.shape)
    notes.append("the drawing was fitted to where the training's are")
    return frame, frame.cut(picture, 255)


def _change_pen(picture: np.ndarray, profile: DrawingProfile, notes: list[str]) -> np.ndarray:
    """With lines as thick as the training's; colours that may mean something are left alone."""
    ink = plain(picture)
    strokes = strokes_of(ink) if profile.is_gray else None
    thinnest, thickest = profile.pens
    if strokes is None or thinnest / _PEN <= strokes.pen <= thickest * _PEN:
        return picture
    notes.append("thick lines were thinned" if strokes.pen > thickest else "thin lines were thickened")
    return _gray(redrawn(strokes, profile.pen, ink))


def _gray(ink: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(255 - ink, cv2.COLOR_GRAY2RGB)
