"""The pixel discriminator of pix2pix: a PatchGAN whose patch is one pixel (Isola et al., CVPR 2017, section 3.4)."""

from __future__ import annotations

from torch import Tensor, nn

from sketchkit.declared import Channels, MoreChannels, NotNegative
from sketchkit.options import whole_number
from sketchkit.registry import HEADS, HeadOutput

from ..layers.activation import Activation
from ..layers.initialize import initialize
from ..layers.norm import Norm, needs_bias
from .patch import activations, beside_source, conv_block


@HEADS.register_module()
class PixelDiscriminator(nn.Module):
    """Three 1 x 1 convolutions: it judges colours and sees no shapes.

    The first has a bias, the others as `needs_bias` says: not with batch norm. source_channels=0 judges the picture
    alone.

    Raises:
        ConfigError: an option that is not a choice, or a width below one.
    """

    def __init__(
        self,
        width: Channels = 64,
        image_channels: Channels = 3,
        source_channels: MoreChannels = 3,
        norm: Norm = "batch",
        activation: Activation = "leaky_relu",
        init: str = "normal",
        init_gain: NotNegative = 0.02,
    ) -> None:
        super().__init__()
        whole_number("width", width, 1)
        self.source_channels = source_channels
        bias = needs_bias(norm)
        first = nn.Conv2d(source_channels + image_channels, width, 1)
        second = nn.Conv2d(width, 2 * width, 1, bias=bias)
        self.blocks = nn.ModuleList([conv_block(first, None, activation), conv_block(second, norm, activation)])
        self.last = nn.Conv2d(2 * width, 1, 1, bias=bias)
        initialize(self, init, init_gain)

    def forward(self, image: Tensor, source: Tensor | None = None, label: Tensor | None = None) -> HeadOutput:
        """image (B, image_channels, H, W), source (B, source_channels, H, W) in [-1, 1]; the label is not looked at.

        Returns:
            Logits (B, 1, H, W), and both activations.

        Raises:
            ConfigError: no source.
        """
        x = beside_source(image, source, self.source_channels, type(self).__name__)
        features = activations(self.blocks, x)
        return HeadOutput(self.last(features[-1]), features=features)
