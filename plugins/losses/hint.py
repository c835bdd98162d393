"""The pixels under a colour hint, however few (for Auto-Painter, Liu et al. 2017, which has the pixel loss alone)."""

from __future__ import annotations

from torch import Tensor, nn

from sketchkit.registry import LOSSES


@LOSSES.register_module()
class HintLoss(nn.Module):
    """How far the generator's picture is from the true one where the hint speaks.

    With a the hint's alpha and d the mean of |fake - target| over the channels: sum(a d) / max(sum(a), 1) over each
    picture, then the mean over the batch. So a dot of a few pixels weighs as much as a broad stroke, which it does not
    in a mean over the whole picture. The truth, and not the hint, says what is right: there are lines under a stroke.
    """

    def forward(self, fake: Tensor, target: Tensor, hint: Tensor) -> Tensor:
        """fake and target (B, C, H, W), hint (B, 4, H, W) with alpha in [0, 1] last; a scalar."""
        alpha = hint[:, 3]
        off = (fake - target).abs().mean(1)
        return ((alpha * off).sum((1, 2)) / alpha.sum((1, 2)).clamp(min=1)).mean()
