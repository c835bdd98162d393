"""The generator of Sketch2Img: an encoder-decoder of masked residual units (UC Berkeley CS 182, spring 2019)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.declared import Channels, Side
from sketchkit.options import one_of
from sketchkit.registry import BACKBONES

from ..layers.activation import Activation
from ..layers.initialize import initialize
from ..layers.labels import check_label
from ..layers.norm import CONDITIONAL, Norm
from ..layers.receptive import ReceptiveField, field_after
from ..layers.upsampling import Upsampling
from .mru import MRU
from .mru_trunk import MRUDecoder, MRUEncoder, MRUState, image_pyramid, level_channels, pyramid_fields

STARTS = ("label", "sketch")
SKETCH_START_CHANNELS = 8


class LabelMap(nn.Module):
    """A learned map (B, 1, H, W) for each class, drawn from N(0, 1) at the start."""

    def __init__(self, num_classes: int, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.table = nn.Embedding(num_classes, image_size**2)

    def forward(self, label: Tensor, size: tuple[int, int]) -> Tensor:
        """The maps of label (B,), resized bilinearly where `size` (height, width) is not `image_size`."""
        maps = self.table(label).unflatten(1, (1, self.image_size, self.image_size))
        if size == (self.image_size, self.image_size):
            return maps
        return F.interpolate(maps, size, mode="bilinear", align_corners=False)


@BACKBONES.register_module()
class MRUGenerator(nn.Module):
    """A sketch, a class and noise to a picture.

    Levels of width, 2 width, 4 width, 8 width, 8 width, ... channels lead from `image_size` to 8 x 8, where noise
    joins; every unit sees the sketch, averaged to its size. `start` is what the first unit works on: a learned map a
    class, or a convolution of the sketch to 8 channels. noise_channels=None is as many as the bottleneck has. Any
    input works whose sides divide by `size_multiple`. `upsampling` as in `make_upsampling`: the report's transposed
    convolutions of 2 x 2 write each output pixel from one input pixel and leave a grid of two pixels; resize leaves
    none.

    Raises:
        ConfigError: an option that is not a choice, or an image size that is not 16, 32, 64, ...
    """

    def __init__(
        self,
        image_size: Side = 64,
        num_classes: Channels = 125,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        width: Channels = 64,
        variant: str = "paper",
        norm: Norm = CONDITIONAL,
        start: str = "label",
        noise_channels: Channels | None = None,
        activation: Activation = "leaky_relu",
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        one_of("start", start, STARTS)
        channels = level_channels(width, image_size)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.size_multiple = 2 ** (len(channels) - 1)
        self.noise_channels = channels[-1] if noise_channels is None else noise_channels
        self.num_classes = num_classes
        self.needs_label = start == "label" or norm == CONDITIONAL
        self.label_map = LabelMap(num_classes, image_size) if start == "label" else None
        self.sketch_start = nn.Conv2d(in_channels, SKETCH_START_CHANNELS, 3, padding=1) if start == "sketch" else None
        first = 1 if start == "label" else SKETCH_START_CHANNELS
        make_unit = partial(MRU, variant=variant, norm=norm, num_classes=num_classes, activation=activation)
        self.encoder = MRUEncoder(first, in_channels, channels, make_unit)
        self.decoder = MRUDecoder(self.noise_channels, in_channels, channels, make_unit, upsampling)
        self.to_image = nn.Conv2d(channels[0], out_channels, 3, padding=1)
        self.receptive_radius = self._field().radius
        initialize(self, norms=False)

    def noise_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """The shape of one sample's noise for a source of that size."""
        return self.noise_channels, height // self.size_multiple, width // self.size_multiple

    def forward(self, source: Tensor, *, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        """source (B, in_channels, H, W) in [-1, 1], label (B,), noise (B, *noise_shape) ~ N(0, 1) to (B, out, H, W).

        Raises:
            ConfigError: the label is missing or out of range, or the size does not divide by `size_multiple`.
        """
        state = self.encode(source, label=label)
        if noise is None:
            shape = self.noise_shape(*source.shape[-2:])
            noise = torch.randn(len(source), *shape, device=source.device, dtype=source.dtype)
        return self.decode(state, noise)

    def encode(self, source: Tensor, *, label: Tensor | None = None) -> MRUState:
        """The part of `forward` that does not depend on noise; takes and raises what `forward` does."""
        if self.needs_label:
            check_label(label, self.num_classes, type(self).__name__)
        pyramid = image_pyramid(source, len(self.encoder.units))
        x = self._start(source, label)
        return MRUState(self.encoder(x, pyramid, label), pyramid, label)

    def decode(self, state: MRUState, noise: Tensor) -> Tensor:
        """A picture (B, out_channels, H, W) in [-1, 1] from `encode`'s state and noise (B, *noise_shape)."""
        return self.to_image(self.decoder(state, noise)).tanh()

    def _start(self, source: Tensor, label: Tensor | None) -> Tensor:
        if self.sketch_start is not None:
            return self.sketch_start(source)
        assert self.label_map is not None
        return self.label_map(label, tuple(source.shape[-2:]))

    def _field(self) -> ReceptiveField:
        pyramid = pyramid_fields(len(self.encoder.units))
        # A class's map is stretched over the whole picture.
        start = ReceptiveField().whole() if self.sketch_start is None else field_after(self.sketch_start, pyramid[0])
        field = self.decoder.field(self.encoder.fields(start, pyramid), pyramid)
        return field_after(self.to_image, field)
