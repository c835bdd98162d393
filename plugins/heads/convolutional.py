"""The plain discriminators of image recolouring in Lab: convolutions, and one linear layer for the whole picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sketchkit.declared import Channels, MoreChannels, NotNegative, Side
from sketchkit.errors import ConfigError
from sketchkit.registry import HEADS, HeadOutput

from ..layers.activation import Activation
from ..layers.initialize import initialize
from ..layers.norm import Norm
from .patch import activations, beside_source, conv_block
from .spectral import add_spectral_norm


@HEADS.register_module()
class ConvDiscriminator(nn.Module):
    """3 x 3 convolutions with bias, norm after all or all but the first, LeakyReLU(0.2); one logit a picture.

    complete_with_source: the source (L) is judged beside the picture it completes (L with a, b), as [source, source,
    image]. The recolouring seed's simple net: image_size=150, source_channels=1; its normal one: image_size=168,
    channels=(32, 64, 128, 256, 256), strides=(2, 2, 1, 1, 1), norm_first=True, image_channels=2, source_channels=1,
    complete_with_source=True.

    Raises:
        ConfigError: an option that is not a choice, other numbers of channels than of strides, strides that leave
            less than 2 x 2 pixels, or a picture to be completed by no source.
    """

    def __init__(
        self,
        image_size: Side = 64,
        channels: Sequence[Channels] = (32, 64, 128),
        strides: Sequence[Side] = (2, 2, 2),
        norm: Norm = "batch",
        norm_first: bool = False,
        image_channels: Channels = 3,
        source_channels: MoreChannels = 3,
        complete_with_source: bool = False,
        spectral_norm: bool = False,
        activation: Activation = "leaky_relu",
        init: str = "normal",
        init_gain: NotNegative = 0.02,
    ) -> None:
        super().__init__()
        if complete_with_source and not source_channels:
            raise ConfigError("complete_with_source=True needs a source: give source_channels=1 or more")
        side = last_side(image_size, channels, strides)
        self.image_size, self.source_channels = image_size, source_channels
        self.complete_with_source = complete_with_source
        joint = image_channels + source_channels * (2 if complete_with_source else 1)
        self.blocks = nn.ModuleList()
        for before, after, stride in zip([joint, *channels], channels, strides, strict=False):
            conv = nn.Conv2d(before, after, 3, stride, padding=1)
            self.blocks.append(conv_block(conv, norm if norm_first or self.blocks else None, activation))
        self.real = nn.Linear(channels[-1] * side**2, 1)
        initialize(self, init, init_gain)
        if spectral_norm:
            add_spectral_norm(self)

    def forward(self, image: Tensor, source: Tensor | None = None, label: Tensor | None = None) -> HeadOutput:
        """image (B, image_channels, S, S), source (B, source_channels, S, S), S = image_size; no look at the label.

        Returns:
            Logits (B, 1), and the activations in order.

        Raises:
            ConfigError: no source, or another size.
        """
        size = self.image_size
        if image.shape[-2:] != (size, size):
            got = "x".join(map(str, image.shape[-2:]))
            raise ConfigError(f"ConvDiscriminator was built for {size}x{size} and got {got}: set its image_size")
        x = beside_source(image, source, self.source_channels, type(self).__name__)
        if self.complete_with_source:
            x = torch.cat([x[:, : self.source_channels], x], 1)
        features = activations(self.blocks, x)
        return HeadOutput(self.real(features[-1].flatten(1)), features=features)


def last_side(image_size: int, channels: Sequence[int], strides: Sequence[Side]) -> int:
    """The side of the last map: ceil(side / stride) after each convolution.

    Raises:
        ConfigError: other numbers of channels than of strides, or a map of one pixel, which no norm can work on.
    """
    if not channels or len(channels) != len(strides) or min(*channels, *strides) < 1:
        raise ConfigError(f"channels={tuple(channels)}, strides={tuple(strides)}: give each convolution one of both")
    side = image_size
    for stride in strides:
        side = -(-side // stride)
    if side < 2:
        raise ConfigError(f"image_size={image_size} with strides={tuple(strides)} leaves one pixel: use fewer strides")
    return side
