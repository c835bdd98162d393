"""The encoder that the released SketchyGAN's generator and discriminator are built of, and the generator's decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers.activation import Activation
from ..layers.norm import CONDITIONAL, Norm
from .mru_official import MRUv2, MRUv3, NormAct
from .mru_trunk import MRUState


class OfficialEncoder(nn.Module):
    """v3 units, each followed by a 2 x 2 mean; norm and activation close the last one."""

    def __init__(
        self,
        in_channels: int,
        image_channels: int,
        channels: Sequence[int],
        *,
        norm: Norm = CONDITIONAL,
        num_classes: int = 0,
        activation: Activation = "smooth_relu",
    ) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            MRUv3(before, image_channels, after, norm=norm, num_classes=num_classes, activation=activation)
            for before, after in zip([in_channels, *channels[:-1]], channels, strict=True)
        )
        self.last = NormAct(channels[-1], norm, num_classes, activation)

    def forward(self, x: Tensor, pyramid: Sequence[Tensor], label: Tensor | None = None) -> list[Tensor]:
        """x (B, in_channels, H, W) and images from H x W on to the pooled maps, H/2 x W/2 first."""
        maps = []
        for unit, image in zip(self.units, pyramid, strict=False):  # a pyramid may go deeper than the encoder looks
            x = F.avg_pool2d(unit(x, image, label), 2)
            maps.append(x)
        return [*maps[:-1], self.last(x, label)]


class OfficialDecoder(nn.Module):
    """v2 units, each preceded by nearest upsampling; the image input is [sketch, skip], largest level first.

    `skip_channels` counts what is concatenated to the sketch at each level: 0 at the largest, the noise at the last.
    """

    def __init__(
        self,
        in_channels: int,
        image_channels: int,
        channels: Sequence[int],
        skip_channels: Sequence[int],
        num_classes: int,
        activation: Activation = "smooth_relu",
    ) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            MRUv2(before, image_channels + skip, after, num_classes=num_classes, activation=activation)
            for before, skip, after in zip([*channels[1:], in_channels], skip_channels, channels, strict=True)
        )

    def forward(self, state: MRUState, noise: Tensor) -> Tensor:
        """The state's maps and noise (B, C, h, w), twice the smallest map's size, to (B, channels[0], H, W)."""
        maps, pyramid, label = state
        skips = [*maps[:-2], noise]
        x = maps[-1]
        for level in reversed(range(len(self.units))):
            image = torch.cat([pyramid[level], skips[level - 1]], 1) if level else pyramid[0]
            x = self.units[level](F.interpolate(x, scale_factor=2.0, mode="nearest"), image, label)
        return x
