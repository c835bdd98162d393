"""LeCam regularization of a discriminator for few data (Tseng et al., CVPR 2021, arXiv 2104.03310)."""

from __future__ import annotations

from typing import Annotated

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from sketchkit.declared import Count, Range
from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES, HeadOutput

from .options import mean


@LOSSES.register_module()
class LeCamLoss(nn.Module):
    """mean (D(x) - a_F)^2 + mean (D(G(z)) - a_R)^2, a_R and a_F averages of the logits of true and fake pictures.

    So the paper's R_LC, with moving averages. The authors' code, the default here, charges only logits beyond the other
    side's average: max(0, D(x) - a_F)^2 and max(0, a_R - D(G(z)))^2. Its weights: 0.3 beside the hinge loss (BigGAN,
    where it begins after 1,000 iterations, with decay=0.9), 3e-7 to 1e-6 beside StyleGAN2's, with decay=0.99.

    The averages take in the logits at hand before these are compared with them, and begin at those of the first look
    without a trace of 0, as TensorFlow's of StyleGAN2's term do. They are those of all processes, and checkpoints keep
    them. Each part of an accumulated batch counts as a look of its own, as in the authors' code.

    Args:
        decay: share of an average that a look leaves.
        one_sided: as the code; False is the equation.
        num_scales: scales of logits that the head gives, each of which has its averages.

    Raises:
        ConfigError: a decay outside [0, 1).
    """

    side = "discriminator"
    is_won_at_zero = False

    averages: Tensor
    looks: Tensor

    def __init__(
        self, decay: Annotated[float, Range(0, below=1)] = 0.99, one_sided: bool = True, num_scales: Count = 1
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ConfigError(f"decay={decay}: give a share from 0 to below 1, such as 0.99")
        self.decay, self.one_sided = decay, one_sided
        # (scales, 2): of true pictures, and of fakes.
        self.register_buffer("averages", torch.zeros(num_scales, 2))
        self.register_buffer("looks", torch.zeros(()))

    def forward(self, fake_output: HeadOutput, real_output: HeadOutput) -> Tensor:
        """What a head says of fakes and true pictures; a scalar, the mean over scales.

        Raises:
            ConfigError: the head judges at another number of scales.
        """
        pairs = list(zip(real_output.scales, fake_output.scales, strict=True))
        if len(pairs) != len(self.averages):
            raise ConfigError(
                f"LeCamLoss has averages for num_scales={len(self.averages)}, and the head judges at {len(pairs)}: set "
                f"num_scales={len(pairs)}"
            )
        self._take_in(torch.stack([torch.stack([logits.detach().mean() for logits in pair]) for pair in pairs]))
        return mean([self._of_scale(*pair, *own) for pair, own in zip(pairs, self.averages, strict=True)])

    @torch.no_grad()
    def _take_in(self, means: Tensor) -> None:
        means = means.to(self.averages.dtype)
        all_reduce(means, op="mean")
        self.looks += 1
        # The first look is all there is, and each later one counts less, until the share is 1 - decay.
        self.averages += (means - self.averages) * (1 - self.decay) / (1 - self.decay**self.looks)

    def _of_scale(self, real: Tensor, fake: Tensor, real_average: Tensor, fake_average: Tensor) -> Tensor:
        excess = real - fake_average, real_average - fake
        return torch.stack([(one.relu() if self.one_sided else one).square().mean() for one in excess]).sum()
