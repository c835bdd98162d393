"""The residual generator of CycleGAN (Zhu et al., ICCV 2017, arXiv 1703.10593), after Johnson et al. (ECCV 2016)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sketchkit.declared import Blocks, Channels, Halvings, MoreChannels, NotNegative
from sketchkit.deterministic import reflection_pad
from sketchkit.errors import ConfigError
from sketchkit.options import one_of, whole_number
from sketchkit.registry import BACKBONES

from ..layers.activation import Activation, make_activation
from ..layers.blur import BlurDownsampling
from ..layers.initialize import initialize
from ..layers.norm import Norm, make_norm, needs_bias
from ..layers.receptive import ReceptiveField, field_after
from ..layers.upsampling import Upsampling, check_size, make_upsampling
from .unet import Dropout, check_dropout, with_hint


class ReflectConv2d(nn.Conv2d):
    """A convolution of an odd kernel that keeps the size, the picture mirrored at its borders."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel, bias=bias)
        self.border = kernel // 2

    def forward(self, input: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H, W), H and W above half the kernel."""
        return super().forward(reflection_pad(input, self.border))


@field_after.register
def _(conv: ReflectConv2d, field: ReceptiveField) -> ReceptiveField:
    return field.window(2 * conv.border + 1, padding=conv.border)


class ResidualBlock(nn.Module):
    """x + norm(Conv3x3(dropout(ReLU(norm(Conv3x3(x)))))), reflected at the borders."""

    def __init__(self, channels: int, norm: Norm, activation: Activation, dropout: float) -> None:
        super().__init__()
        first, second = (ReflectConv2d(channels, channels, 3, bias=needs_bias(norm)) for _ in range(2))
        drop = [nn.Dropout(dropout)] if dropout else []
        self.change = nn.Sequential(
            first, make_norm(norm, channels), make_activation(activation), *drop, second, make_norm(norm, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels, H, W) to the same, H and W at least 2."""
        return x + self.change(x)


@field_after.register
def _(block: ResidualBlock, field: ReceptiveField) -> ReceptiveField:
    return field.joined(field_after(block.change, field))


@BACKBONES.register_module()
class ResNetGenerator(nn.Module):
    """A 7 x 7 convolution, `num_downs` halvings that double the width, `num_blocks` residual blocks, doublings, tanh.

    CycleGAN: the defaults; 6 blocks for 128 pixels. CUT: antialias=True, which blurs before it leaves out pixels, with
    upsampling='bilinear'. Biases are as `needs_bias` says: none before batch norm.

    Raises:
        ConfigError: an option that is not a choice, a negative number of blocks or halvings, a width below one, or
            dropout outside [0, 1).
    """

    def __init__(
        self,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        width: Channels = 64,
        num_blocks: Blocks = 9,
        num_downs: Halvings = 2,
        norm: Norm = "instance",
        dropout: Dropout = 0.0,
        upsampling: Upsampling = "transposed",
        antialias: bool = False,
        hint_channels: MoreChannels = 0,
        activation: Activation = "relu",
        init: str = "normal",
        init_gain: NotNegative = 0.02,
    ) -> None:
        super().__init__()
        whole_number("width", width, 1)
        check_dropout(dropout)
        if min(num_blocks, num_downs) < 0:
            raise ConfigError(f"num_blocks={num_blocks} and num_downs={num_downs} are counts: give 0 or more")
        self.in_channels, self.out_channels, self.hint_channels = in_channels, out_channels, hint_channels
        self.size_multiple = 2**num_downs
        # Reflection needs more pixels than it adds: 3 at the picture, 1 in the blocks.
        self.least_size = max(4, 2 * self.size_multiple)
        bias = needs_bias(norm)
        widths = [width * 2**level for level in range(num_downs + 1)]
        first = ReflectConv2d(in_channels + hint_channels, width, 7, bias=bias)
        layers: list[nn.Module] = [first, make_norm(norm, width), make_activation(activation)]
        # How many layers come before each map of `encoder_features`.
        self.depths: dict[str, int] = {}
        for number, channels in enumerate(widths[:-1], start=1):
            layers.append(nn.Conv2d(channels, 2 * channels, 3, stride=1 if antialias else 2, padding=1, bias=bias))
            self.depths[f"down_{number}"] = len(layers)
            layers += [make_norm(norm, 2 * channels), make_activation(activation)]
            layers += [BlurDownsampling()] if antialias else []
        for number in range(1, num_blocks + 1):
            layers.append(ResidualBlock(widths[-1], norm, activation, dropout))
            self.depths[f"block_{number}"] = len(layers)
        for channels in reversed(widths[:-1]):
            up = make_upsampling(upsampling, 2 * channels, channels, kernel=3, bias=bias)
            layers += [up, make_norm(norm, channels), make_activation(activation)]
        last = ReflectConv2d(width, out_channels, 7)
        self.layers = nn.Sequential(*layers, last, nn.Tanh())
        self.receptive_radius = field_after(self.layers, ReceptiveField()).radius
        initialize(self, init, init_gain)

    def forward(self, source: Tensor, *, hint: Tensor | None = None) -> Tensor:
        """source (B, in_channels, H, W) in [-1, 1] and hint (B, hint_channels, H, W) to (B, out_channels, H, W).

        Raises:
            ConfigError: the size does not divide by `size_multiple`.
            DataError: a hint of another shape, or a picture smaller than `least_size`.
        """
        check_size(source, self.size_multiple, type(self).__name__, self.least_size)
        return self.layers(with_hint(source, hint, self.hint_channels))

    def encoder_features(self, source: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """The maps (B, C, h, w) that the encoder makes of source (B, in_channels, H, W), in the order asked for.

        'input' is the mirrored picture that the first convolution sees, 'down_1', ... the halving convolutions before
        their norm, 'block_1', ... the residual blocks.

        Raises:
            ConfigError: an unknown layer, or a network that needs hints.
        """
        for layer in layers:
            one_of("layer", layer, ("input", *self.depths))
        if self.hint_channels:
            raise ConfigError(f"{type(self).__name__} with hint_channels has no features of a picture alone: use 0")
        wanted = {self.depths[layer]: layer for layer in layers if layer != "input"}
        found = {"input": reflection_pad(source, 3)}
        x = source
        for depth, module in enumerate(self.layers[: max(wanted, default=0)], start=1):
            x = module(x)
            if depth in wanted:
                found[wanted[depth]] = x
        return [found[layer] for layer in layers]
