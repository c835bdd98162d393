"""What augmentations share that change colors: which pictures have any, and a hint's, which are times its alpha."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

COLORED = (1, 3)  # channels of grey and RGB pictures


def colored(pictures: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose channels are grey or RGB, but for the hint: of others, such as ab of Lab, no colors are known."""
    return {name: one for name, one in pictures.items() if name != "hint" and one.shape[1] in COLORED}


def with_colors(hint: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """A hint (B, 4, H, W) of the same alpha whose colors c are now matrix (B, 3, 3) c + shift (B, 3)."""
    colors, alpha = hint[:, :3], hint[:, 3:]
    turned = torch.einsum("bij,bjhw->bihw", matrix.to(hint.dtype), colors)
    return torch.cat([turned + shift.to(hint.dtype)[..., None, None] * alpha, alpha], 1)
