"""The encoder and the decoder that SketchyGAN networks are built of: masked residual units on a pyramid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError
from sketchkit.options import whole_number

from ..layers.blur import BlurDownsampling
from ..layers.receptive import ReceptiveField, field_after
from ..layers.upsampling import Upsampling, make_upsampling
from .mru import MRU
from .mru_options import level_count

BOTTLENECK = 8


class MRUState(NamedTuple):
    """What a decoder needs besides noise: maps and image pyramid, both largest first, and the label (B,)."""

    maps: list[Tensor]
    pyramid: list[Tensor]
    label: Tensor | None


def level_channels(width: int, image_size: int) -> list[int]:
    """Channels of each level from `image_size` down to 8 x 8: width times 1, 2, 4, 8, 8, ...

    Raises:
        ConfigError: the size is not 16, 32, 64, 128, ..., or the width is below one.
    """
    whole_number("width", width, 1)
    return [width * min(2**level, 8) for level in range(level_count(image_size, BOTTLENECK) + 1)]


def image_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """The image (B, C, H, W) and its averages over 2 x 2, 4 x 4, ... pixels: `levels` maps, largest first.

    Raises:
        ConfigError: height or width does not divide by 2 ** (levels - 1).
    """
    multiple = 2 ** (levels - 1)
    height, width = image.shape[-2:]
    if height % multiple or width % multiple:
        raise ConfigError(f"an image of {height}x{width} does not divide by {multiple}: pad it to a multiple")
    pyramid = [image]
    for _ in range(levels - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    return pyramid


def pyramid_fields(levels: int) -> list[ReceptiveField]:
    """What each map of `image_pyramid` sees."""
    return list(accumulate(range(levels - 1), lambda field, _: field.window(2, stride=2), initial=ReceptiveField()))


class MRUEncoder(nn.Module):
    """A unit a level, and between levels a 2 x 2 convolution of stride 2; antialias: one of 3 x 3, blurred, halved."""

    def __init__(
        self,
        in_channels: int,
        image_channels: int,
        channels: Sequence[int],
        make_unit: Callable[..., nn.Module] = MRU,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        inputs = [in_channels, *channels[:-1]]
        self.units = nn.ModuleList(
            make_unit(before, image_channels, after) for before, after in zip(inputs, channels, strict=True)
        )
        self.downs = nn.ModuleList(_halving(width, antialias) for width in channels[:-1])

    def forward(self, x: Tensor, pyramid: Sequence[Tensor], label: Tensor | None = None) -> list[Tensor]:
        """x (B, in_channels, H, W) to the output of each unit, largest first."""
        maps = [self.units[0](x, pyramid[0], label)]
        for unit, down, image in zip(self.units[1:], self.downs, pyramid[1:], strict=True):
            maps.append(unit(down(maps[-1]), image, label))
        return maps

    def fields(self, field: ReceptiveField, pyramid: Sequence[ReceptiveField]) -> list[ReceptiveField]:
        """What the output of each unit sees, from what x and the images see; largest first."""
        fields = [field_after(self.units[0], field.joined(pyramid[0]))]
        for unit, down, image in zip(self.units[1:], self.downs, pyramid[1:], strict=True):
            fields.append(field_after(unit, field_after(down, fields[-1]).joined(image)))
        return fields


def _halving(width: int, antialias: bool) -> nn.Module:
    if not antialias:
        return nn.Conv2d(width, width, 2, stride=2)
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), BlurDownsampling())


class MRUDecoder(nn.Module):
    """The encoder's mirror: a unit a level, upsampling between by `make_upsampling`, skips concatenated first."""

    def __init__(
        self,
        noise_channels: int,
        image_channels: int,
        channels: Sequence[int],
        make_unit: Callable[..., nn.Module] = MRU,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        inputs = [2 * width for width in channels[:-1]] + [channels[-1] + noise_channels]
        self.units = nn.ModuleList(
            make_unit(before, image_channels, after) for before, after in zip(inputs, channels, strict=True)
        )
        self.ups = nn.ModuleList(
            make_upsampling(upsampling, below, width, kernel=2) for width, below in pairwise(channels)
        )

    def forward(self, state: MRUState, noise: Tensor) -> Tensor:
        """The state's maps and noise (B, noise_channels, h, w) to features (B, channels[0], H, W)."""
        maps, pyramid, label = state
        x = self.units[-1](torch.cat([maps[-1], noise], 1), pyramid[-1], label)
        for level in reversed(range(len(self.ups))):
            x = torch.cat([maps[level], self.ups[level](x)], 1)
            x = self.units[level](x, pyramid[level], label)
        return x

    def field(self, fields: Sequence[ReceptiveField], pyramid: Sequence[ReceptiveField]) -> ReceptiveField:
        """What the features see, from what the encoder's maps and the images see."""
        field = field_after(self.units[-1], fields[-1].joined(pyramid[-1]))
        for level in reversed(range(len(self.ups))):
            joint = field_after(self.ups[level], field).joined(fields[level], pyramid[level])
            field = field_after(self.units[level], joint)
        return field
