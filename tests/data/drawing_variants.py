"""One drawing as eight people would hand it in: what a translator must see through."""

from io import BytesIO

import cv2
import numpy as np
from PIL import Image, ImageFilter

NAMES = (
    "white on black", "transparent", "blue ink", "thick pen",
    "thin pen", "pale pencil", "photo of paper", "in a corner",
)  # fmt: skip
FITTED = "in a corner"
_FINE = 512  # pens change on a copy with a short side of about that


def variants(picture: np.ndarray, pen: float, seed: int = 0) -> dict[str, np.ndarray]:
    """name -> RGB or straight RGBA (H, W, C) uint8 of the size of a drawing (H, W, 3), black on white.

    Args:
        picture: the drawing.
        pen: the width of its strokes over its short side.
        seed: of grain and paper.
    """
    chance = np.random.default_rng(seed)
    width = pen * min(picture.shape[:2])
    clear = np.dstack([np.zeros_like(picture), 255 - picture.min(2)])
    made = (
        255 - picture,
        clear,
        _inked(picture, (30, 60, 190), (255, 255, 255)),
        _with_pen(picture, 0.5 * width),
        _with_pen(picture, -0.3 * width),
        _grain(_inked(picture, (150, 146, 138), (240, 230, 196)), chance, 2),
        _photographed(picture, chance),
        _in_a_corner(picture),
    )
    return dict(zip(NAMES, made, strict=True))


def _inked(picture: np.ndarray, ink: tuple[int, ...], paper: tuple[int, ...]) -> np.ndarray:
    share = picture / 255
    return np.rint(np.array(ink) * (1 - share) + np.array(paper) * share).astype(np.uint8)


def _with_pen(picture: np.ndarray, more: float) -> np.ndarray:
    """Lines wider on either side by `more` pixels, or thinner."""
    height, width = picture.shape[:2]
    times = max(1, _FINE // min(height, width))
    fine = cv2.resize(picture.min(2), (times * width, times * height), interpolation=cv2.INTER_LINEAR)
    side = 2 * round(abs(more) * times) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    changed = cv2.erode(fine, disc) if more > 0 else cv2.dilate(fine, disc)
    return np.dstack([cv2.resize(changed, (width, height), interpolation=cv2.INTER_AREA)] * 3)


def _grain(picture: np.ndarray, chance: np.random.Generator, levels: float) -> np.ndarray:
    rough = picture + chance.normal(0, levels, picture.shape[:2])[..., None]
    return np.rint(rough).clip(0, 255).astype(np.uint8)


def _photographed(picture: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Warm light that fades from corner to corner, a soft shadow, an unsharp lens, grain and JPEG."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[: 1 : height * 1j, : 1 : width * 1j]
    light = 1 - 0.4 * (x + y) / 2
    shadow = 1 - 0.35 / (1 + np.exp(-(x - 0.4 - 0.5 * y) / 0.06))
    lit = _inked(picture, (58, 55, 60), (236, 228, 212)) * (light * shadow)[..., None]
    soft = Image.fromarray(lit.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.004 * min(height, width)))
    file = BytesIO()
    Image.fromarray(_grain(np.asarray(soft), chance, 4)).save(file, "JPEG", quality=70)
    return np.array(Image.open(file))


def _in_a_corner(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    small = Image.fromarray(picture).resize((round(0.42 * width), round(0.42 * height)), Image.Resampling.LANCZOS)
    sheet = np.full_like(picture, 255)
    sheet[: small.height, width - small.width :] = np.asarray(small)
    return sheet
