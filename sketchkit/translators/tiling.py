"""Pictures too large to be seen at once: translated in overlapping tiles, in memory that does not grow with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sketchkit.errors import ConfigError
from sketchkit.translators.padding import PaddedGenerator
from sketchkit.translators.protocol import InferenceProtocol


def exactly_tiled(backbone: nn.Module, protocol: InferenceProtocol) -> str | None:
    """None where tiles give the very picture that the network makes of the whole; else the reason, for people."""
    layers = list(backbone.modules())
    if protocol.norm == "batch" and any(isinstance(layer, _NormBase) for layer in layers):
        return "its norms take the statistics of the picture itself (test_norm='batch')"
    if protocol.drops_in(backbone):
        return "its dropout is on, and drops by the tile (test_dropout=True)"
    if _radius(backbone) is not None:
        return None
    if any(_takes_statistics(layer) for layer in layers):
        return "its norms take statistics over the whole picture"
    return "a part of its network looks at the whole picture, or does not say how far it looks"


def smallest_tile(backbone: nn.Module) -> int | None:
    """The side of the smallest tile of which something is exact, in pixels; None where the whole picture is seen."""
    radius, multiple = _radius(backbone), _multiple(backbone)
    return None if radius is None else _up(2 * radius, multiple) + multiple


class TiledGenerator(PaddedGenerator):
    """A `PaddedGenerator` whose network sees at most `tile` x `tile` pixels at once.

    Tiles begin at multiples of `size_multiple` and have the backbone's `receptive_radius` around what is taken of them:
    the picture is that of the whole, but for the rounding of sums. Source and picture stay where the source is, on the
    CPU perhaps, and tiles go to the network and back one by one. What the network could remember for the next noise
    is not kept.

    Args:
        backbone, batch, protocol: as of `PaddedGenerator`; the network is in eval mode.
        tile: side of what the network sees at once, context included; rounded down to `size_multiple`.
        insist: use tiles even where they are not exact; see `exactly_tiled`. Neighbors then share `overlap` pixels or a
            few more, over which one fades into the other.

    Raises:
        ConfigError: what `PaddedGenerator` refuses; or the picture takes more than one tile, and tiles are not exact
            and not insisted on, or are too small: says the smallest that works.
    """

    def __init__(
        self,
        backbone: nn.Module,
        batch: Mapping[str, Any],
        protocol: InferenceProtocol | None = None,
        *,
        tile: int,
        insist: bool = False,
        overlap: int = 64,
    ) -> None:
        super().__init__(backbone, batch, protocol)
        self._device = next(backbone.parameters(), self.source).device
        reason, multiple = exactly_tiled(backbone, self.protocol), _multiple(backbone)
        size = self.source.shape[-2:]
        side = tile // multiple * multiple
        if max(size) > side:
            self._check(tile, reason, insist)
        radius = None if reason else _radius(backbone)
        spans = partial(_fading, overlap=overlap) if radius is None else partial(_cut, radius=radius)
        self._rows, self._columns = (spans(length, min(side, length), multiple) for length in size)

    def __call__(self, noise: Tensor | None = None) -> Tensor:
        """The pictures (B, Ct, H, W) in float32, where the source is; `noise` as of `PaddedGenerator`."""
        batch, _, *size = self.source.shape
        picture = self.source.new_zeros(batch, self.backbone.out_channels, *size, dtype=torch.float32)
        for rows in self._rows:
            for columns in self._columns:
                made = self._translate(rows.pixels, columns.pixels, noise).to(picture)
                weights = torch.outer(rows.weights, columns.weights).to(picture)
                picture[..., rows.pixels, columns.pixels] += made * weights
        height, width = self.size
        return picture[..., :height, :width]

    def _translate(self, rows: slice, columns: slice, noise: Tensor | None) -> Tensor:
        def there(whole: Tensor) -> Tensor:
            return (whole[..., rows, columns] if whole.dim() == 4 else whole).to(self._device)

        source, conditions = there(self.source), {name: there(value) for name, value in self.conditions.items()}
        if not self.takes_noise:
            return self.backbone(source, **conditions)
        assert noise is not None
        state = self.backbone.encode(source, **conditions)
        return self.backbone.decode(state, self._noise_of_tile(rows, columns, noise).to(self._device))

    def _noise_of_tile(self, rows: slice, columns: slice, noise: Tensor) -> Tensor:
        """The part of a map whose pixels each stand for as many of the picture; whole what is of one size for all."""
        wanted = tuple(self.backbone.noise_shape(rows.stop - rows.start, columns.stop - columns.start))
        if wanted == noise.shape[1:]:
            return noise
        for dim, pixels in ((-2, rows), (-1, columns)):
            scale = self.source.shape[dim] // noise.shape[dim]
            noise = noise.narrow(dim, pixels.start // scale, (pixels.stop - pixels.start) // scale)
        return noise

    def _check(self, tile: int, reason: str | None, insist: bool) -> None:
        name, longest = type(self.backbone).__name__, max(self.source.shape[-2:])
        if reason and not insist:
            raise ConfigError(
                f"{name} does not make the same picture in tiles: {reason}: work at a smaller size (--size), see "
                f"{longest} pixels at once (--tile-size), or use tiles all the same (--tile)"
            )
        multiple = _multiple(self.backbone)
        least = min(longest, 2 * multiple if reason else smallest_tile(self.backbone) or longest)
        if tile < least:
            sees = "its size_multiple" if reason else f"{_radius(self.backbone)} pixels around what it draws"
            raise ConfigError(f"a tile of {tile} is too small for {name}, which needs {sees}: give {least} or more")


class _Span(NamedTuple):
    """Along one side of the picture: the pixels of a tile, and how much each counts in the picture."""

    pixels: slice
    weights: Tensor


def _cut(length: int, side: int, multiple: int, radius: int) -> list[_Span]:
    """Tiles of which each pixel of the picture is taken once, `radius` or more from where the tile was cut off."""
    starts = _starts(length, side, _up(2 * radius, multiple), multiple)
    cuts = [0, *(start + radius for start in starts[1:]), length]
    place = torch.arange(length)
    return [
        _Span(slice(start, start + side), ((begin <= place) & (place < end))[start : start + side].float())
        for start, (begin, end) in zip(starts, pairwise(cuts), strict=True)
    ]


def _fading(length: int, side: int, multiple: int, overlap: int) -> list[_Span]:
    """Tiles whose weights rise and fall over `overlap` pixels, and add up to one."""
    shared = min(_up(overlap, multiple), side // 2 // multiple * multiple)
    place = torch.arange(side)
    rising = torch.minimum(place + 1, side - place).clamp(max=shared + 1).float()
    pixels = [slice(start, start + side) for start in _starts(length, side, shared, multiple)]
    total = torch.zeros(length)
    for one in pixels:
        total[one] += rising
    return [_Span(one, rising / total[one]) for one in pixels]


def _starts(length: int, side: int, shared: int, multiple: int) -> list[int]:
    """Where tiles begin that cover the length evenly, `shared` pixels or more of each its neighbor's too."""
    if length <= side:
        return [0]
    last = math.ceil((length - side) / (side - shared))
    return [(length - side) * number // last // multiple * multiple for number in range(last + 1)]


def _takes_statistics(layer: nn.Module) -> bool:
    if isinstance(layer, _NormBase):
        return not layer.track_running_stats
    return isinstance(layer, nn.GroupNorm | nn.LayerNorm)


def _radius(backbone: Any) -> int | None:
    return getattr(backbone, "receptive_radius", None)


def _multiple(backbone: Any) -> int:
    return getattr(backbone, "size_multiple", 1)


def _up(pixels: int, multiple: int) -> int:
    return -(-pixels // multiple) * multiple
