"""The sizes of pictures."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def shape(picture: Tensor) -> tuple[int, int]:
    """(height, width) of (B, C, H, W)."""
    return picture.shape[2], picture.shape[3]


def fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(height, width) made so that the longer one is `side`, at the same aspect."""
    height, width = size
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) in [-1, 1] at another (height, width): bicubic, antialiased, kept in its range."""
    if shape(picture) == size:
        return picture
    return F.interpolate(picture, size, mode="bicubic", align_corners=False, antialias=True).clamp(-1, 1)
