"""The residual generator of CycleGAN (Zhu et al., ICCV 2017, arXiv 1703.10593), after Johnson et al. (ECCV 2016)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from sketchkit.declared import Blocks, Channels, Halvings, MoreChannels, NotNegative
from sketchkit.deterministic import reflection_pad
from sketchkit.errors import ConfigError
from sketchkit.options import one_of, whole_number
from sketchkit.registry import BACKBONES

from ..layers.activation import Activation, make_activation
from ..layers.blur import BlurDownsampling
from ..layers.condition import (
    Condition,
    Conditioned,
    ConditionedSequential,
    SelfAttention,
    conditioned,
    shifts,
)
from ..layers.initialize import initialize
from ..layers.labels import check_label
from ..layers.norm import CONDITIONAL, Norm, make_norm, needs_bias
from ..layers.receptive import ReceptiveField, field_after
from ..layers.upsampling import Upsampling, check_size, make_upsampling
from .encoder_decoder import EncoderDecoder
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


Layers = Callable[[int], list[nn.Module]]


class ResidualBlock(Conditioned):
    """x + norm(Conv3x3(dropout(ReLU(norm(Conv3x3(x)))))), reflected at the borders.

    `normed` and `told` make the norms, and the shifts behind the first, of that many channels.
    """

    def __init__(
        self, channels: int, bias: bool, normed: Layers, told: Layers, activation: Activation, dropout: float
    ) -> None:
        super().__init__()
        first, second = (ReflectConv2d(channels, channels, 3, bias=bias) for _ in range(2))
        drop = [nn.Dropout(dropout)] if dropout else []
        act = make_activation(activation)
        self.change = ConditionedSequential(
            first, *normed(channels), *told(channels), act, *drop, second, *normed(channels)
        )

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Features (B, channels, H, W) to the same, H and W at least 2."""
        return x + self.change(x, condition)


@field_after.register
def _(block: ResidualBlock, field: ReceptiveField) -> ReceptiveField:
    return field.joined(field_after(block.change, field))


class ResNetState(NamedTuple):
    """What `encode` leaves: the maps before the residual blocks, and what conditioned layers look at."""

    maps: Tensor
    condition: Condition


@BACKBONES.register_module()
class ResNetGenerator(EncoderDecoder):
    """A 7 x 7 convolution, `num_downs` halvings that double the width, `num_blocks` residual blocks, doublings, tanh.

    CycleGAN: the defaults; 6 blocks for 128 pixels. CUT: antialias=True, which blurs before it leaves out pixels, with
    upsampling='bilinear'. Biases are as `needs_bias` says: none before batch norm.

    hint_channels: of a hint beside the source. num_classes: of labels, which are then needed: 'conditional_batch' has a
    scale and a shift a class; with other norms a class shifts the channels of every block and doubling. noise_channels:
    of a vector that shifts them too; the way down does not see it. norm='spade': batch norm that is told the source.
    attention: after the blocks each place looks at all others.

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
        num_classes: MoreChannels = 0,
        noise_channels: MoreChannels = 0,
        attention: bool = False,
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
        self.num_classes, self.noise_channels = num_classes, noise_channels
        self.size_multiple = 2**num_downs
        # Reflection needs more pixels than it adds: 3 at the picture, 1 in the blocks.
        self.least_size = max(4, 2 * self.size_multiple)
        seen = in_channels + hint_channels
        told = partial(shifts, 0 if norm == CONDITIONAL else num_classes, noise_channels)

        def normed(channels: int) -> list[nn.Module]:
            return [make_norm(norm, channels, num_classes=num_classes, source_channels=seen)]

        bias = needs_bias(norm)
        widths = [width * 2**level for level in range(num_downs + 1)]
        first = ReflectConv2d(seen, width, 7, bias=bias)
        layers: list[nn.Module] = [first, *normed(width), make_activation(activation)]
        # How many layers come before each map of `encoder_features`.
        self.depths: dict[str, int] = {}
        for number, channels in enumerate(widths[:-1], start=1):
            layers.append(nn.Conv2d(channels, 2 * channels, 3, stride=1 if antialias else 2, padding=1, bias=bias))
            self.depths[f"down_{number}"] = len(layers)
            layers += [*normed(2 * channels), make_activation(activation)]
            layers += [BlurDownsampling()] if antialias else []
        # What comes before this does not depend on noise.
        self.encoder_depth = len(layers)
        for number in range(1, num_blocks + 1):
            layers.append(ResidualBlock(widths[-1], bias, normed, told, activation, dropout))
            self.depths[f"block_{number}"] = len(layers)
        layers += [SelfAttention(widths[-1])] if attention else []
        for channels in reversed(widths[:-1]):
            up = make_upsampling(upsampling, 2 * channels, channels, kernel=3, bias=bias)
            layers += [up, *normed(channels), *told(channels), make_activation(activation)]
        last = ReflectConv2d(width, out_channels, 7)
        self.layers = ConditionedSequential(*layers, last, nn.Tanh())
        self.receptive_radius = field_after(self.layers, ReceptiveField()).radius
        initialize(self, init, init_gain)

    def encode(self, source: Tensor, *, label: Tensor | None = None, hint: Tensor | None = None) -> ResNetState:
        """The part of `forward` that does not depend on noise.

        Raises:
            ConfigError: the size does not divide by `size_multiple`, or the label is missing or out of range.
            DataError: a hint of another shape, or a picture smaller than `least_size`.
        """
        name = type(self).__name__
        check_size(source, self.size_multiple, name, self.least_size)
        if self.num_classes:
            check_label(label, self.num_classes, name)
        condition = Condition(with_hint(source, hint, self.hint_channels), label)
        maps = self.layers[: self.encoder_depth](condition.source, condition)
        return ResNetState(maps, replace(condition, told={} if self.noise_channels else None))

    def decode(self, state: ResNetState, noise: Tensor | None = None) -> Tensor:
        """A picture (B, out_channels, H, W) in [-1, 1] from `encode`'s state and noise (B, noise_channels)."""
        return self.layers[self.encoder_depth :](state.maps, replace(state.condition, noise=noise))

    def encoder_features(self, source: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """The maps (B, C, h, w) that the encoder makes of source (B, in_channels, H, W), in the order asked for.

        'input' is the mirrored picture that the first convolution sees, 'down_1', ... the halving convolutions before
        their norm, 'block_1', ... the residual blocks.

        Raises:
            ConfigError: an unknown layer, or a network that needs more than a picture.
        """
        for layer in layers:
            one_of("layer", layer, ("input", *self.depths))
        for option in ("hint_channels", "num_classes", "noise_channels"):
            if getattr(self, option):
                raise ConfigError(f"{type(self).__name__} with {option} has no features of a picture alone: use 0")
        wanted = {self.depths[layer]: layer for layer in layers if layer != "input"}
        found = {"input": reflection_pad(source, 3)}
        x, condition = source, Condition(source)
        for depth, module in enumerate(self.layers[: max(wanted, default=0)], start=1):
            x = conditioned(module, x, condition)
            if depth in wanted:
                found[wanted[depth]] = x
        return [found[layer] for layer in layers]
