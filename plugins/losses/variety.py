"""The variety loss: of several pictures of a source, only the one that is closest to the truth has to come closer.

Minimum over k of the distance: Social GAN's variety loss (Gupta et al., CVPR 2018); conditional IMLE (Li et al., IJCV
2020) is its form for pictures.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.declared import Side
from sketchkit.options import whole_number
from sketchkit.registry import LOSSES

from .options import DISTANCES, choose, single


@LOSSES.register_module()
class VarietyLoss(nn.Module):
    """mean over the batch of min(d(G(x, z1), y), d(G(x, z2), y)): k = 2, the noises that a step has at hand.

    A pixel term draws every noise's picture to the mean of all truths; this one leaves the other picture free, and so
    lets noise decide what the source does not say.

    Args:
        distance: of a picture, 'l1' (mean of absolute differences) or 'l2' (of squares).
        pool: squares of so many pixels are averaged first, so that colours of regions decide and pay, not details: add
            a pixel term of small weight for these. 1 compares pixels.

    Raises:
        ConfigError: an option that is not a choice.
    """

    side = "generator"

    def __init__(self, distance: Literal["l1", "l2"] = "l1", pool: Side = 1) -> None:
        super().__init__()
        whole_number("pool", pool, 1)
        self.distance, self.pool = choose("distance", distance, {name: DISTANCES[name] for name in ("l1", "l2")}), pool

    def forward(self, fake: Tensor, fake_alt: Tensor, target: Tensor) -> Tensor:
        """fake, fake_alt and target (B, C, H, W); a scalar, with a gradient to the closer picture of each pair."""
        goal = self._coarse(target)
        each = [self.distance(self._coarse(one), goal, reduction="none").flatten(1).mean(1) for one in (fake, fake_alt)]
        return torch.minimum(*each).mean()

    def _coarse(self, image: Tensor) -> Tensor:
        """Squares that stick out over the border are averages of what there is of them."""
        side = min(self.pool, *image.shape[-2:])
        return single(image) if side == 1 else F.avg_pool2d(single(image), side, ceil_mode=True)
