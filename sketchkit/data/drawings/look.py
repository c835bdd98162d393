"""What a picture is as a drawing: its ground, how dark its lines are, whether they have a colour."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from sketchkit.data.drawings import ground
from sketchkit.data.drawings.ground import darkest, lightest, reduced

SIDE = 768  # what is looked at is at most so many pixels squared
_CLEAN = 247  # a ground lighter than this everywhere is white: JPEG leaves as much
_FAINTEST = 16  # levels from the ground that are ink where there is no grain
_FEWEST = 0.0003  # with a smaller share of ink there is no drawing: a line across a tenth of the picture has as much
_MOST = 0.5  # a drawing is ground for the most part
_ROUGHEST = 12  # levels of grain: paper photographed has 1 to 8, and photos of things mostly more than 20


class Look(NamedTuple):
    """A drawing, dark on light; see `look_at`.

    Attributes:
        is_dark: whether it was light on dark, as a file.
        paper: the ground (h, w, 3) float32, on few pixels.
        dirt: the share of the ground that is not white.
        grain: what in levels of ink is the roughness of the paper.
        strength: levels by which the darkest lines differ from the ground, 0 to 255.
        color: how far from grey the lines are: 0 grey, 1 as far as they can be.
    """

    is_dark: bool
    paper: np.ndarray
    dirt: float
    grain: float
    strength: float
    color: float


def look_at(picture: np.ndarray) -> Look | None:
    """What (H, W, 3) uint8 looks like; None: it is blank, or no drawing."""
    small = reduced(picture, SIDE)
    is_dark = ground.is_dark(small)
    small = 255 - small if is_dark else small
    paper = ground.estimate(small)
    ratio = levelled(small, paper)
    away = 255 - darkest(ratio)
    # The paper is most of the picture, and its grain goes both ways: half of it is darker than its mean.
    signed = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    even = cv2.cvtColor(cv2.resize(paper, small.shape[1::-1]), cv2.COLOR_RGB2GRAY)
    spread = np.abs(signed / even - 1)
    grain = float(1.48 * 255 * np.median(spread))
    ink = away > max(_FAINTEST, 4 * grain)
    if not _FEWEST <= ink.mean() <= _MOST:
        return None
    strength, color = _lines(ratio, away, ink)
    around = cv2.dilate(ink.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
    dirt = float((darkest(small)[around] < _CLEAN).mean()) if around.any() else 0.0
    if strength < 3 * grain or grain > _ROUGHEST:
        return None
    return Look(is_dark, paper, dirt, grain, strength, color)


def levelled(picture: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 over its ground: white where it is ground."""
    full = cv2.resize(paper, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.divide(picture, np.rint(full).astype(np.uint8), scale=255)


def _lines(ratio: np.ndarray, away: np.ndarray, ink: np.ndarray) -> tuple[float, float]:
    """How dark, and how colourful, the middles of the lines are."""
    middles = ink & (away >= cv2.dilate(away, np.ones((3, 3), np.uint8)))
    strength = float(np.quantile(away[middles], 0.9))
    chroma = (lightest(ratio) - darkest(ratio))[middles & (away > strength / 2)]
    return strength, float(np.median(chroma) / 255) if chroma.size else 0.0
