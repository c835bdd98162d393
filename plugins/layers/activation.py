"""The activations of all networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from torch import Tensor, nn

from sketchkit.options import check_options, one_of, options_of

from .mmcv_layers import Layer, entry_of, explained, options_of_layer, try_on_maps
from .receptive import field_after, unchanged

Activation: TypeAlias = str | Layer


class SmoothReLU(nn.Module):
    """(x + sqrt((1 - mu)^2 + x^2)) / 2 with mu = 0.7: a ReLU without a kink, the released SketchyGAN generator's."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise; the shape is kept."""
        return (x + (x * x + 0.09).sqrt()) / 2


# Those that have a name here, and what MMCV takes of torch's.
for _kind in (
    SmoothReLU, nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.GELU,
    nn.Hardswish,
):  # fmt: skip
    field_after.register(_kind, unchanged)

# Each is told whether it may work in place, which the last two never do.
ACTIVATIONS: Mapping[str, Callable[[bool], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
    "prelu": lambda _: nn.PReLU(init=0.2),
    "smooth_relu": lambda _: SmoothReLU(),
}


def make_activation(activation: Activation, *, inplace: bool = False) -> nn.Module:
    """An activation by one of the names in ACTIVATIONS, of slope 0.2 below zero where it has one; a dict is MMCV's.

    inplace: whether it may write over what it is given; the network knows that, and no config.

    Raises:
        ConfigError: an unknown name, or a dict that makes no activation.
    """
    if isinstance(activation, Mapping):
        return _mmcv_activation(activation, inplace)
    one_of("activation", activation, ACTIVATIONS)
    return ACTIVATIONS[activation](inplace)


def _mmcv_activation(activation: Layer, inplace: bool) -> nn.Module:
    from mmcv.cnn import build_activation_layer

    with explained("activation", activation):
        entry, options = entry_of(activation), options_of_layer(activation)
        check_options(entry, options)
        if "inplace" in options_of(entry)[0]:
            options["inplace"] = inplace
        shape = (1, 2, 3)  # of any number of channels: one stands for all
        return try_on_maps(build_activation_layer({**options, "type": entry}), shape, shape)
