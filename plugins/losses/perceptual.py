"""Perceptual loss: pictures compared by what a pretrained network sees in them (Johnson et al., ECCV 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from sketchkit.declared import Side
from sketchkit.errors import ConfigError
from sketchkit.pretrained.feature_network import PRETRAINED, FeatureNetwork
from sketchkit.registry import LOSSES

from .options import DISTANCES, REDUCTIONS, choose


@LOSSES.register_module()
class PerceptualLoss(nn.Module):
    """The distance of the activations of fake and target, added up over some layers.

    The default is SketchyGAN's: Inception-v4 at 299 pixels. Auto-Painter's is network='vgg16', layers=('relu2_2',),
    distance='l2', resize=None.

    Args:
        network, layers, weights, resize: see `sketchkit.pretrained.feature_network.FeatureNetwork`.
        normalize: bring pictures to the mean and deviation that the network was trained with. False: it is fed values
            in [0, 1] as they are, as SketchyGAN's released code feeds Inception-v4.
        distance: 'l1' (absolute differences) or 'l2' (squared ones).
        layer_weights: one factor a layer; None is 1 for all.
        reduction: 'mean' over all numbers of a layer and the batch, or 'sum'.

    Raises:
        ConfigError: an option that is not a choice, or an unknown network or layer.
        WeightsError: the weights cannot be had, or do not fit.
    """

    def __init__(
        self,
        network: str = "inception_v4",
        layers: Sequence[str | int] = ("conv2d_2a", "mixed_4a", "mixed_5b"),
        distance: str = "l1",
        weights: str | Path | None = PRETRAINED,
        resize: Side | None = 299,
        normalize: bool = True,
        layer_weights: Sequence[float] | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        choose("reduction", reduction, REDUCTIONS)
        self.distance, self.reduction = choose("distance", distance, DISTANCES), reduction
        self.layer_weights = tuple(layer_weights or [1.0] * len(layers))
        if len(self.layer_weights) != len(layers):
            raise ConfigError(f"{len(self.layer_weights)} layer_weights for {len(layers)} layers: give one for each")
        self.normalize = normalize
        self.features = FeatureNetwork(network, layers, weights, normalize, resize)

    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        """fake and target (B, 1 or 3, H, W) in [-1, 1]; a scalar with a gradient to fake."""
        with torch.no_grad():
            goals = self._seen(target)
        pairs = zip(self.layer_weights, self._seen(fake), goals, strict=True)
        terms = [weight * self.distance(seen, goal, reduction=self.reduction) for weight, seen, goal in pairs]
        return torch.stack(terms).sum()

    def _seen(self, image: Tensor) -> list[Tensor]:
        return self.features(image if self.normalize else (image + 1) / 2)
