"""The U-Net of pix2pix (Isola et al., CVPR 2017, arXiv 1611.07004), which Auto-Painter and recolouring share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from sketchkit.declared import Channels, MoreChannels, NotNegative, Range
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import whole_number
from sketchkit.registry import BACKBONES

from ..layers.activation import Activation, make_activation
from ..layers.condition import Condition, ConditionedSequential, SelfAttention, conditioned, shifts
from ..layers.initialize import initialize
from ..layers.labels import check_label
from ..layers.norm import CONDITIONAL, SPADE, Norm, check_variance, make_norm, needs_bias
from ..layers.receptive import ReceptiveField, field_after
from ..layers.upsampling import Upsampling, check_size, make_upsampling
from .encoder_decoder import EncoderDecoder

Dropout = Annotated[float, Range(0, below=1)]
UNDROPPED = 4  # the levels next to the picture that have no dropout


def check_dropout(dropout: float) -> None:
    """Refuse what is no probability, or would drop everything.

    Raises:
        ConfigError: outside [0, 1).
    """
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout={dropout} is not a share to drop: give 0 or more and less than 1")


class UNetState(NamedTuple):
    """What `encode` leaves: the maps of the way down, and what conditioned layers on the way up look at."""

    maps: list[Tensor]
    condition: Condition


def with_hint(source: Tensor, hint: Tensor | None, hint_channels: int) -> Tensor:
    """The source (B, C, H, W) and a hint (B, hint_channels, H, W), zeros where there is none, as one picture.

    Raises:
        DataError: the hint has another shape.
    """
    if not hint_channels:
        return source
    shape = (len(source), hint_channels, *source.shape[-2:])
    if hint is None:
        hint = source.new_zeros(shape)
    if hint.shape != shape:
        raise DataError(f"a hint of shape {tuple(hint.shape)} does not go with the source: give one of shape {shape}")
    return torch.cat([source, hint.to(source.dtype)], 1)


@BACKBONES.register_module()
class UNetGenerator(EncoderDecoder):
    """`num_downs` halvings by convolutions, as many doublings, and the maps of the way down beside those up.

    Widths are 1, 2, 4, 8, 8, ... times `width`. No norm on the first and last layer, nor on the innermost way down
    unless `norm_innermost`. Dropout works in the `num_downs` - 5 doublings after the innermost. `bias`: True or
    False for all but the last layer, which has one; None is as `needs_bias` says: not before batch norm.
    hint_channels: of a hint beside the source. num_classes: of labels, which are then needed: 'conditional_batch' has a
    scale and a shift a class; with other norms a class shifts the channels of every doubling. noise_channels: of a
    vector that shifts them too; the way down does not see it. norm='spade': batch norm on the way down, and on the way
    up one that is told the source. final_width: where it is not 0, the last doubling leads to so many channels and a
    norm, and a 3 x 3 convolution makes the picture of them; without, no layer works at the picture's own size.
    attention: after the doublings that lead to these levels, level 1 having half the picture's side, each place looks
    at all others.
    pix2pix: the defaults, num_downs=7 for 128 pixels. Auto-Painter: bias=True, norm_innermost=True; its released code
    has width=48, kernel=3 and bias=False.

    Raises:
        ConfigError: an option that is not a choice, fewer than two halvings, a width below one, a kernel other than 3
            and 4, dropout outside [0, 1), attention at a level that no doubling leads to.
    """

    def __init__(
        self,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        width: Channels = 64,
        num_downs: Annotated[int, Range(2, 12)] = 8,
        kernel: Annotated[int, Range(3, 4)] = 4,
        norm: Norm = "batch",
        dropout: Dropout = 0.5,
        upsampling: Upsampling = "transposed",
        bias: bool | None = None,
        norm_innermost: bool = False,
        hint_channels: MoreChannels = 0,
        num_classes: MoreChannels = 0,
        noise_channels: MoreChannels = 0,
        final_width: MoreChannels = 0,
        attention: Sequence[Annotated[int, Range(1, 12)]] = (),
        down_activation: Activation = "leaky_relu",
        up_activation: Activation = "relu",
        init: str = "normal",
        init_gain: NotNegative = 0.02,
    ) -> None:
        super().__init__()
        _check(width, kernel, dropout, num_downs, attention)
        self.in_channels, self.out_channels, self.hint_channels = in_channels, out_channels, hint_channels
        self.num_classes, self.noise_channels = num_classes, noise_channels
        self.size_multiple = 2**num_downs
        seen, shifted = in_channels + hint_channels, 0 if norm == CONDITIONAL else num_classes
        channels = [width * min(2**level, 8) for level in range(num_downs)]
        biased = needs_bias(norm, bias)
        normed = partial(make_norm, num_classes=num_classes, source_channels=seen)
        double = partial(make_upsampling, upsampling, kernel=kernel)
        # Never in place: the skips hand on what comes before them.
        down, up = partial(make_activation, down_activation), partial(make_activation, up_activation)
        self.encoder = nn.ModuleList([nn.Conv2d(seen, width, kernel, 2, 1, bias=biased)])
        self.decoder = nn.ModuleList([])
        for level in range(num_downs):
            is_first, is_last = level == 0, level == num_downs - 1
            here, above = channels[level], (final_width or out_channels) if is_first else channels[level - 1]
            makes_picture = is_first and not final_width
            below = here if is_last else 2 * here
            if not is_first:
                norm_down = None if is_last and not norm_innermost else "batch" if norm == SPADE else norm
                conv = nn.Conv2d(above, here, kernel, stride=2, padding=1, bias=biased)
                self.encoder.append(ConditionedSequential(down(), conv, normed(norm_down, here)))
            told = shifts(shifted, noise_channels, below)
            block = ConditionedSequential(*told, up(), double(below, above, bias=makes_picture or biased))
            block.append(nn.Tanh() if makes_picture else normed(norm, above))
            if dropout and UNDROPPED <= level < num_downs - 1:
                block.append(nn.Dropout(dropout))
            if level - 1 in attention:
                block.append(SelfAttention(above))
            self.decoder.insert(0, block)
        if final_width:
            conv = nn.Conv2d(final_width, out_channels, 3, padding=1, padding_mode="replicate")
            self.decoder.append(ConditionedSequential(up(), conv, nn.Tanh()))
        self.receptive_radius = self._field().radius
        initialize(self, init, init_gain)

    def encode(self, source: Tensor, *, label: Tensor | None = None, hint: Tensor | None = None) -> UNetState:
        """The part of `forward` that does not depend on noise.

        Raises:
            ConfigError: the size does not divide by `size_multiple`, or the label is missing or out of range.
            DataError: a hint of another shape, or a picture too small for the innermost norm.
        """
        name = type(self).__name__
        check_size(source, self.size_multiple, name)
        check_variance(self.encoder[-1], source, self.size_multiple, name)
        if self.num_classes:
            check_label(label, self.num_classes, name)
        x = with_hint(source, hint, self.hint_channels)
        maps, condition = [], Condition(x, label)
        for block in self.encoder:
            x = conditioned(block, x, condition)
            maps.append(x)
        return UNetState(maps, replace(condition, told={} if self.noise_channels else None))

    def decode(self, state: UNetState, noise: Tensor | None = None) -> Tensor:
        """A picture (B, out_channels, H, W) in [-1, 1] from `encode`'s state and noise (B, noise_channels)."""
        *skips, x = state.maps
        condition = replace(state.condition, noise=noise)
        for block in self.decoder:
            x = block(x, condition)
            if skips:
                x = torch.cat([skips.pop(), x], 1)
        return x

    def _field(self) -> ReceptiveField:
        field, fields = ReceptiveField(), []
        for block in self.encoder:
            field = field_after(block, field)
            fields.append(field)
        fields.pop()
        for block in self.decoder:
            field = field_after(block, field)
            if fields:
                field = field.joined(fields.pop())
        return field


def _check(width: int, kernel: int, dropout: float, num_downs: int, attention: Sequence[int]) -> None:
    whole_number("width", width, 1)
    if kernel not in (3, 4):
        raise ConfigError(f"kernel={kernel} does not halve the picture: give 3 or 4")
    check_dropout(dropout)
    if num_downs < 2:
        raise ConfigError(f"num_downs={num_downs} leaves no U: give 2 or more")
    if wrong := set(attention) - set(range(1, num_downs - 1)):
        raise ConfigError(f"attention={list(attention)}: level {min(wrong)} is not in 1 .. {num_downs - 2}")
