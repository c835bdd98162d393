"""The masked residual unit of SketchyGAN (Chen and Hays, CVPR 2018, arXiv 1801.02753, section 3.2)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.options import one_of

from ..layers.activation import Activation, make_activation
from ..layers.conditional_norm import normalize
from ..layers.norm import Norm, make_norm
from ..layers.receptive import ReceptiveField, field_after, field_through

FORMS = ("paper", "student")


class ConvNormAct(nn.Module):
    """f(norm(Conv(x))) with a square kernel that keeps height and width."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        *,
        norm: Norm = None,
        num_classes: int = 0,
        activation: Activation = "leaky_relu",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.norm = make_norm(norm, out_channels, affine=True, num_classes=num_classes)
        self.activation = make_activation(activation, inplace=True)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Features (B, in_channels, H, W) to (B, out_channels, H, W)."""
        return self.activation(normalize(self.norm, self.conv(x), label))


@field_after.register
def _(block: ConvNormAct, field: ReceptiveField) -> ReceptiveField:
    return field_through((block.conv, block.norm, block.activation), field)


class MRU(nn.Module):
    """A masked residual unit, with [a, b] a concatenation of channels and f = LeakyReLU(0.2), unless `activation` says.

    m = sigmoid(Conv([x, I])), z = f(norm(Conv([m * x, I]))), n = sigmoid(Conv([x, I])),
    y = (1 - n) * kept + n * z, kept = f(norm(Conv(x))).

    In the paper's variant kept = x where x has as many channels as y; the student's always convolves. Masks have no
    norm. Both read the same input and are computed as one convolution; each has its own weights, and under spectral
    norm its own largest singular value.

    Raises:
        ConfigError: an unknown variant, norm or activation.
    """

    def __init__(
        self,
        in_channels: int,
        image_channels: int,
        out_channels: int,
        *,
        variant: str = "paper",
        norm: Norm = None,
        num_classes: int = 0,
        activation: Activation = "leaky_relu",
    ) -> None:
        super().__init__()
        one_of("variant", variant, FORMS)
        block = partial(ConvNormAct, norm=norm, num_classes=num_classes, activation=activation)
        joint = in_channels + image_channels
        self.keep, self.mix = (nn.Conv2d(joint, channels, 3, padding=1) for channels in (in_channels, out_channels))
        self.new = block(joint, out_channels)
        self.kept: nn.Module | None = None
        if variant == "student" or in_channels != out_channels:
            self.kept = block(in_channels, out_channels)

    def forward(self, x: Tensor, image: Tensor, label: Tensor | None = None) -> Tensor:
        """Features x (B, in_channels, H, W) and image (B, image_channels, H, W) to (B, out_channels, H, W)."""
        image = image.to(x.dtype)  # under autocast a float32 image would make both concatenations float32
        keep, mix = self._masks(torch.cat([x, image], 1))
        new = self.new(torch.cat([keep * x, image], 1), label)
        kept = x if self.kept is None else self.kept(x, label)
        return torch.lerp(kept.to(new.dtype), new, mix.to(new.dtype))

    def _masks(self, joint: Tensor) -> tuple[Tensor, ...]:
        both = (self.keep, self.mix)
        weights, biases = [mask.weight for mask in both], [mask.bias for mask in both if mask.bias is not None]
        masks = F.conv2d(joint, torch.cat(weights), torch.cat(biases), padding=1).sigmoid()
        return masks.split([len(weight) for weight in weights], 1)


@field_after.register
def _(unit: MRU, field: ReceptiveField) -> ReceptiveField:
    """field: of x and the image together."""
    kept = field if unit.kept is None else field_after(unit.kept, field)
    return kept.joined(field_after(unit.new, field.joined(field_after(unit.keep, field))), field_after(unit.mix, field))
