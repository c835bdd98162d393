"""Frozen feature networks: what a pretrained classifier sees in a picture, layer by layer.

For perceptual losses and style transfer. The networks are torchvision's, and timm's; here they are cut after the last
layer in use, fed as they were trained, and kept out of checkpoints.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from sketchkit.deterministic import resize_bilinear
from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean
from sketchkit.pretrained.weights import TIMM, known_file, load_weights

PRETRAINED = "pretrained"
# The end points of the TensorFlow-Slim definition, in the order of timm's `features`.
INCEPTION_V4 = (
    "conv2d_1a", "conv2d_2a", "conv2d_2b", "mixed_3a", "mixed_4a", "mixed_5a", "mixed_5b", "mixed_5c", "mixed_5d",
    "mixed_5e", "mixed_6a", "mixed_6b", "mixed_6c", "mixed_6d", "mixed_6e", "mixed_6f", "mixed_6g", "mixed_6h",
    "mixed_7a", "mixed_7b", "mixed_7c", "mixed_7d",
)  # fmt: skip
KINDS = {nn.Conv2d: "conv", nn.BatchNorm2d: "norm", nn.ReLU: "relu"}


class FeatureNetwork(nn.Module):
    """A pretrained network that answers a picture with the activations of some of its layers.

    It is frozen, always in eval mode, moves with `.to()`, and has no parameters and no state dict of its own, so that
    neither an optimiser nor a checkpoint sees it.

    Args:
        network: 'inception_v4'; a torchvision network with `features` (vgg*, alexnet, squeezenet*, ...); 'timm:NAME'.
        layers: names, or indices into `features`. inception_v4 has Slim's names (conv2d_2a, mixed_5b); sequences of
            convolutions (VGG) have conv3_2, norm3_2, relu3_2, pool3. For 'timm:NAME' its `feature_info` counts.
        weights: 'pretrained', the path of a file, or None for random ones (logged: of use in tests only).
        normalize: bring pictures to the mean and deviation the network was trained with; False passes them as they are.
        resize: side in pixels of the square that pictures are resized to (bilinear, antialiased); None leaves them.

    Raises:
        ConfigError: an unknown network or layer.
        WeightsError: the weights cannot be had, or do not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: str,
        layers: Sequence[str | int],
        weights: str | Path | None = PRETRAINED,
        normalize: bool = True,
        resize: int | None = None,
    ) -> None:
        super().__init__()
        if not layers:
            raise ConfigError(f"{network} is asked for no layer: name at least one")
        if weights is None:
            print_log(f"{network} has random weights: its features mean nothing", "current", logging.WARNING)
        trunk = _timm_trunk(network, layers, weights) if network.startswith(TIMM) else _walk(network, layers, weights)
        # In a tuple, and so not a child: children are saved, trained, optimised and switched to train mode.
        self._frozen = (trunk.eval().requires_grad_(False),)
        self.normalize, self.resize = normalize, resize
        mean, std = _statistics(network)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    @property
    def network(self) -> nn.Module:
        """The network, cut after the last layer in use."""
        return self._frozen[0]

    def forward(self, image: Tensor) -> list[Tensor]:
        """The activations of each layer, in the order asked for, of image (B, 1 or 3, H, W) in [-1, 1].

        Raises:
            ConfigError: the picture has neither one channel nor three.
        """
        if image.shape[1] not in (1, 3):
            raise ConfigError(f"a feature network looks at pictures of 1 or 3 channels and got {image.shape[1]}")
        image = image.to(self.mean.dtype).expand(-1, 3, -1, -1)
        if self.resize is not None:
            image = resize_bilinear(image, (self.resize, self.resize))
        if self.normalize:
            image = ((image + 1) / 2 - self.mean) / self.std
        return self.network(image)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FeatureNetwork:
        self.network._apply(fn, recurse)
        return super()._apply(fn, recurse)


