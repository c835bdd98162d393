"""Diversity: pictures from different noise should differ (Chen & Hays, CVPR 2018, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sketchkit.registry import LOSSES

from .options import REDUCTIONS, choose


@LOSSES.register_module()
class DiversityLoss(nn.Module):
    """-mean over the batch of |G(x, z1) - G(x, z2)|_1 / ||z1 - z2||_2: the generator's slope in its noise, negated.

    reduction 'sum' takes the norms as written, so that the value grows with the picture and shrinks with the noise
    (-14 at 64 x 64 where pixels differ by 0.3 and the noise has 32,768 numbers). 'mean' divides both by their size,
    mean |.| over root mean square, which is -0.2 there for any size, and fits weight 1.

    Raises:
        ConfigError: an option that is not a choice.
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        choose("reduction", reduction, REDUCTIONS)
        self.per_number = reduction == "mean"

    def forward(self, fake: Tensor, fake_alt: Tensor, noise: Tensor, noise_alt: Tensor) -> Tensor:
        """fake and fake_alt (B, C, H, W) from noise and noise_alt (B, ...); a scalar, never positive."""
        change = (fake - fake_alt).flatten(1)
        move = (noise - noise_alt).flatten(1)
        distance = torch.linalg.vector_norm(move, dim=1).clamp_min(1e-8)
        if self.per_number:
            return -(change.abs().mean(1) / (distance / move.shape[1] ** 0.5)).mean()
        return -(change.abs().sum(1) / distance).mean()
