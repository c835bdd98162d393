"""The discriminator of SketchyGAN as released (Chen and Hays, CVPR 2018): patches of the picture alone."""

from __future__ import annotations

from torch import Tensor, nn

from sketchkit.declared import Channels, Side
from sketchkit.options import one_of, whole_number
from sketchkit.registry import HEADS, HeadOutput

from ..backbones.mru_official import initialize_official
from ..backbones.mru_official_trunk import OfficialEncoder
from ..backbones.mru_options import level_count
from ..backbones.mru_trunk import image_pyramid
from ..layers.activation import Activation, make_activation
from .mru_class_heads import CLASS_HEADS, ProjectionTerm
from .spectral import add_spectral_norm

PATCHES = 4
STEM_CHANNELS = 8
WIDTHS = (2, 4, 8, 12)  # times the width; deeper levels have 12


@HEADS.register_module()
class OfficialMRUDiscriminator(nn.Module):
    """Real or fake by patch, and of which class, judged from a picture; 17.2 M parameters by default.

    A 7 x 7 convolution and v3 units without norm lead to 4 x 4. `class_head`: auxiliary (class logits from the
    averaged features), projection (<class vector, features> is added to each patch's logit), or None. A PReLU
    has one slope a place. Weights start as released; see `initialize_official`; class vectors from N(0, 1). Decided
    here: larger image sizes add levels of 12 width; any multiple of the number of pixels a patch spans (16 by
    default) can be judged.

    Raises:
        ConfigError: an option that is not a choice, or an image size that is not 8, 16, 32, 64, ...
    """

    def __init__(
        self,
        image_size: Side = 64,
        num_classes: Channels = 50,
        image_channels: Channels = 3,
        width: Channels = 64,
        spectral_norm: bool = True,
        class_head: str | None = "auxiliary",
        activation: Activation = "prelu",
    ) -> None:
        super().__init__()
        one_of("class_head", class_head, CLASS_HEADS)
        whole_number("width", width, 1)
        levels = level_count(image_size, PATCHES)
        channels = [width * (*WIDTHS, *[WIDTHS[-1]] * levels)[level] for level in range(levels)]
        self.stem = nn.Sequential(nn.Conv2d(image_channels, STEM_CHANNELS, 7, padding=3), make_activation(activation))
        self.trunk = OfficialEncoder(STEM_CHANNELS, image_channels, channels, norm=None, activation=activation)
        self.real = nn.Conv2d(channels[-1], 1, 1)
        self.classes = nn.Linear(channels[-1], num_classes) if class_head == "auxiliary" else None
        self.projection = ProjectionTerm(num_classes, channels[-1], std=1.0) if class_head == "projection" else None
        initialize_official(self)
        if spectral_norm:
            add_spectral_norm(self)

    def forward(self, image: Tensor, source: Tensor | None = None, label: Tensor | None = None) -> HeadOutput:
        """image (B, image_channels, S, S) in [-1, 1]; the source is not looked at.

        Returns:
            Logits (B, 1, 4, 4) where S = image_size, class logits (B, num_classes) or None, and the trunk's maps.

        Raises:
            ConfigError: a size that cannot be halved as often as needed, or a projection head without labels.
        """
        pyramid = image_pyramid(image, len(self.trunk.units) + 1)
        maps = self.trunk(self.stem(image), pyramid, label)
        last = maps[-1]
        logits = self.real(last)
        if self.projection is not None:
            logits = logits + self.projection(last, label)
        return HeadOutput(logits, None if self.classes is None else self.classes(last.mean((2, 3))), tuple(maps))
