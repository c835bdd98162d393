"""How far a network sees: the pixels of the source on which one pixel of a map depends, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import reduce, singledispatch
from typing import NamedTuple

from torch import nn


class ReceptiveField(NamedTuple):
    """Pixel i of a map depends on no pixels of the source but `scale` i - `before` to `scale` i + `after`, both ways.

    scale: how many pixels of the source lie between two of the map's. before, after: infinite where the map depends on
    the whole picture. A picture that is mirrored, repeated or filled up with zeros at its borders is no wider for that.
    """

    scale: int = 1
    before: float = 0
    after: float = 0

    def window(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> ReceptiveField:
        """After a convolution or a pooling."""
        reach = dilation * (kernel - 1)
        after = self.after + self.scale * max(0, reach - padding)
        return ReceptiveField(self.scale * stride, self.before + self.scale * padding, after)

    def enlarged(self, phases: Iterable[tuple[int, int]]) -> ReceptiveField:
        """After a layer that makes n pixels of each: n pairs (first, last) of what each of these looks at, from i on.

        Nearest doubling has (0, 0), (0, 0); bilinear doubling, whose pixels lie between two, (-1, 0), (0, 1).
        """
        phases = list(phases)
        scale = self.scale // len(phases)
        before = max(scale * phase - self.scale * first for phase, (first, _) in enumerate(phases))
        after = max(self.scale * last - scale * phase for phase, (_, last) in enumerate(phases))
        return ReceptiveField(scale, self.before + max(0, before), self.after + max(0, after))

    def joined(self, *others: ReceptiveField) -> ReceptiveField:
        """Of maps of one size that are added, multiplied or concatenated."""
        every = (self, *others)
        return ReceptiveField(self.scale, max(one.before for one in every), max(one.after for one in every))

    def whole(self) -> ReceptiveField:
        """After what takes numbers of the whole map."""
        return self._replace(before=math.inf, after=math.inf)

    @property
    def radius(self) -> int | None:
        """A backbone's `receptive_radius`."""
        widest = max(self.before, self.after)
        return None if math.isinf(widest) else int(widest)


@singledispatch
def field_after(layer: nn.Module, field: ReceptiveField) -> ReceptiveField:
    """The field after a layer, from that of what goes in; a new kind of layer registers a function of its own.

    A layer that keeps the size may have `receptive_radius`, the pixels of its input that it looks past one, instead:
    0 of what works on each pixel by itself. One that says nothing counts as looking at the whole picture.
    """
    radius = getattr(layer, "receptive_radius", None)
    return field.whole() if radius is None else field.window(2 * radius + 1, padding=radius)


def field_through(layers: Iterable[nn.Module], field: ReceptiveField) -> ReceptiveField:
    """The field after layers that follow each other."""
    return reduce(lambda so_far, layer: field_after(layer, so_far), layers, field)


def unchanged(layer: nn.Module, field: ReceptiveField) -> ReceptiveField:
    """What works on each pixel by itself."""
    return field


for _kind in (nn.Identity, nn.modules.dropout._DropoutNd):
    field_after.register(_kind, unchanged)


@field_after.register
def _(layers: nn.Sequential, field: ReceptiveField) -> ReceptiveField:
    return field_through(layers, field)


@field_after.register
def _(conv: nn.Conv2d, field: ReceptiveField) -> ReceptiveField:
    if isinstance(conv.padding, str) or conv.padding_mode == "circular":
        return field.whole()
    rows, columns = (field.window(*axis) for axis in _axes(conv, conv.padding))
    return rows.joined(columns)


@field_after.register
def _(conv: nn.ConvTranspose2d, field: ReceptiveField) -> ReceptiveField:
    assert not isinstance(conv.padding, str)  # torch refuses it
    rows, columns = (field.enlarged(_transposed(*axis)) for axis in _axes(conv, conv.padding))
    return rows.joined(columns)


def _axes(conv: nn.Conv2d | nn.ConvTranspose2d, padding: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Kernel, stride, padding and dilation of each direction."""
    return zip(conv.kernel_size, conv.stride, padding, conv.dilation, strict=True)


def _transposed(kernel: int, stride: int, padding: int, dilation: int) -> list[tuple[int, int]]:
    """Pixel o of the output sums those i of the input with o = stride i - padding + (0 .. reach)."""
    reach = dilation * (kernel - 1)
    # The pixels of phase p, o = stride q + p, look from i - q = ceil((p + padding - reach) / stride) on.
    return [(-((reach - padding - phase) // stride), (phase + padding) // stride) for phase in range(stride)]


@field_after.register
def _(layer: nn.Upsample, field: ReceptiveField) -> ReceptiveField:
    reaches = {"nearest": 0, "bilinear": 1, "bicubic": 2}
    if layer.scale_factor != 2 or layer.align_corners or layer.mode not in reaches:
        return field.whole()
    reach = reaches[layer.mode]
    return field.enlarged([(-reach, max(0, reach - 1)), (min(0, 1 - reach), reach)])
