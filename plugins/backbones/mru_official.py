"""The two masked residual units of SketchyGAN's released TensorFlow code: v3 (encoder, discriminator), v2 (decoder).

Neither resamples: the networks pool after a v3 unit and upsample before a v2 unit.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers.activation import Activation, make_activation
from ..layers.conditional_norm import ConditionalBatchNorm2d, normalize
from ..layers.initialize import initialize
from ..layers.norm import CONDITIONAL, Norm, make_norm
from .mru import ConvNormAct


def minmax_gate(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """LeakyReLU(0.2) of x (B, C, H, W), stretched over height and width to [0, 1], per sample and channel.

    The released code divides by max - min alone, which is NaN on a constant map; with epsilon such a gate is 0.
    """
    x = F.leaky_relu(x, 0.2)
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return (x - low) / (high - low + epsilon)


class NormAct(nn.Module):
    """f(norm(x))."""

    def __init__(self, channels: int, norm: Norm, num_classes: int, activation: Activation) -> None:
        super().__init__()
        self.norm = make_norm(norm, channels, affine=True, num_classes=num_classes)
        # Not in place: without a norm it would write over the unit's input.
        self.activation = make_activation(activation)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Elementwise but for the norm; the shape is kept."""
        return self.activation(normalize(self.norm, x, label))


class MRUv3(nn.Module):
    """A pre-activation residual unit whose one gate admits features of the image.

    r = minmax(LeakyReLU(Conv([f(norm(x)), I]))), x' = x + r * Conv(I),
    y = x (Conv1x1(x) where the channels differ) + Conv(f(norm(Conv(f(norm(x')))))).
    """

    def __init__(
        self,
        in_channels: int,
        image_channels: int,
        out_channels: int,
        *,
        norm: Norm = CONDITIONAL,
        num_classes: int = 0,
        activation: Activation = "smooth_relu",
    ) -> None:
        super().__init__()
        self.before = NormAct(in_channels, norm, num_classes, activation)
        self.gate = nn.Conv2d(in_channels + image_channels, in_channels, 3, padding=1)
        self.image = nn.Conv2d(image_channels, in_channels, 3, padding=1)
        self.merged = NormAct(in_channels, norm, num_classes, activation)
        self.first = ConvNormAct(in_channels, out_channels, norm=norm, num_classes=num_classes, activation=activation)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, image: Tensor, label: Tensor | None = None) -> Tensor:
        """Features x (B, in_channels, H, W) and image (B, image_channels, H, W) to (B, out_channels, H, W)."""
        image = image.to(x.dtype)
        gate = minmax_gate(self.gate(torch.cat([self.before(x, label), image], 1)))
        merged = self.merged(x + gate * self.image(image), label)
        return self.shortcut(x) + self.second(self.first(merged, label))


class MRUv2(nn.Module):
    """A residual unit with two gates, r on the features and g on the mix.

    r, g = minmax(LeakyReLU(Conv([h, I]))), u = f(norm(Conv(f(norm(Conv([r * h, I])))))),
    y = (1 - g) * skip + g * u, skip = h, or f(norm(Conv1x1(h))) where the channels differ.
    """

    def __init__(
        self,
        in_channels: int,
        image_channels: int,
        out_channels: int,
        *,
        norm: Norm = CONDITIONAL,
        num_classes: int = 0,
        activation: Activation = "smooth_relu",
    ) -> None:
        super().__init__()
        block = partial(ConvNormAct, norm=norm, num_classes=num_classes, activation=activation)
        joint = in_channels + image_channels
        self.gate_channels = [in_channels, out_channels]
        self.gates = nn.Conv2d(joint, in_channels + out_channels, 3, padding=1)
        self.first = block(joint, out_channels)
        self.second = block(out_channels, out_channels)
        self.skip = None if in_channels == out_channels else block(in_channels, out_channels, 1)

    def forward(self, x: Tensor, image: Tensor, label: Tensor | None = None) -> Tensor:
        """Features x (B, in_channels, H, W) and image (B, image_channels, H, W) to (B, out_channels, H, W)."""
        image = image.to(x.dtype)
        keep, mix = minmax_gate(self.gates(torch.cat([x, image], 1))).split(self.gate_channels, 1)
        new = self.second(self.first(torch.cat([keep * x, image], 1), label), label)
        skip = x if self.skip is None else self.skip(x, label)
        return torch.lerp(skip.to(new.dtype), new, mix.to(new.dtype))


def initialize_official(network: nn.Module) -> None:
    """Draw the weights as released, in place, with biases 0 but for the gates of v3 units, which start at 0.5.

    Convolutions are N(0, 0.02), linear layers uniform within sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010),
    the scales of conditional batch norm 1 and its shifts 0.
    """
    initialize(network, norms=False)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
        elif isinstance(module, ConditionalBatchNorm2d):
            nn.init.ones_(module.gamma.weight)
            nn.init.zeros_(module.beta.weight)
        elif isinstance(module, MRUv3) and module.gate.bias is not None:
            nn.init.constant_(module.gate.bias, 0.5)
