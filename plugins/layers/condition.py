"""Layers that look at more than the maps they work on: the source, the class, the noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .receptive import ReceptiveField, field_after, unchanged


@dataclass(frozen=True)
class Condition:
    """What a picture is to be made of, for the layers that ask.

    source: (B, C, H, W), as the first layer sees it. label: (B,). noise: (B, N). told: what layers have made of the
    source, by layer and whether with gradients, where pictures of other noises need not make it again.
    """

    source: Tensor
    label: Tensor | None = None
    noise: Tensor | None = None
    told: dict[tuple[nn.Module, bool], Any] | None = None

    def of_source(self, layer: nn.Module, make: Callable[[Tensor], Any]) -> Any:
        """What `make` makes of the source for that layer; once for all noises, where `told` remembers it."""
        if self.told is None:
            return make(self.source)
        key = (layer, torch.is_grad_enabled())
        if key not in self.told:
            self.told[key] = make(self.source)
        return self.told[key]


class Conditioned(nn.Module):
    """A layer that is called with its maps and with what it looks at: a field of `Condition`, or all of it (None)."""

    looks_at: ClassVar[str | None] = None


class ConditionedSequential(nn.Sequential):
    """Layers one after another; those that are `Conditioned` are given what they look at."""

    def forward(self, x: Tensor, condition: Condition) -> Tensor:  # type: ignore[override]
        """Maps (B, C, H, W) through all layers."""
        for layer in self:
            x = conditioned(layer, x, condition)
        return x


def conditioned(layer: nn.Module, x: Tensor, condition: Condition) -> Tensor:
    """What a layer makes of maps, given what it looks at."""
    if isinstance(layer, ConditionedSequential):
        return layer(x, condition)
    if not isinstance(layer, Conditioned):
        return layer(x)
    return layer(x, condition if layer.looks_at is None else getattr(condition, layer.looks_at))


class NoiseShift(Conditioned):
    """Adds to each channel a number that a linear map makes of the noise: x + W z, with W ~ N(0, 1 / N) at the start.

    Before a convolution it is what noise maps beside the features are (Zhu et al., "Toward multimodal image-to-image
    translation", NeurIPS 2017, figure 3b). Its place is behind a norm and before the activation: a norm over the
    picture takes a shift away again.
    """

    looks_at = "noise"

    def __init__(self, noise_channels: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, noise_channels) / noise_channels**0.5)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """x (B, channels, H, W) and noise (B, noise_channels) to the shape of x."""
        return x + F.linear(noise.to(x.dtype), self.weight.to(x.dtype))[:, :, None, None]


class LabelShift(Conditioned):
    """Adds to each channel a number learned of the class, N(0, 1) at the start, as class maps beside the features do.

    Beside the picture itself such maps would be lost where a norm over the picture comes after the first convolution.
    """

    looks_at = "label"

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.table = nn.Embedding(num_classes, channels)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """x (B, channels, H, W) and label (B,) to the shape of x."""
        return x + self.table(label)[:, :, None, None].to(x.dtype)


def shifts(num_classes: int, noise_channels: int, channels: int) -> list[nn.Module]:
    """The layers that tell maps of the class, and of the noise; none where there is no such thing."""
    found: list[nn.Module] = [LabelShift(num_classes, channels)] if num_classes else []
    return [*found, NoiseShift(noise_channels, channels)] if noise_channels else found


for _kind in (NoiseShift, LabelShift):
    field_after.register(_kind, unchanged)


class SpatiallyAdaptiveNorm(Conditioned):
    """Batch norm whose scale and shift are maps that convolutions make of the source (SPADE: Park et al., CVPR 2019).

    y = norm(x) * (1 + gamma(source)) + beta(source), arXiv 1903.07291, eq. 1 and appendix A: a 3 x 3 convolution, ReLU,
    and a 3 x 3 convolution for gamma and for beta. The paper's hidden maps are 128 and its source is resized to the
    nearest; here they are as many as the channels, 128 at most, and the source is averaged, so that no line is lost.
    """

    def __init__(self, channels: int, source_channels: int) -> None:
        super().__init__()
        hidden = min(channels, 128)
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.maps = nn.Sequential(
            nn.Conv2d(source_channels, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 2 * channels, 3, padding=1)
        )

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """x (B, channels, h, w) to its shape; the condition's source is (B, source_channels, n h, n w)."""

        def make(source: Tensor) -> tuple[Tensor, ...]:
            averaged = F.avg_pool2d(source, source.shape[-1] // x.shape[-1])
            return self.maps(averaged.to(x.dtype)).chunk(2, 1)

        gamma, beta = condition.of_source(self, make)
        return torch.addcmul(beta, self.norm(x), 1 + gamma)


@field_after.register
def _(norm: SpatiallyAdaptiveNorm, field: ReceptiveField) -> ReceptiveField:
    return field.joined(field_after(norm.maps, ReceptiveField(field.scale, 0, field.scale - 1)))


class SelfAttention(nn.Module):
    """Each place adds to itself what it finds at all others (Zhang et al., ICML 2019, SAGAN, eq. 1 to 3).

    y = x + gamma V softmax(Q^T K), with 1 x 1 convolutions of x to C / 8 channels for Q and K and C / 2 for V, which a
    last one brings back to C; gamma is 0 at the start.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        few, half = max(1, channels // 8), max(1, channels // 2)
        self.query, self.key, self.value = (nn.Conv2d(channels, n, 1, bias=False) for n in (few, few, half))
        self.out = nn.Conv2d(half, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, channels, H, W) to the same shape."""
        query, key, value = (one(x).flatten(2).mT.contiguous() for one in (self.query, self.key, self.value))
        # torch would divide by the root of the channels, which the paper does not.
        found: Any = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return x + self.gamma * self.out(found.mT.unflatten(2, x.shape[-2:]))
