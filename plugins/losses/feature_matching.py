"""Feature matching: the head sees in the fake what it sees in the true picture (pix2pixHD, Wang et al., CVPR 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES, HeadOutput

from .options import single


@LOSSES.register_module()
class FeatureMatchingLoss(nn.Module):
    """sum over layers of mean |D_l(x) - D_l(G(x))|, D_l a head's features (equation 3), mean over its scales.

    The paper sums over the scales (equation 4). The authors' code takes their mean, which is what its weight of 10 goes
    with, and a factor of 4 / (n_layers + 1), which is 1 for its PatchGANs of three layers and not taken here. The true
    picture's features get no gradient.
    """

    side = "generator"

    def forward(self, fake_output: HeadOutput, real_output: HeadOutput) -> Tensor:
        """What a head says of fake and target; a scalar with a gradient to the fake.

        Raises:
            ConfigError: the head gives no features.
        """
        if not fake_output.features:
            raise ConfigError(
                "FeatureMatchingLoss compares a head's features, and this head gives none: name another as the term's "
                "head, or drop the term"
            )
        pairs = zip(fake_output.features, real_output.features, strict=True)
        distances = [F.l1_loss(single(fake), single(real).detach()) for fake, real in pairs]
        return torch.stack(distances).sum() / len(fake_output.scales)
