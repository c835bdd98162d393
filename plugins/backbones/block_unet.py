"""The two small U-Nets of image recolouring in Lab: blocks of convolutions, max-pooling, and skips."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.declared import Channels, NotNegative, Range
from sketchkit.errors import ConfigError
from sketchkit.registry import BACKBONES

from ..layers.activation import Activation, make_activation
from ..layers.initialize import initialize
from ..layers.norm import Norm, check_variance, make_norm
from ..layers.receptive import ReceptiveField, field_after
from ..layers.upsampling import Upsampling, check_size, make_upsampling


def conv_norm(norm: Norm, in_channels: int, out_channels: int, kernel: int = 3) -> list[nn.Module]:
    """A convolution with bias that keeps height and width, and a norm."""
    return [nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2), make_norm(norm, out_channels)]


def conv_block(channels: Sequence[int], norm: Norm, activation: Activation) -> nn.Sequential:
    """Convolutions from each number of channels to the next, a norm and an activation after each."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [*conv_norm(norm, before, after), make_activation(activation)]
    return nn.Sequential(*layers)


@BACKBONES.register_module()
class BlockUNet(nn.Module):
    """A U-Net written as the channels of each convolution, level by level.

    `encoder`: the levels from the picture down, 2 x 2 max-pooling between them. `decoder`: the levels back up, after
    a doubling to the skip's channels and its concatenation. A last convolution, norm and tanh make the picture.
    The defaults are the simple net of the recolouring seed; the normal one has encoder=((64, 64), (128, 128),
    (256, 256, 256)), decoder=((128, 64), (64,)), last_kernel=1.

    Raises:
        ConfigError: levels that do not match, an empty one, an even kernel, or an option that is not a choice.
    """

    def __init__(
        self,
        in_channels: Channels = 1,
        out_channels: Channels = 2,
        encoder: Sequence[Sequence[Channels]] = ((64, 64, 64), (128, 128, 128)),
        decoder: Sequence[Sequence[Channels]] = ((64, 32),),
        last_kernel: Annotated[int, Range(1, 63)] = 3,
        norm: Norm = "batch",
        activation: Activation = "relu",
        upsampling: Upsampling = "transposed",
        init: str = "normal",
        init_gain: NotNegative = 0.02,
    ) -> None:
        super().__init__()
        _check_levels(encoder, decoder, last_kernel)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.size_multiple = 2 ** len(decoder)
        skips = [level[-1] for level in encoder]
        self.encoder = nn.ModuleList(
            conv_block([before, *level], norm, activation)
            for before, level in zip([in_channels, *skips], encoder, strict=False)
        )
        self.ups, self.decoder = nn.ModuleList(), nn.ModuleList()
        below = skips.pop()
        for level in decoder:
            skip = skips.pop()
            self.ups.append(make_upsampling(upsampling, below, skip, kernel=2))
            self.decoder.append(conv_block([2 * skip, *level], norm, activation))
            below = level[-1]
        self.last = nn.Sequential(*conv_norm(norm, below, out_channels, last_kernel), nn.Tanh())
        self.receptive_radius = self._field().radius
        initialize(self, init, init_gain)

    def forward(self, source: Tensor) -> Tensor:
        """source (B, in_channels, H, W) in [-1, 1] to (B, out_channels, H, W) in [-1, 1].

        Raises:
            ConfigError: the size does not divide by `size_multiple`.
            DataError: a single picture of one pixel at the lowest level, where the norm needs more.
        """
        name = type(self).__name__
        check_size(source, self.size_multiple, name)
        check_variance(self.encoder[-1], source, self.size_multiple, name)
        maps, x = [], source
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, 2) if level else x)
            maps.append(x)
        maps.pop()
        for up, block in zip(self.ups, self.decoder, strict=True):
            x = block(torch.cat([maps.pop(), up(x)], 1))
        return self.last(x)

    def _field(self) -> ReceptiveField:
        field, fields = ReceptiveField(), []
        for level, block in enumerate(self.encoder):
            field = field_after(block, field.window(2, stride=2) if level else field)
            fields.append(field)
        fields.pop()
        for up, block in zip(self.ups, self.decoder, strict=True):
            field = field_after(block, field_after(up, field).joined(fields.pop()))
        return field_after(self.last, field)


def _check_levels(encoder: Sequence[Sequence[int]], decoder: Sequence[Sequence[int]], last_kernel: int) -> None:
    if not all([encoder, *encoder, *decoder]):
        raise ConfigError("encoder and decoder are lists of levels: give each level the channels of its convolutions")
    if len(decoder) != len(encoder) - 1:
        raise ConfigError(f"{len(encoder)} levels of encoder need {len(encoder) - 1} of decoder, not {len(decoder)}")
    if last_kernel % 2 == 0:
        raise ConfigError(f"last_kernel={last_kernel} would change the size of the picture: give an odd one")
