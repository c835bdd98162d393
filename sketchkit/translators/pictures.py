"""The pictures of a batch, and pictures as they go into files."""

from __future__ import annotations

from torch import Tensor

IMAGES = ("source", "target")


def to_bytes(image: Tensor) -> Tensor:
    """Pictures (B, 1 or 3, H, W) in [-1, 1] as (B, 3, H, W) uint8 on the CPU: clamped and rounded, as in a file."""
    return image.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte().expand(-1, 3, -1, -1).cpu()
