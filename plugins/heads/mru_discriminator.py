"""The discriminator of Sketch2Img: the generator's encoder on picture and sketch, with two linear heads."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from sketchkit.declared import Channels, MoreChannels, Side
from sketchkit.errors import ConfigError
from sketchkit.options import one_of
from sketchkit.registry import HEADS, HeadOutput

from ..backbones.mru import MRU
from ..backbones.mru_trunk import BOTTLENECK, MRUEncoder, image_pyramid, level_channels
from ..layers.activation import Activation
from ..layers.initialize import initialize
from ..layers.norm import Norm
from .mru_class_heads import CLASS_HEADS, ProjectionTerm
from .spectral import add_spectral_norm


@HEADS.register_module()
class MRUDiscriminator(nn.Module):
    """Real or fake, and of which class, judged from a picture together with its sketch.

    The trunk starts from, and is conditioned on, I = [picture, sketch]; its last maps (8 width, 8, 8) are flattened
    into linear layers. `class_head`: auxiliary (class logits), projection (<class vector, features averaged over
    space> is added to the logit), or None. `spectral_norm` is that of every convolution. `norm` is for the non-mask
    convolutions: with a gradient penalty leave it None, as batch norm mixes samples. source_channels=0 judges the
    picture alone. antialias=True blurs before it leaves out pixels: strided convolutions give the generator gradients
    with a grid of two pixels, which it then draws.

    Raises:
        ConfigError: an option that is not a choice, or an image size that is not 16, 32, 64, ...
    """

    def __init__(
        self,
        image_size: Side = 64,
        num_classes: Channels = 125,
        image_channels: Channels = 3,
        source_channels: MoreChannels = 3,
        width: Channels = 64,
        variant: str = "paper",
        norm: Norm = None,
        spectral_norm: bool = True,
        class_head: str | None = "auxiliary",
        activation: Activation = "leaky_relu",
        antialias: bool = False,
    ) -> None:
        super().__init__()
        one_of("class_head", class_head, CLASS_HEADS)
        channels = level_channels(width, image_size)
        joint = image_channels + source_channels
        flat = channels[-1] * BOTTLENECK**2
        self.image_size, self.source_channels = image_size, source_channels
        make_unit = partial(MRU, variant=variant, norm=norm, activation=activation)
        self.trunk = MRUEncoder(joint, joint, channels, make_unit, antialias)
        self.real = nn.Linear(flat, 1)
        self.classes = nn.Linear(flat, num_classes) if class_head == "auxiliary" else None
        self.projection = ProjectionTerm(num_classes, channels[-1]) if class_head == "projection" else None
        initialize(self, norms=False)
        if spectral_norm:
            add_spectral_norm(self, (nn.Conv2d,))

    def forward(self, image: Tensor, source: Tensor | None = None, label: Tensor | None = None) -> HeadOutput:
        """image (B, image_channels, S, S) and source (B, source_channels, S, S) in [-1, 1], S = image_size.

        Returns:
            Logits (B, 1), class logits (B, num_classes) or None, and the trunk's maps.

        Raises:
            ConfigError: no source, another size, or a projection head without labels.
        """
        pyramid = image_pyramid(self._joint(image, source), len(self.trunk.units))
        maps = self.trunk(pyramid[0], pyramid)
        flat = maps[-1].flatten(1)
        logits = self.real(flat)
        if self.projection is not None:
            logits = logits + self.projection(maps[-1].mean((2, 3)), label)
        return HeadOutput(logits, None if self.classes is None else self.classes(flat), tuple(maps))

    def _joint(self, image: Tensor, source: Tensor | None) -> Tensor:
        size = self.image_size
        if image.shape[-2:] != (size, size):
            got = "x".join(map(str, image.shape[-2:]))
            raise ConfigError(f"MRUDiscriminator was built for {size}x{size} and got {got}: set its image_size")
        if not self.source_channels:
            return image
        if source is None:
            raise ConfigError("MRUDiscriminator needs the sketch: give source, or build it with source_channels=0")
        return torch.cat([image, source.to(image.dtype)], 1)
