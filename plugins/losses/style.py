"""Style transfer: content by activations, style by their statistics (Gatys et al., CVPR 2016, eqs. 1, 3-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES

from .options import choose

Layer = str | int
Features = Mapping[Layer, Tensor]


def _relative(seen: Tensor, goal: Tensor) -> Tensor:
    return F.mse_loss(seen, goal, reduction="sum") / goal.square().sum().clamp_min(torch.finfo(goal.dtype).tiny)


DIFFERENCES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": lambda seen, goal: F.mse_loss(seen, goal, reduction="sum"),
    "mean": F.mse_loss,
    "relative": _relative,
}


def gram(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, C): products of the channels' maps, summed over places and divided by C * H * W."""
    maps = features.flatten(2)
    return maps @ maps.transpose(1, 2) / maps[0].numel()


def covariance(features: Tensor) -> Tensor:
    """The Gram matrix of the maps with their means taken off: (B, C, H, W) -> (B, C, C)."""
    return gram(features - features.mean((2, 3), keepdim=True))


STATISTICS: Mapping[str, Callable[[Tensor], Tensor]] = {"gram": gram, "covariance": covariance}


class FeatureComparison(nn.Module):
    """sum over layers of w_l * d(seen, goal), d the sum of squared differences.

    reduction 'mean' divides d by its count of numbers. 'relative' divides it by the sum of the goal's squares: 1 is
    what seeing nothing costs, in any layer of any network, so that weights carry over from one network to another.
    """

    def __init__(self, layers: Layer | Sequence[Layer], layer_weights: Sequence[float] | None, reduction: str) -> None:
        super().__init__()
        self.layers: tuple[Layer, ...] = (layers,) if isinstance(layers, str | int) else tuple(layers)
        self.layer_weights = tuple(layer_weights or [1.0] * len(self.layers))
        if not self.layers or len(self.layer_weights) != len(self.layers):
            count = len(self.layers)
            raise ConfigError(f"{len(self.layer_weights)} layer_weights for {count} layers: give one for each")
        self.difference = choose("reduction", reduction, DIFFERENCES)

    def compare(self, seen: Iterable[Tensor], goals: Iterable[Tensor]) -> Tensor:
        """The weighted sum over layers, a scalar; both in the order of `layers`."""
        pairs = zip(self.layer_weights, seen, goals, strict=True)
        return torch.stack([weight * self.difference(one, goal) for weight, one, goal in pairs]).sum()


@LOSSES.register_module()
class ContentLoss(FeatureComparison):
    """How far the picture's activations are from those of the content picture.

    Args:
        layers: names or indices, as `sketchkit.pretrained.feature_network.FeatureNetwork` has them.
        layer_weights: one factor a layer; None is 1 for all.
        reduction: 'sum' of the squared differences, 'mean', or 'relative' to the content's own squares.

    Raises:
        ConfigError: an option that is not a choice, or weights that do not match the layers.
    """

    def __init__(
        self,
        layers: Layer | Sequence[Layer] = (3,),
        layer_weights: Sequence[float] | None = None,
        reduction: str = "sum",
    ) -> None:
        super().__init__(layers, layer_weights, reduction)

    def forward(self, fake_features: Features, source_features: Features) -> Tensor:
        """Both layer -> (1, C, h, w); a scalar."""
        return self.compare((fake_features[n] for n in self.layers), (source_features[n] for n in self.layers))


@LOSSES.register_module()
class StyleLoss(FeatureComparison):
    """How far the statistics of the picture's activations are from those of the style pictures.

    Several styles are mixed in the goal: the mean of their statistics, by their weights.

    Args:
        layers, layer_weights, reduction: see `ContentLoss`; the defaults fit SqueezeNet 1.1.
        statistic: 'gram', or 'covariance' (means removed: leaves overall brightness and colour to the content).

    Raises:
        ConfigError: an option that is not a choice, or weights that do not match the layers.
    """

    def __init__(
        self,
        layers: Layer | Sequence[Layer] = (1, 4, 6, 7),
        layer_weights: Sequence[float] | None = (20000.0, 500.0, 12.0, 1.0),
        statistic: str = "gram",
        reduction: str = "sum",
    ) -> None:
        super().__init__(layers, layer_weights, reduction)
        self.statistic = choose("statistic", statistic, STATISTICS)
        self._styles: object = None
        self._goals: list[Tensor] = []

    def forward(self, fake_features: Features, style_features: Iterable[tuple[float, Features]]) -> Tensor:
        """fake_features: layer -> (1, C, h, w); style_features: (weight, the same) of each style; a scalar."""
        # Looking at the styles runs the network: once for each set of styles, not once an iteration.
        if self._styles is not style_features:
            self._styles, self._goals = style_features, self._mix(style_features)
        return self.compare((self.statistic(fake_features[layer]) for layer in self.layers), self._goals)

    def _mix(self, style_features: Iterable[tuple[float, Features]]) -> list[Tensor]:
        total, goals = 0.0, [torch.zeros(())] * len(self.layers)
        for weight, features in style_features:
            seen = [self.statistic(features[layer]) for layer in self.layers]
            goals = [goal.to(one.device) + weight * one for goal, one in zip(goals, seen, strict=True)]
            total += weight
        return [goal / total for goal in goals]
