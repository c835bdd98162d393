"""The ground of a drawing: whether it is dark, and what it would look like without the lines."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 160  # the ground changes slowly: an estimate on so many pixels squared is enough
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
    gray = small.min(2)
    trend = _trend(gray)
    side = int(max(3, max(gray.shape) * _THICKEST)) | 1
    around = cv2.morphologyEx(cv2.blur(gray, (3, 3)), cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    paper = ((gray > _SHADOW * trend) & (gray > _LINE * around)).astype(np.float32)
    if not paper.any():
        paper[:] = 1
    # Where there is no paper near, that from farther away, and from all over.
    found = np.broadcast_to((small * paper[..., None]).sum((0, 1)) / paper.sum(), small.shape)
    for sigma in (max(gray.shape) / 4, max(gray.shape) / 12, max(gray.shape) / 40):
        weight = cv2.GaussianBlur(paper, (0, 0), sigma)[..., None]
        near = cv2.GaussianBlur(small * paper[..., None], (0, 0), sigma)
        found = (near + 0.05 * found) / (weight + 0.05)
    return np.clip(found, 1, 255).astype(np.float32)


def _trend(gray: np.ndarray) -> np.ndarray:
    """The quadratic surface through what is light, which lines and filled areas do not bend."""
    height, width = gray.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)
    values, used = gray.ravel(), np.ones(gray.size, bool)
    surface = np.full(gray.size, values.mean())
    for _ in range(4):
        surface = terms @ np.linalg.lstsq(terms[used], values[used], rcond=None)[0]
        used = values > 0.9 * surface
        if used.sum() < 12:
            break
    return np.clip(surface, 1, 255).reshape(gray.shape).astype(np.float32)
