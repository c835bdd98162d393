"""The generator of SketchyGAN as released (Chen and Hays, CVPR 2018), with running statistics at inference."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.declared import Channels, Side
from sketchkit.errors import ConfigError
from sketchkit.options import whole_number
from sketchkit.registry import BACKBONES

from ..layers.activation import Activation, make_activation
from ..layers.conditional_norm import ConditionalBatchNorm2d
from ..layers.labels import check_label
from .mru_official import initialize_official
from .mru_official_trunk import OfficialDecoder, OfficialEncoder
from .mru_options import level_count
from .mru_trunk import MRUState, image_pyramid

BOTTLENECK = 2
NOISE_SIDE = 2 * BOTTLENECK
STEM_CHANNELS = 8
SAME = (2, 3, 2, 3)  # left, right, top, bottom: TensorFlow's for a kernel of 7 and a stride of 2
DECODER_WIDTHS = (1, 2, 2, 4, 6)  # times the width, largest map first; deeper levels have 8


class NoiseMap(nn.Module):
    """Noise vectors to maps: linear, conditional batch norm, activation, then C x 4 x 4."""

    def __init__(self, noise_channels: Channels, channels: int, num_classes: int, activation: Activation) -> None:
        super().__init__()
        self.linear = nn.Linear(noise_channels, channels * NOISE_SIDE**2)
        self.norm = ConditionalBatchNorm2d(channels * NOISE_SIDE**2, num_classes)
        self.activation = make_activation(activation)

    def forward(self, noise: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
        """noise (B, noise_channels) to (B, channels, *size), resized bilinearly where size is not 4 x 4.

        Raises:
            ConfigError: a batch of one in train mode, which has no batch statistics.
        """
        if self.training and len(noise) == 1:
            raise ConfigError(
                "OfficialMRUGenerator cannot train on a batch of one: batch norm needs 2 or more in each part of the "
                "batch: raise batch_size, or lower translator.accumulate"
            )
        vector = self.activation(self.norm(self.linear(noise)[:, :, None, None], label))
        maps = vector.view(len(noise), -1, NOISE_SIDE, NOISE_SIDE)
        return maps if size == (NOISE_SIDE, NOISE_SIDE) else F.interpolate(maps, size, mode="bilinear")


@BACKBONES.register_module()
class OfficialMRUGenerator(nn.Module):
    """A sketch, a class and noise to a picture, by the structure of the released code; 22.2 M parameters by default.

    A 7 x 7 convolution of stride 2 and v3 units lead to 2 x 2; v2 units lead back from there, seeing the sketch and,
    as part of the image input, the noise at 4 x 4 and the encoder's maps from 8 x 8 on. Weights start as released; see
    `initialize_official`. Decided here: larger image sizes add levels of 8 width at the small end of both halves;
    statistics are running ones in eval, where the released code takes those of the batch.

    Raises:
        ConfigError: an activation that is not a choice, or an image size that is not 16, 32, 64, ...
    """

    def __init__(
        self,
        image_size: Side = 64,
        num_classes: Channels = 50,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        width: Channels = 64,
        noise_channels: Channels = 256,
        activation: Activation = "smooth_relu",
    ) -> None:
        super().__init__()
        whole_number("width", width, 1)
        halvings = level_count(image_size, 2 * NOISE_SIDE) + 2
        channels = [width * min(2**level, 8) for level in range(halvings - 1)]
        decoded = [width * (*DECODER_WIDTHS, *[8] * halvings)[level] for level in range(halvings)]
        self.in_channels, self.out_channels = in_channels, out_channels
        self.size_multiple = 2**halvings
        # Its gates are stretched by the extremes of the whole map, and its noise over the whole picture.
        self.receptive_radius = None
        self.noise_channels, self.num_classes = noise_channels, num_classes
        self.stem = nn.Conv2d(in_channels, STEM_CHANNELS, 7, stride=2)
        self.encoder = OfficialEncoder(
            STEM_CHANNELS, in_channels, channels, num_classes=num_classes, activation=activation
        )
        self.noise_map = NoiseMap(noise_channels, width, num_classes, activation)
        skips = [0, STEM_CHANNELS, *channels[:-2], width]
        self.decoder = OfficialDecoder(channels[-1], in_channels, decoded, skips, num_classes, activation)
        self.to_image = nn.Conv2d(decoded[0], out_channels, 7, padding=3)
        initialize_official(self)

    def noise_shape(self, height: int, width: int) -> tuple[int]:
        """The shape of one sample's noise: a vector, whatever the size."""
        return (self.noise_channels,)

    def forward(self, source: Tensor, *, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        """source (B, in_channels, H, W) in [-1, 1], label (B,), noise (B, noise_channels) ~ N(0, 1) to (B, out, H, W).

        Raises:
            ConfigError: the label is missing or out of range, the size does not divide by `size_multiple`, or a batch
                of one in train mode.
        """
        state = self.encode(source, label=label)
        if noise is None:
            noise = torch.randn(len(source), self.noise_channels, device=source.device, dtype=source.dtype)
        return self.decode(state, noise)

    def encode(self, source: Tensor, *, label: Tensor | None = None) -> MRUState:
        """The part of `forward` that does not depend on noise; takes and raises what `forward` does."""
        check_label(label, self.num_classes, type(self).__name__)
        pyramid = image_pyramid(source, len(self.decoder.units) + 1)  # down to the bottleneck, so that it must fit
        stem = self.stem(F.pad(source, SAME))
        return MRUState([stem, *self.encoder(stem, pyramid[1:], label)], pyramid, label)

    def decode(self, state: MRUState, noise: Tensor) -> Tensor:
        """A picture (B, out_channels, H, W) in [-1, 1] from `encode`'s state and noise (B, noise_channels)."""
        height, width = state.pyramid[-2].shape[-2:]
        maps = self.noise_map(noise, state.label, (height, width))
        return self.to_image(self.decoder(state, maps)).tanh()
