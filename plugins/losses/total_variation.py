"""Total variation: how much neighbouring pixels differ, in the three definitions that the field uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from sketchkit.registry import LOSSES

from .options import REDUCTIONS, choose


def _sqrt(down: Tensor, right: Tensor) -> list[Tensor]:
    # vector_norm has gradient 0 where both differences are 0; the square root of a sum of squares would have NaN.
    return [torch.linalg.vector_norm(torch.stack([down[..., :-1], right[..., :-1, :]]), dim=0)]


FORMS: Mapping[str, Callable[[Tensor, Tensor], list[Tensor]]] = {
    "sqrt": _sqrt,
    "squared": lambda down, right: [down**2, right**2],
    "absolute": lambda down, right: [down.abs(), right.abs()],
}


@LOSSES.register_module()
class TotalVariationLoss(nn.Module):
    """How much neighbouring pixels of the output differ.

    With d = x[i+1,j] - x[i,j] and r = x[i,j+1] - x[i,j], in each channel:

    - 'sqrt': sqrt(d^2 + r^2) where both exist (Liu et al., arXiv 1705.01908; isotropic);
    - 'squared': d^2 and r^2 (Gatys-style transfer);
    - 'absolute': |d| and |r| (anisotropic, as kornia and torchmetrics have it).

    reduction 'sum' adds everything up over the batch; 'mean' averages each kind over its own count and adds these.

    Raises:
        ConfigError: an option that is not a choice.
    """

    def __init__(self, penalty: str = "sqrt", reduction: str = "mean") -> None:
        super().__init__()
        self.penalty = choose("penalty", penalty, FORMS)
        self.reduce = choose("reduction", reduction, REDUCTIONS)

    def forward(self, fake: Tensor) -> Tensor:
        """fake (B, C, H, W), at least 2 x 2 pixels; a scalar."""
        differences = self.penalty(fake.diff(dim=-2), fake.diff(dim=-1))
        return torch.stack([self.reduce(difference) for difference in differences]).sum()
