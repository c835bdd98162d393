"""The ground of a drawing: whether it is dark, and what it would look like without the lines."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 160  # the ground changes slowly: an estimate on so many pixels squared is enough
_FEW = 48  # and for its trend so many
# Shadows leave more than half of the light of the sheet; ink, as a filled area, less.
_SHADOW = 0.6
# What is that much darker than the lightest around it is a line, even a pale one: not paper.
_LINE = 0.93
# Lines are thinner than this share of the side; the lightest within so many pixels is paper.
_THICKEST = 1 / 14


def reduced(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture of at most `side` squared pixels, averaged; a smaller one as it is."""
    height, width = picture.shape[:2]
    scale = side / (height * width) ** 0.5
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def darkest(picture: np.ndarray) -> np.ndarray:
    """The least of the channels (H, W) of (H, W, 3): where ink of any colour is dark."""
    red, green, blue = cv2.split(picture)
    return cv2.min(cv2.min(red, green), blue)


def lightest(picture: np.ndarray) -> np.ndarray:
    """The greatest of the channels (H, W) of (H, W, 3)."""
    red, green, blue = cv2.split(picture)
    return cv2.max(cv2.max(red, green), blue)


def is_dark(picture: np.ndarray) -> bool:
    """Whether (H, W, 3) uint8 is of light lines on a dark ground.

    Its middle is dark, and what departs from its surroundings is light for the most part: a drawing in deep shadow has
    a dark middle too, but dark lines. All of one colour is ground.
    """
    gray = cv2.cvtColor(reduced(picture, SIDE), cv2.COLOR_RGB2GRAY)
    if np.median(gray) >= 128:
        return False
    window = max(3, int(min(gray.shape) * 0.4) | 1)
    away = gray.astype(np.int16) - cv2.medianBlur(gray, min(window, 255))
    lighter, darker = away[away > 16].sum(), -away[away < -16].sum()
    return bool(lighter >= 2 * darker)


def estimate(picture: np.ndarray) -> np.ndarray:
    """The ground (h, w, 3) float32, 1 to 255, of a picture of dark lines, of at most `SIDE` squared pixels.

    Args:
        picture: (H, W, 3) uint8.
    """
    small = reduced(picture, SIDE).astype(np.float32)
    gray = darkest(small)
    trend = _trend(gray)
    side = int(max(3, max(gray.shape) * _THICKEST)) | 1
    around = cv2.morphologyEx(cv2.blur(gray, (3, 3)), cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    paper = ((gray > _SHADOW * trend) & (gray > _LINE * around)).astype(np.float32)
    if not paper.any():
        paper[:] = 1
    # Where there is no paper near, that from farther away, and from all over.
    found = np.broadcast_to((small * paper[..., None]).sum((0, 1)) / paper.sum(), small.shape)
    for share in (2, 5, 16):
        window = (max(gray.shape) // share + 1,) * 2
        weight = cv2.blur(cv2.blur(paper, window), window)[..., None]
        near = cv2.blur(cv2.blur(small * paper[..., None], window), window)
        found = (near + 0.05 * found) / (weight + 0.05)
    return np.clip(found, 1, 255).astype(np.float32)


def _trend(gray: np.ndarray) -> np.ndarray:
    """The quadratic surface through what is light, which lines and filled areas do not bend."""
    few = reduced(gray, _FEW)
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in few.shape), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)
    values, used = few.ravel().astype(np.float64), np.ones(few.size, bool)
    for _ in range(4):
        weighted = (terms * used[:, None]).T
        # A little of nothing keeps a picture one pixel wide, in which terms are one another, from having no answer.
        surface = terms @ np.linalg.solve(weighted @ terms + 1e-6 * np.eye(6), weighted @ values)
        used = values > 0.9 * surface
        if used.sum() < 12:
            break
    surface = np.clip(surface, 1, 255).reshape(few.shape).astype(np.float32)
    return cv2.resize(surface, gray.shape[::-1], interpolation=cv2.INTER_LINEAR)
