"""Distances between pictures, pixel by pixel (Isola et al., CVPR 2017, eq. 3; Zhu et al., ICCV 2017, eq. 2)."""

from __future__ import annotations

from torch import Tensor, nn

from sketchkit.registry import LOSSES

from .options import DISTANCES, REDUCTIONS, choose


class PixelDistance(nn.Module):
    """|a - b| ('l1') or (a - b)^2 ('l2'), averaged over all numbers of the batch, or summed.

    A sum grows with batch and picture: weight w of the sum equals weight w * B * C * H * W of the mean.

    Raises:
        ConfigError: an option that is not a choice.
    """

    def __init__(self, distance: str = "l1", reduction: str = "mean") -> None:
        super().__init__()
        choose("reduction", reduction, REDUCTIONS)
        self.distance, self.reduction = choose("distance", distance, DISTANCES), reduction

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance of a and b (B, C, H, W), a scalar."""
        return self.distance(a, b, reduction=self.reduction)


@LOSSES.register_module()
class PixelLoss(PixelDistance):
    """The distance of the generator's picture from the true one."""

    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        """fake and target (B, C, H, W); a scalar."""
        return self.between(fake, target)


@LOSSES.register_module()
class CycleConsistencyLoss(PixelDistance):
    """The distance of the source from itself, translated there and back."""

    def forward(self, rec: Tensor, source: Tensor) -> Tensor:
        """rec and source (B, C, H, W); a scalar."""
        return self.between(rec, source)


@LOSSES.register_module()
class IdentityLoss(PixelDistance):
    """The distance of the target from what the generator makes of it, which should be the same."""

    def forward(self, identity: Tensor, target: Tensor) -> Tensor:
        """identity and target (B, C, H, W); a scalar."""
        return self.between(identity, target)
