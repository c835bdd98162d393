"""Halving without aliasing: a blur before pixels are left out (Zhang, "Making convolutional networks shift-invariant
again", ICML 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.deterministic import reflection_pad

from .receptive import ReceptiveField, field_after


class BlurDownsampling(nn.Module):
    """Every second pixel of the picture blurred by [1, 2, 1] both ways, mirrored at its borders; no weights."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", torch.outer(row, row)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W), H and W at least 2, to (B, C, ceil(H / 2), ceil(W / 2))."""
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, 3, 3)
        return F.conv2d(reflection_pad(x, 1), kernel, stride=2, groups=channels)


@field_after.register
def _(_: BlurDownsampling, field: ReceptiveField) -> ReceptiveField:
    return field.window(3, stride=2, padding=1)