class _Walk(nn.Module):
    """A sequence of stages cut after the last tap."""

    def __init__(self, stages: nn.Sequential, taps: Sequence[int]) -> None:
        super().__init__()
        self.stages, self.taps = stages[: max(taps) + 1], tuple(taps)
        for index, stage in enumerate(self.stages):
            # What a tap keeps must not be overwritten by the stage after it.
            if index - 1 in taps and isinstance(stage, nn.ReLU):
                stage.inplace = False

    def forward(self, image: Tensor) -> list[Tensor]:
        """Each tap's activations."""
        kept = {}
        for index, stage in enumerate(self.stages):
            image = stage(image)
            if index in self.taps:
                kept[index] = image
        return [kept[tap] for tap in self.taps]


class _TimmTrunk(nn.Module):
    """A timm network cut after the last of its feature levels in use."""

    def __init__(self, model: nn.Module, taps: Sequence[int]) -> None:
        super().__init__()
        self.levels = sorted(set(taps))
        self.order = [self.levels.index(tap) for tap in taps]
        model.prune_intermediate_layers(self.levels)  # type: ignore[operator]
        self.model = model

    def forward(self, image: Tensor) -> list[Tensor]:
        """Each level's maps."""
        maps = self.model.forward_intermediates(  # type: ignore[operator]
            image, indices=self.levels, stop_early=True, intermediates_only=True
        )
        return [maps[index] for index in self.order]


def _walk(network: str, layers: Sequence[str | int], weights: str | Path | None) -> _Walk:
    # Built without memory first: filling VGG's classifier with random numbers takes seconds, and it is dropped here.
    with torch.device("meta"):
        stages = _stages(network)
    stages.to_empty(device="cpu")
    if weights is None:
        _randomize(stages)
    else:
        load_weights(stages, network, _path(weights), prefix="features.")
    names = list(INCEPTION_V4) if network == "inception_v4" else _names(stages)
    return _Walk(stages, [_tap(layer, names, network) for layer in layers])


def _stages(network: str) -> nn.Sequential:
    known_file(network)  # refuses names that nobody knows
    if network == "inception_v4":
        import timm

        return timm.create_model(network).features
    from torchvision.models import get_model

    stages = getattr(get_model(network, weights=None), "features", None)
    if not isinstance(stages, nn.Sequential):
        raise ConfigError(f"{network} is no plain sequence of features: use 'timm:{network}', or a vgg")
    return stages


def _timm_trunk(network: str, layers: Sequence[str | int], weights: str | Path | None) -> _TimmTrunk:
    import timm

    known_file(network)
    model = timm.create_model(network.removeprefix(TIMM))
    if not hasattr(model, "forward_intermediates") or not hasattr(model, "prune_intermediate_layers"):
        raise ConfigError(f"{network} does not give its inner features: use another network")
    if weights is not None:
        load_weights(model, network, _path(weights))
    names = [level["module"] for level in model.feature_info]
    return _TimmTrunk(model, [_tap(layer, names, network) for layer in layers])


def _statistics(network: str) -> tuple[Sequence[float], Sequence[float]]:
    """The mean and deviation, of values in [0, 1], that the network was trained with."""
    if network == "inception_v4" or network.startswith(TIMM):
        import timm

        published = timm.get_pretrained_cfg(network.removeprefix(TIMM))
        return published.mean, published.std
    from torchvision.models import get_model_weights

    preset = get_model_weights(network).DEFAULT.transforms()
    return preset.mean, preset.std


def _names(stages: nn.Sequential) -> list[str]:
    """VGG's usual names, relu2_1 being the first of the second block; blocks end with a pooling layer."""
    names, block, unit = [], 1, 0
    for index, stage in enumerate(stages):
        unit += isinstance(stage, nn.Conv2d)
        if isinstance(stage, nn.MaxPool2d):
            names.append(f"pool{block}")
            block, unit = block + 1, 0
        else:
            kind = KINDS.get(type(stage))
            names.append(f"{kind}{block}_{unit}" if kind else str(index))
    return names


def _tap(layer: str | int, names: list[str], network: str) -> int:
    if isinstance(layer, int) and 0 <= layer < len(names):
        return layer
    if layer in names:
        return names.index(str(layer))
    close = did_you_mean(str(layer), names)
    raise ConfigError(f"{network} has no layer {layer!r}: {close} (or an index from 0 to {len(names) - 1})")


def _randomize(stages: nn.Sequential) -> None:
    for module in stages.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()


def _path(weights: str | Path) -> str | Path | None:
    return None if weights == PRETRAINED else weights
