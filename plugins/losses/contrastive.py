"""The patchwise contrastive loss of CUT (Park et al., ECCV 2020, section 3, equations 2 to 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.declared import Positive
from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES


@LOSSES.register_module()
class PatchNCELoss(nn.Module):
    """Each patch of the fake is to be told, among all patches of its source, as that of its own place.

    The cross entropy of the similarities over a temperature, the mean of all places and layers. The source's patches
    get no gradient.

    Args:
        temperature: of the softmax.

    Raises:
        ConfigError: a temperature that is not positive.
    """

    def __init__(self, temperature: Positive = 0.07) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigError(f"temperature={temperature} must be positive: 0.07 is the paper's")
        self.temperature = temperature

    def forward(self, fake_patches: Sequence[Tensor], source_patches: Sequence[Tensor]) -> Tensor:
        """Both one tensor a layer, (B,N,C), of unit vectors; a scalar."""
        pairs = zip(fake_patches, source_patches, strict=True)
        return torch.stack([self._of_layer(query, key.detach()) for query, key in pairs]).mean()

    def _of_layer(self, query: Tensor, key: Tensor) -> Tensor:
        # Half precision would round similarities that the temperature makes fourteen times larger.
        with torch.autocast(query.device.type, enabled=False):
            logits = query.float() @ key.float().transpose(1, 2) / self.temperature
        places = torch.arange(logits.shape[1], device=logits.device).repeat(len(logits))
        # One row a place: the cross entropy of maps has no repeatable form on a GPU.
        return F.cross_entropy(logits.flatten(0, 1), places)


@LOSSES.register_module()
class IdentityPatchNCELoss(PatchNCELoss):
    """The same of what the generator makes of a target, which is to change nothing (section 3, external identity)."""

    def forward(self, identity_patches: Sequence[Tensor], target_patches: Sequence[Tensor]) -> Tensor:
        """Both one tensor a layer, (B,N,C), of unit vectors; a scalar."""
        return super().forward(identity_patches, target_patches)
