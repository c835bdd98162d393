"""The relativistic pairing GAN (R3GAN: Huang et al., "The GAN is dead; long live the GAN!", NeurIPS 2024).

What counts is how much more real a true picture looks than a fake one. Both players have a loss of their own, as both
look at both pictures. The authors add R1 and R2, each with weight gamma: see `R1Penalty` and `R2Penalty`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES, HeadOutput

from .options import mean


def logits_ahead(ahead: HeadOutput, behind: HeadOutput) -> Tensor:
    """mean of f(D(ahead) - D(behind)), f(t) = log(1 + exp(-t)), over batch and patches; then over the scales.

    Pictures of the same place in the batch make a pair: a source's true picture and its fake.

    Raises:
        ConfigError: there are other numbers of logits on one side than on the other.
    """
    pairs = list(zip(ahead.scales, behind.scales, strict=True))
    for one, other in pairs:
        if one.shape != other.shape:
            raise ConfigError(
                f"a relativistic loss pairs true and fake pictures, and a head gives logits {tuple(one.shape)} of the "
                f"ones and {tuple(other.shape)} of the others: use AdversarialLoss, or as many of both, of one size"
            )
    return mean([F.softplus(other - one).mean() for one, other in pairs])


@LOSSES.register_module()
class RelativisticDiscriminatorLoss(nn.Module):
    """f(D(x) - D(G(z))), f(t) = log(1 + exp(-t)): each true picture is to look more real than its fake (equation 2)."""

    side = "discriminator"
    is_won_at_zero = True

    def forward(self, fake_output: HeadOutput, real_output: HeadOutput) -> Tensor:
        """What a head says of the fakes and of the true pictures, as many of both; a scalar, the mean over scales."""
        return logits_ahead(real_output, fake_output)


@LOSSES.register_module()
class RelativisticGeneratorLoss(nn.Module):
    """f(D(G(z)) - D(x)): each fake is to look more real than its true picture (equation 2, of the other player)."""

    side = "generator"

    def forward(self, fake_output: HeadOutput, real_output: HeadOutput) -> Tensor:
        """What a head says of the fakes and of the true pictures, as many of both; a scalar, the mean over scales."""
        return logits_ahead(fake_output, real_output)
