"""The U-Net of pix2pix (Isola et al., CVPR 2017, arXiv 1611.07004), which Auto-Painter and recolouring share."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from sketchkit.declared import Channels, MoreChannels, NotNegative, Range
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import whole_number
from sketchkit.registry import BACKBONES

from ..layers.activation import Activation, make_activation
from ..layers.initialize import initialize
from ..layers.norm import Norm, check_variance, make_norm, needs_bias
from ..layers.receptive import ReceptiveField, field_after
from ..layers.upsampling import Upsampling, check_size, make_upsampling

Dropout = Annotated[float, Range(0, below=1)]
UNDROPPED = 4  # the levels next to the picture that have no dropout


def check_dropout(dropout: float) -> None:
    """Refuse what is no probability, or would drop everything.

    Raises:
        ConfigError: outside [0, 1).
    """
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout={dropout} is not a share to drop: give 0 or more and less than 1")


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


def down_block(
    activation: nn.Module, in_channels: int, out_channels: int, kernel: int, norm: Norm, bias: bool
) -> nn.Sequential:
    """Features (B, in_channels, H, W) to (B, out_channels, H / 2, W / 2)."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride=2, padding=1, bias=bias)
    return nn.Sequential(activation, conv, make_norm(norm, out_channels))


def up_block(activation: nn.Module, upsampling: nn.Module, norm: nn.Module, dropout: float) -> nn.Sequential:
    """Features to features of twice the height and width."""
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(activation, upsampling, norm, *drop)


@BACKBONES.register_module()
class UNetGenerator(nn.Module):
    """`num_downs` halvings by convolutions, as many doublings, and the maps of the way down beside those up.

    Widths are 1, 2, 4, 8, 8, ... times `width`. No norm on the first and last layer, nor on the innermost way down
    unless `norm_innermost`. Dropout works in the `num_downs` - 5 doublings after the innermost. `bias`: True or
    False for all but the last layer, which has one; None is as `needs_bias` says: not before batch norm.
    pix2pix: the defaults, num_downs=7 for 128 pixels. Auto-Painter: bias=True, norm_innermost=True; its released code
    has width=48, kernel=3 and bias=False.

    Raises:
        ConfigError: an option that is not a choice, fewer than two halvings, a width below one, a kernel other than 3
            and 4, dropout outside [0, 1).
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
        down_activation: Activation = "leaky_relu",
        up_activation: Activation = "relu",
        init: str = "normal",
        init_gain: NotNegative = 0.02,
    ) -> None:
        super().__init__()
        whole_number("width", width, 1)
        if kernel not in (3, 4):
            raise ConfigError(f"kernel={kernel} does not halve the picture: give 3 or 4")
        check_dropout(dropout)
        if num_downs < 2:
            raise ConfigError(f"num_downs={num_downs} leaves no U: give 2 or more")
        self.in_channels, self.out_channels, self.hint_channels = in_channels, out_channels, hint_channels
        self.size_multiple = 2**num_downs
        channels = [width * min(2**level, 8) for level in range(num_downs)]
        biased = needs_bias(norm, bias)
        double = partial(make_upsampling, upsampling, kernel=kernel)
        # Never in place: the skips hand on what comes before them.
        down, up = partial(make_activation, down_activation), partial(make_activation, up_activation)
        self.encoder = nn.ModuleList([nn.Conv2d(in_channels + hint_channels, width, kernel, 2, 1, bias=biased)])
        self.decoder = nn.ModuleList([nn.Sequential(up(), double(2 * width, out_channels), nn.Tanh())])
        for level in range(1, num_downs):
            innermost = level == num_downs - 1
            above, here = channels[level - 1 : level + 1]
            normed = norm if norm_innermost or not innermost else None
            self.encoder.append(down_block(down(), above, here, kernel, normed, biased))
            larger = double(here if innermost else 2 * here, above, bias=biased)
            drops = level >= UNDROPPED and not innermost
            self.decoder.insert(0, up_block(up(), larger, make_norm(norm, above), dropout if drops else 0))
        self.receptive_radius = self._field().radius
        initialize(self, init, init_gain)

    def forward(self, source: Tensor, *, hint: Tensor | None = None) -> Tensor:
        """source (B, in_channels, H, W) in [-1, 1] and hint (B, hint_channels, H, W) to (B, out_channels, H, W).

        Raises:
            ConfigError: the size does not divide by `size_multiple`.
            DataError: a hint of another shape, or a picture too small for the innermost norm.
        """
        name = type(self).__name__
        check_size(source, self.size_multiple, name)
        check_variance(self.encoder[-1], source, self.size_multiple, name)
        maps = self._down(with_hint(source, hint, self.hint_channels))
        x = maps.pop()
        for block in self.decoder:
            x = block(x)
            if maps:
                x = torch.cat([maps.pop(), x], 1)
        return x

    def _down(self, x: Tensor) -> list[Tensor]:
        maps = []
        for block in self.encoder:
            x = block(x)
            maps.append(x)
        return maps

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
