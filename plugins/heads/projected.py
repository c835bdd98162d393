"""A discriminator of what a frozen network sees (Sauer et al., "Projected GANs converge faster", NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.declared import Channels, MoreChannels, Side
from sketchkit.errors import ConfigError
from sketchkit.pretrained.feature_network import PRETRAINED, FeatureNetwork
from sketchkit.registry import HEADS, HeadOutput

from ..layers.activation import Activation
from ..layers.norm import Norm
from .patch import activations, conv_block
from .spectral import add_spectral_norm

PUBLISHED_SIDE = 224
LEAST_HALVED = 7  # what maps of 224 pixels are halved to
LAST_KERNEL = 4


class RandomProjection(nn.Module):
    """A frozen network's maps, mixed by weights that stay as they were drawn (sections 3.2 and 3.3).

    Each map's channels are mixed by a 1 x 1 convolution (CCM), to 1, 2, 4, 8, ... times `width`. Then, from the
    coarsest on, each is enlarged to the size of the next and mixed by another (CSM), which halves the channels for the
    next to be added; the finest is doubled and keeps its own. The weights are drawn as torch draws a convolution's, as
    in the authors' code, and are buffers: checkpoints keep them, and no optimizer sees them.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        wide = [width * 2**level for level in range(len(channels))]
        self.across_channels = nn.ModuleList(nn.Conv2d(*pair, 1) for pair in zip(channels, wide, strict=True))
        self.across_scales = nn.ModuleList(nn.Conv2d(*pair, 1) for pair in zip(wide, [width, *wide[:-1]], strict=True))
        for convolution in [*self.across_channels, *self.across_scales]:
            for name, drawn in list(convolution.named_parameters()):
                delattr(convolution, name)
                convolution.register_buffer(name, drawn.detach())

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(B, C, h, w) of each level, the finest first, to (B, C', h', w'): twice its size, or the size of the next."""
        mixed = [mix(one) for mix, one in zip(self.across_channels, maps, strict=True)]
        height, width = mixed[0].shape[-2:]
        sizes = [(2 * height, 2 * width), *((one.shape[-2], one.shape[-1]) for one in mixed[:-1])]
        seen: list[Tensor] = []
        for level in reversed(range(len(mixed))):
            whole = mixed[level] + seen[0] if seen else mixed[level]
            seen.insert(0, self.across_scales[level](_enlarged(whole, sizes[level])))
        return seen


@HEADS.register_module()
class ProjectedDiscriminator(nn.Module):
    """A small PatchGAN of its own on each of the mixed maps of a frozen network.

    Each halves its map by 4 x 4 convolutions with spectral norm as long as 7 pixels are left, counted at `resize` (224
    without), and ends in a 4 x 4 convolution. The defaults are the authors': EfficientNet-Lite0, maps of 1/4 to 1/32,
    pictures of 224 pixels, widths up to 8 times 64, 4 x 4 logits. Theirs judge the picture alone, as source_channels=0
    does; with a source, its mixed maps stand beside the picture's. They augment what is judged; this does not.

    Args:
        network, layers, weights: see `sketchkit.pretrained.feature_network.FeatureNetwork`; layers from fine to coarse.
        resize: side in pixels of the square that both pictures are resized to first; None leaves them.
        width: channels of the finest map; each coarser has twice as many, as have the discriminators' halved ones.
        source_channels: 1 or 3, or 0 to judge the picture alone.
        norm: of the discriminators; None where a gradient penalty looks at them.

    Raises:
        ConfigError: an option that is not a choice, an unknown network or layer, or maps too small for a logit.
        WeightsError: the weights cannot be had, or do not fit.
    """

    def __init__(
        self,
        network: str = "timm:tf_efficientnet_lite0",
        layers: Sequence[str | int] = (1, 2, 3, 4),
        weights: str | Path | None = PRETRAINED,
        resize: Side | None = PUBLISHED_SIDE,
        width: Channels = 64,
        source_channels: MoreChannels = 3,
        norm: Norm = "batch",
        activation: Activation = "leaky_relu",
    ) -> None:
        super().__init__()
        if source_channels not in (0, 1, 3):
            raise ConfigError(f"source_channels={source_channels}: a feature network looks at 1 or 3, or give 0")
        self.source_channels = source_channels
        self.features = FeatureNetwork(network, layers, weights, resize=resize)
        side = resize or PUBLISHED_SIDE
        with torch.no_grad():
            maps = _maps_at(side, self.features)
            self.projection = RandomProjection([one.shape[1] for one in maps], width)
            seen = self.projection(maps)
        _check_sizes(seen, side)
        self.blocks, self.last = nn.ModuleList(), nn.ModuleList()
        for one in seen:
            widths = [one.shape[1] * (2 if source_channels else 1), *_widths(one, width * 2 ** (len(seen) - 1))]
            convs = [nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)]
            self.blocks.append(nn.Sequential(*(conv_block(conv, norm, activation) for conv in convs)))
            self.last.append(nn.Conv2d(widths[-1], 1, LAST_KERNEL, bias=False))
        for trained in (self.blocks, self.last):
            add_spectral_norm(trained)

    def forward(self, image: Tensor, source: Tensor | None = None, label: Tensor | None = None) -> HeadOutput:
        """image (B, 1 or 3, H, W), source (B, source_channels, H, W) in [-1, 1]; the label is not looked at.

        Returns:
            Logits (B, 1, h, w) of each level, the finest first, and the discriminators' activations in that order.

        Raises:
            ConfigError: no source, or pictures too small for a logit.
        """
        seen = self.projection(self.features(image))
        if self.source_channels:
            seen = [torch.cat(pair, 1) for pair in zip(seen, self._of_source(source), strict=True)]
        halved = [activations(blocks.children(), one) for blocks, one in zip(self.blocks, seen, strict=True)]
        ends = [maps[-1] if maps else one for maps, one in zip(halved, seen, strict=True)]
        _check_sizes(ends, min(image.shape[-2:]))
        logits = tuple(last(end) for last, end in zip(self.last, ends, strict=True))
        return HeadOutput(logits, features=tuple(one for maps in halved for one in maps))

    def _of_source(self, source: Tensor | None) -> list[Tensor]:
        if source is None:
            raise ConfigError("ProjectedDiscriminator needs the source: give it, or build with source_channels=0")
        with torch.no_grad():
            return self.projection(self.features(source))


def _enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size, mode="bilinear", align_corners=True)


def _maps_at(side: int, features: FeatureNetwork) -> list[Tensor]:
    try:
        return features(torch.zeros(1, 3, side, side, device=features.mean.device))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"the network takes no pictures of {side} pixels ({reason}): set another resize") from error


def _widths(maps: Tensor, most: int) -> list[int]:
    """The channels of a map each time that it is halved: `most` in the end, half of that before, and so on."""
    halvings = (min(maps.shape[-2:]) // LEAST_HALVED).bit_length() - 1
    return [max(1, most >> further) for further in reversed(range(halvings))]


def _check_sizes(maps: Sequence[Tensor], side: int) -> None:
    if min(min(one.shape[-2:]) for one in maps) < LAST_KERNEL:
        raise ConfigError(
            f"ProjectedDiscriminator: at {side} pixels a map is too small for a logit: set resize={PUBLISHED_SIDE}, or "
            "name finer layers"
        )
