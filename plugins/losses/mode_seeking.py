"""Mode seeking: pictures from different noise should differ, and not a little (MSGAN, Mao et al., CVPR 2019)."""

from __future__ import annotations

from torch import Tensor, nn

from sketchkit.registry import LOSSES

from .options import single

EPSILON = 1e-5  # the authors'


@LOSSES.register_module()
class ModeSeekingLoss(nn.Module):
    """1 / (d_I / d_z + 1e-5), d_I = mean |G(x, z1) - G(x, z2)|, d_z = mean |z1 - z2|, both over the whole batch.

    The paper's objective is to make d_I / d_z large (equation 3); its reciprocal, with weight 1, is the authors' code.
    It grows without bound as pictures become alike, up to 1e5 where they are equal, and falls ever more slowly as they
    part: unlike `DiversityLoss`, which pays for every difference alike.
    """

    side = "generator"

    def forward(self, fake: Tensor, fake_alt: Tensor, noise: Tensor, noise_alt: Tensor) -> Tensor:
        """fake and fake_alt (B, C, H, W) from noise and noise_alt (B, ...); a positive scalar."""
        change = (single(fake) - single(fake_alt)).abs().mean()
        distance = (single(noise) - single(noise_alt)).abs().mean().clamp_min(1e-8)
        return (change / distance + EPSILON).reciprocal()
