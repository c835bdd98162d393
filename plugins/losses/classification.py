"""The auxiliary classifier's loss (Odena et al., ICML 2017), with the focal form of Chen & Hays."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.declared import NotNegative
from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES, HeadOutput


@LOSSES.register_module()
class AuxiliaryClassificationLoss(nn.Module):
    """Cross-entropy of the head's class logits: both players want the class recognised.

    The generator pays for its own pictures; the discriminator for real ones, and with `on_fake` for fake ones too.
    `focal_gamma`: weigh each picture by (1 - p)^gamma, p the probability of its class (Lin et al., ICCV 2017, eq. 4).

    Raises:
        ConfigError: a negative gamma.
    """

    def __init__(self, focal_gamma: NotNegative = 0.0, on_fake: bool = False) -> None:
        super().__init__()
        if focal_gamma < 0:
            raise ConfigError(f"focal_gamma={focal_gamma} must not be negative: 0 is plain cross-entropy")
        self.focal_gamma, self.on_fake = focal_gamma, on_fake

    def forward(
        self,
        label: Tensor,
        fake_output: HeadOutput,
        real_output: HeadOutput | None = None,
        real_label: Tensor | None = None,
    ) -> Tensor:
        """The discriminator's loss, or without `real_output` the generator's; a scalar.

        label, real_label (B,): class indices of the fake pictures, and of the real ones where these are others.

        Raises:
            ConfigError: the head gives no class logits.
        """
        if real_output is None:
            return self._loss(fake_output, label)
        real = self._loss(real_output, label if real_label is None else real_label)
        return real + self._loss(fake_output, label) if self.on_fake else real

    def _loss(self, output: HeadOutput, label: Tensor) -> Tensor:
        if output.class_logits is None:
            raise ConfigError(
                "AuxiliaryClassificationLoss needs class logits and this head gives none: "
                "use a head with classes, or drop the term"
            )
        entropy = F.cross_entropy(output.class_logits, label, reduction="none")
        if self.focal_gamma == 0:
            return entropy.mean()
        # 1 - p without cancellation; the floor keeps the slope of a fractional power finite at p = 1.
        doubt = -torch.expm1(-entropy)
        return (doubt.clamp_min(torch.finfo(doubt.dtype).eps) ** self.focal_gamma * entropy).mean()
