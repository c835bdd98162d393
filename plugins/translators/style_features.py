"""What a feature network sees in a picture of any size: whole, or tile by tile in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.pooling import _MaxPoolNd
from torch.utils.checkpoint import checkpoint

from sketchkit.errors import ConfigError, DataError
from sketchkit.options import one_of
from sketchkit.pretrained.feature_network import FeatureNetwork

Layer = str | int


class Reach(NamedTuple):
    """How a cut network looks at its picture, in pixels.

    strides: of each tap; stride: of the whole; halo: how far from a place whatever reaches it may lie, rounded up to
    whole strides; smallest: the side of the smallest picture that leaves one place at the end.
    """

    strides: tuple[int, ...]
    stride: int
    halo: int
    smallest: int


class PictureFeatures(nn.Module):
    """`FeatureNetwork` by layer name, with the padding and pooling that style transfer likes, and tiles.

    Args:
        network, weights, normalize: see `sketchkit.pretrained.feature_network.FeatureNetwork`.
        layers: what the losses ask for; repeated ones are computed once.
        padding: 'zeros' as trained, or 'replicate', which leaves no seam along the picture's edges.
        pooling: 'max' as trained, or 'average', whose gradient reaches every pixel (Gatys et al., section 2).
        tile: side in pixels of the tiles that the features are computed in, rounded up to whole strides; 0: in one.
            Each tile sees a halo around it, so that its features are the whole picture's, and is computed again in the
            backward pass: what is kept is the picture, the features asked for, and one tile's activations.

    Raises:
        ConfigError: an unknown network, layer or choice, or a network of timm's with tiles.
        WeightsError: the weights cannot be had, or do not fit.
    """

    def __init__(
        self,
        network: str,
        layers: Sequence[Layer],
        weights: str | Path | None,
        normalize: bool,
        padding: str = "zeros",
        pooling: str = "max",
        tile: int = 0,
    ) -> None:
        super().__init__()
        one_of("padding", padding, ("zeros", "replicate"))
        one_of("pooling", pooling, ("max", "average"))
        self.layers = tuple(dict.fromkeys(layers))
        self.network = FeatureNetwork(network, self.layers, weights, normalize)
        self.reach = _reach(self.network.network)
        if tile < 0 or (tile and self.reach is None):
            raise ConfigError(
                f"tile={tile} with {network}: tiles have a side of 1 or more, and need a vgg or squeezenet"
            )
        self.tile = -(-tile // self.reach.stride) * self.reach.stride if self.reach else 0
        for module in self.network.network.modules():
            if isinstance(module, nn.Conv2d):
                module.padding_mode = padding  # type: ignore[assignment]
        if pooling == "average":
            _average(self.network.network)

    @property
    def smallest(self) -> int:
        """The side of the smallest picture that the network can look at."""
        return self.reach.smallest if self.reach else 1

    def forward(self, picture: Tensor) -> dict[Layer, Tensor]:
        """layer -> (B, C, h, w) of picture (B, 3, H, W), in [-1, 1] or in the network's own range; see `normalize`.

        Raises:
            DataError: the picture is too small for the network.
        """
        height, width = picture.shape[-2:]
        if min(height, width) < self.smallest:
            raise DataError(
                f"a picture of {width} x {height} pixels is too small for this network, which needs {self.smallest}: "
                "use a larger picture, a larger --size, or earlier layers"
            )
        whole = not self.tile or self.tile >= max(height, width)
        maps = self.network(picture) if whole else self._in_tiles(picture)
        return dict(zip(self.layers, maps, strict=True))

    def _in_tiles(self, picture: Tensor) -> list[Tensor]:
        height, width = picture.shape[-2:]
        rows = []
        for down in self._spans(height):
            tiles = [self._in_tile(picture, down, across) for across in self._spans(width)]
            rows.append([torch.cat(parts, dim=-1) for parts in zip(*tiles, strict=True)])
        return [torch.cat(parts, dim=-2) for parts in zip(*rows, strict=True)]

    def _in_tile(self, picture: Tensor, down: Span, across: Span) -> list[Tensor]:
        patch = picture[..., down.start : down.stop, across.start : across.stop]
        look = partial(checkpoint, self.network, use_reentrant=False) if torch.is_grad_enabled() else self.network
        assert self.reach is not None
        pairs = zip(look(patch), self.reach.strides, strict=True)
        return [seen[..., down.own(stride), across.own(stride)] for seen, stride in pairs]

    def _spans(self, size: int) -> Iterator[Span]:
        assert self.reach is not None
        for first in range(0, size, self.tile):
            last = first + self.tile
            start, stop = max(0, first - self.reach.halo), min(size, last + self.reach.halo)
            yield Span(start, stop, first - start, None if last >= size else last - start)


class Span(NamedTuple):
    """One side of a tile with its halo: pixels start..stop of the picture, of which first..last are its own."""

    start: int
    stop: int
    first: int
    last: int | None

    def own(self, stride: int) -> slice:
        """Its own places in a map of that stride; the picture's last tile has all that is left."""
        return slice(self.first // stride, None if self.last is None else self.last // stride)


def _reach(network: nn.Module) -> Reach | None:
    """None for a network that is not a sequence of stages."""
    if not hasattr(network, "stages"):
        return None
    jump, halo, strides, shapes = 1, 0, {}, []
    for index, stage in enumerate(network.stages):  # type: ignore[arg-type]
        windows = [_window(m) for m in stage.modules() if isinstance(m, nn.Conv2d | _MaxPoolNd | nn.AvgPool2d)]
        stride = max((stride for _, stride, _ in windows), default=1)
        # Within a stage of several windows the later ones may look at what a stride has thinned.
        scale = jump * (stride if len(windows) > 1 else 1)
        halo += scale * sum(max(padding, extent - padding) for extent, _, padding in windows)
        shapes.append((stride, sum(extent - 2 * padding for extent, _, padding in windows)))
        jump *= stride
        strides[index] = jump
    smallest = 1
    for stride, lost in reversed(shapes):
        smallest = max(1, (smallest - 1) * stride + 1 + lost)
    taps = network.taps
    return Reach(tuple(strides[tap] for tap in taps), jump, -(-halo // jump) * jump, smallest)  # type: ignore[union-attr]


def _window(module: nn.Module) -> tuple[int, int, int]:
    """How far it reaches (kernel - 1), its stride and its padding: the larger of both sides."""
    kernel, stride, padding, dilation = (
        max(value) if isinstance(value, tuple) else value
        for value in (module.kernel_size, module.stride, module.padding, getattr(module, "dilation", 1))
    )
    return (kernel - 1) * dilation, stride, padding  # type: ignore[operator, return-value]


def _average(network: nn.Module) -> None:
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.MaxPool2d):
                average = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(parent, name, average)
