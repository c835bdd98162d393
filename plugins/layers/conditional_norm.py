"""Batch norm that is conditioned on the class (Dumoulin et al. 2017; de Vries et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .condition import Conditioned


class ConditionalBatchNorm2d(Conditioned):
    """Batch norm whose scale and shift are looked up by class: y = gamma[label] * norm(x) + beta[label].

    The statistics are shared by all classes and, in eval, are the running ones: a sample never depends on its batch.
    gamma ~ N(1, 0.02), beta = 0 at the start.
    """

    looks_at = "label"

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gamma = nn.Embedding(num_classes, channels)
        self.beta = nn.Embedding(num_classes, channels)
        nn.init.normal_(self.gamma.weight, 1.0, 0.02)
        nn.init.zeros_(self.beta.weight)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Normalise x (B, C, H, W) with the affine pair of each sample's label (B,)."""
        gamma, beta = (table(label)[:, :, None, None].to(x.dtype) for table in (self.gamma, self.beta))
        return torch.addcmul(beta, self.norm(x), gamma)


def normalize(norm: nn.Module, x: Tensor, label: Tensor | None) -> Tensor:
    """Apply a norm of `make_norm`, handing the label to the one that takes it."""
    return norm(x, label) if isinstance(norm, ConditionalBatchNorm2d) else norm(x)
