"""LPIPS as a loss: the fake is to look like the target to a network, weighed by people (Zhang et al., CVPR 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor, nn

from sketchkit.declared import Choices, Side
from sketchkit.errors import ConfigError
from sketchkit.options import one_of
from sketchkit.pretrained.feature_network import PRETRAINED, FeatureNetwork
from sketchkit.registry import LOSSES

from ..metrics.lpips_extractor import EPSILON, LEAST_SIDE, TRUNKS, read_heads
from .options import single


@LOSSES.register_module()
class LPIPSLoss(nn.Module):
    """sum_l mean_hw sum_c w_lc (f_lc - g_lc)^2, f and g unit vectors of a network's activations (equation 1).

    What the metric `lpips` measures, by the same heads; train with one trunk and measure with another, as a generator
    learns to please the one it is trained with.

    Args:
        net: the trunk: 'vgg', which the authors advise for training, 'alex' or 'squeeze'.
        weights: of the trunk (vgg16, alexnet, squeezenet1_1); see `FeatureNetwork`. The heads are the package's.
        resize: side in pixels of the square that pictures are resized to first; None leaves them.

    Raises:
        ConfigError: there is no such trunk.
        WeightsError: the weights cannot be had, or do not fit.
    """

    def __init__(
        self, net: Annotated[str, Choices(TRUNKS)] = "vgg", weights: str | Path | None = PRETRAINED,
        resize: Side | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        one_of("net", net, TRUNKS)
        self.features = FeatureNetwork(TRUNKS[net].network, TRUNKS[net].layers, weights, resize=resize)
        for number, head in enumerate(read_heads(net)):
            self.register_buffer(f"head_{number}", head, persistent=False)

    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        """fake and target (B, 1 or 3, H, W) in [-1, 1]; a scalar, the mean over the batch, with a gradient to fake.

        Raises:
            ConfigError: pictures are shorter than 32 pixels, at which the network sees nothing.
        """
        side = self.features.resize or min(fake.shape[-2:])
        if side < LEAST_SIDE:
            raise ConfigError(f"LPIPSLoss needs pictures of {LEAST_SIDE} pixels or more and got {side}: set resize=64")
        with torch.no_grad():
            goals = [_unit(maps) for maps in self.features(target)]
        layers = zip(self.features(fake), goals, strict=True)
        terms = [(_unit(maps) - goal).square() * head
                 for (maps, goal), head in zip(layers, self.buffers(recurse=False), strict=True)]  # fmt: skip
        return torch.stack([term.sum(1).mean() for term in terms]).sum()


def _unit(maps: Tensor) -> Tensor:
    # vector_norm has gradient 0 at 0, where a square root has NaN.
    maps = single(maps)
    return maps / (torch.linalg.vector_norm(maps, dim=1, keepdim=True) + EPSILON)
