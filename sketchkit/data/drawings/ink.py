"""The ink of a drawing as one number a pixel: 0 on the ground, 255 in the middle of a line."""

from __future__ import annotations

import cv2
import numpy as np

from sketchkit.data.drawings.ground import darkest, reduced
from sketchkit.data.drawings.look import SIDE, Look, levelled

# Of the darkest lines' strength: less is ground, more is a line's middle. Half of a line's edge is half ink.
_NOTHING, _ALL = 0.2, 0.75
_SMALL = 256  # a shorter side is smoothed less: lines are a pixel or two


def plain(picture: np.ndarray) -> np.ndarray:
    """The ink (H, W) uint8 of a picture (H, W, 3) that is black on white already."""
    return 255 - darkest(picture)


def lift(picture: np.ndarray, look: Look) -> np.ndarray:
    """The ink (H, W) uint8 of a picture (H, W, 3), dark on light: the distance from its ground, in any channel.

    What is as faint as the paper's grain is ground, and so are specks without a line's darkness.
    """
    away = 255 - darkest(levelled(picture, look.paper))
    if look.grain > 1:
        away = cv2.medianBlur(away, 3) if min(away.shape) > _SMALL else cv2.GaussianBlur(away, (3, 3), 0.6)
    low = max(_NOTHING * look.strength, 3.5 * look.grain)
    high = max(_ALL * look.strength, low + 1)
    ink = cv2.LUT(away, np.clip((np.arange(256) - low) / (high - low) * 255, 0, 255).astype(np.uint8))
    return cv2.bitwise_and(ink, _strokes(ink)) if look.dirt or look.grain > 1 else ink


def _strokes(ink: np.ndarray) -> np.ndarray:
    """255 about what is dark somewhere and larger than a speck, which is what lines are and dirt is not."""
    small = reduced(ink, SIDE)
    count, labels, about, _ = cv2.connectedComponentsWithStats((small > 32).astype(np.uint8), connectivity=8)
    darkest = np.zeros(count, np.uint8)
    np.maximum.at(darkest, labels.ravel(), small.ravel())
    is_stroke = (darkest >= 128) & (about[:, cv2.CC_STAT_AREA] >= 4)
    is_stroke[0] = False
    kept = cv2.dilate(is_stroke[labels].astype(np.uint8) * 255, np.ones((3, 3), np.uint8))
    return cv2.resize(kept, ink.shape[1::-1], interpolation=cv2.INTER_NEAREST)
