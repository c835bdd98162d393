"""The PatchGAN of pix2pix and CycleGAN: real or fake by patch (Isola et al., CVPR 2017, arXiv 1611.07004)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from torch import Tensor, nn

from sketchkit.declared import Channels, MoreChannels, NotNegative, Range
from sketchkit.errors import ConfigError
from sketchkit.options import whole_number
from sketchkit.registry import HEADS, HeadOutput

from ..layers.activation import Activation, make_activation
from ..layers.blur import BlurDownsampling
from ..layers.initialize import initialize
from ..layers.norm import Norm, make_norm, needs_bias
from .spectral import add_spectral_norm

PADDINGS = {4: 1, 3: 1, 2: 0}  # of the last two convolutions, by their kernel


def beside_source(image: Tensor, source: Tensor | None, source_channels: int, owner: str) -> Tensor:
    """[source, image] on the channels, or the image alone where `source_channels` is 0.

    Raises:
        ConfigError: no source where one is needed.
    """
    if not source_channels:
        return image
    if source is None:
        raise ConfigError(f"{owner} needs the source: give source, or build it with source_channels=0")
    return torch.cat([source.to(image.dtype), image], 1)


def with_hint(x: Tensor, hint: Tensor | None, hint_channels: int, owner: str) -> Tensor:
    """The channels with the hint behind them, or without where `hint_channels` is 0.

    Raises:
        ConfigError: no hint where one is needed, or one of other channels.
    """
    if not hint_channels:
        return x
    if hint is None:
        raise ConfigError(f"{owner} needs the hint: give data with hints, or build it with hint_channels=0")
    if hint.shape[1] != hint_channels:
        raise ConfigError(f"{owner} has hint_channels={hint_channels}, and the hints {hint.shape[1]}: give that many")
    return torch.cat([x, hint.to(x.dtype)], 1)


def conv_block(conv: nn.Conv2d, norm: Norm, activation: Activation, *more: nn.Module) -> nn.Sequential:
    """The activation of the norm of a convolution, and what is to follow."""
    return nn.Sequential(conv, make_norm(norm, conv.out_channels), make_activation(activation, inplace=True), *more)


def activations(blocks: Iterable[nn.Module], x: Tensor) -> tuple[Tensor, ...]:
    """What each block makes of the one before, and the first of x."""
    features = []
    for block in blocks:
        x = block(x)
        features.append(x)
    return tuple(features)


@HEADS.register_module()
class PatchDiscriminator(nn.Module):
    """`num_layers` convolutions of stride 2, then two of stride 1; each logit judges a square of the picture.

    Widths are 1, 2, 4, 8, 8, ... times `width`. num_layers=3 judges squares of 70 pixels, 4 of 142 pixels; with
    last_kernel=2, the kernel of the last two, 4 judges 78. kernel=3 and last_kernel=3 are Auto-Painter's released code.
    The first and last have a bias, the others as `bias` says or, where that is None, if no batch norm follows.
    source_channels=0 judges the picture alone; hint_channels=4 looks at the color hint too. antialias=True blurs before
    it leaves out pixels (CUT).

    Raises:
        ConfigError: an option that is not a choice, no layers, or a width below one.
    """

    def __init__(
        self,
        num_layers: Annotated[int, Range(1, 12)] = 3,
        width: Channels = 64,
        image_channels: Channels = 3,
        source_channels: MoreChannels = 3,
        hint_channels: MoreChannels = 0,
        norm: Norm = "batch",
        bias: bool | None = None,
        kernel: Annotated[int, Range(3, 4)] = 4,
        last_kernel: Annotated[int, Range(2, 4)] = 4,
        spectral_norm: bool = False,
        antialias: bool = False,
        activation: Activation = "leaky_relu",
        init: str = "normal",
        init_gain: NotNegative = 0.02,
    ) -> None:
        super().__init__()
        whole_number("width", width, 1)
        if num_layers < 1:
            raise ConfigError(f"num_layers={num_layers} judges no patch: give 1 or more, or use PixelDiscriminator")
        if kernel not in (3, 4) or last_kernel not in PADDINGS:
            raise ConfigError(
                f"kernel={kernel}, last_kernel={last_kernel}: give 3 or 4 for the one, 2, 3 or 4 for the other"
            )
        self.num_layers, self.source_channels, self.hint_channels = num_layers, source_channels, hint_channels
        # Each of the last two convolutions takes one pixel, unless its kernel is odd.
        self.least_size = 3 * 2**num_layers
        widths = [width * min(2**level, 8) for level in range(num_layers + 1)]
        halving, blur = (1, [BlurDownsampling()]) if antialias else (2, [])
        first = nn.Conv2d(source_channels + image_channels + hint_channels, width, kernel, halving, padding=1)
        self.blocks = nn.ModuleList([conv_block(first, None, activation, *blur)])
        for level in range(1, num_layers + 1):
            before, after = widths[level - 1 : level + 1]
            is_last = level == num_layers
            shape = (last_kernel, 1, PADDINGS[last_kernel]) if is_last else (kernel, halving, 1)
            conv = nn.Conv2d(before, after, *shape, bias=needs_bias(norm, bias))
            self.blocks.append(conv_block(conv, norm, activation, *([] if is_last else blur)))
        self.last = nn.Conv2d(widths[-1], 1, last_kernel, padding=PADDINGS[last_kernel])
        initialize(self, init, init_gain)
        if spectral_norm:
            add_spectral_norm(self)

    def forward(
        self, image: Tensor, source: Tensor | None = None, label: Tensor | None = None, hint: Tensor | None = None
    ) -> HeadOutput:
        """image (B, image_channels, H, W), source (B, source_channels, H, W) in [-1, 1]; the label is not looked at.

        hint: (B, hint_channels, H, W), RGB in [-1, 1] times alpha, and alpha.

        Returns:
            Logits (B, 1, h, w) with h = H / 2 ** num_layers, less 2 where last_kernel is even, and the activations in
            order.

        Raises:
            ConfigError: no source or hint, or a picture too small for a single patch.
        """
        self._check_size(image)
        x = beside_source(image, source, self.source_channels, type(self).__name__)
        x = with_hint(x, hint, self.hint_channels, type(self).__name__)
        features = activations(self.blocks, x)
        return HeadOutput(self.last(features[-1]), features=features)

    def _check_size(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        if min(height, width) < self.least_size:
            raise ConfigError(
                f"PatchDiscriminator with num_layers={self.num_layers} needs {self.least_size}x{self.least_size} "
                f"pixels or more and got {height}x{width}: lower num_layers or enlarge the pictures"
            )
