"""Training on a GPU that repeats bit for bit, and in a repeatable form what PyTorch has no repeatable gradient for.

`torch.use_deterministic_algorithms` refuses the gradients of reflection padding and of antialiased resizing, whose CUDA
kernels add in no fixed order. Under that setting the functions here take forms made of indexing and matrix products;
otherwise, and that is faster, they are PyTorch's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F


@contextmanager
def deterministic_algorithms(asked: bool) -> Iterator[None]:
    """When asked to, let only repeatable algorithms run; what was set before is set again afterwards.

    cuBLAS reads its setting when CUDA starts: the block must be entered before the first use of the GPU.
    """
    if not asked:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.deterministic = True
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.deterministic = before[1]


def reflection_pad(image: Tensor, border: int) -> Tensor:
    """image (B, C, H, W) with `border` mirrored pixels on every side, (B, C, H + 2 border, W + 2 border)."""
    if not torch.are_deterministic_algorithms_enabled():
        return F.pad(image, (border,) * 4, mode="reflect")
    rows, columns = (_mirrored(side, border, image.device) for side in image.shape[-2:])
    return image[..., rows, :][..., columns]


def resize_bilinear(image: Tensor, size: tuple[int, int]) -> Tensor:
    """image (B, C, H, W) resized to (height, width), bilinear with antialiasing."""
    if not torch.are_deterministic_algorithms_enabled():
        return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
    rows, columns = (_weights(old, new, image) for old, new in zip(image.shape[-2:], size, strict=True))
    return rows @ image @ columns.T


def _mirrored(side: int, border: int, device: torch.device) -> Tensor:
    places = torch.arange(-border, side + border, device=device).abs()
    return torch.where(places < side, places, 2 * (side - 1) - places)


def _weights(old: int, new: int, like: Tensor) -> Tensor:
    """(new, old): what each new pixel takes of each old one; resizing is linear, and one side after the other."""
    identity = torch.eye(old, dtype=like.dtype, device=like.device)[None, None]
    return F.interpolate(identity, (new, old), mode="bilinear", align_corners=False, antialias=True)[0, 0]
