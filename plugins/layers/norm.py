"""The norms of all networks, and which convolutions before them have a bias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sketchkit.errors import ConfigError, DataError
from sketchkit.options import check_options, one_of, options_of

from .condition import SpatiallyAdaptiveNorm
from .conditional_norm import ConditionalBatchNorm2d
from .mmcv_layers import Layer, entry_of, explained, options_of_layer, try_on_maps
from .receptive import ReceptiveField, field_after, unchanged

Norm: TypeAlias = str | Layer | None

NORMS = ("batch", "instance", None)
CONDITIONAL = "conditional_batch"
SPADE = "spade"


def make_norm(
    norm: Norm, channels: int, *, affine: bool = False, num_classes: int = 0, source_channels: int = 0
) -> nn.Module:
    """A norm of maps (B, channels, H, W): by one of the names in NORMS, or MMCV's.

    Where there are classes it may be CONDITIONAL too, and SPADE where a source can be looked at.

    affine: whether instance norm has a scale and a shift a channel, as in masked residual units; pix2pix's has none.
    Neither has running statistics. A dict is a layer of MMCV's, which speaks for itself.

    Raises:
        ConfigError: an unknown name, classes or a source that are not there, or a dict that makes no norm of such maps.
    """
    if isinstance(norm, Mapping):
        return _mmcv_norm(norm, channels)
    if norm == CONDITIONAL and not num_classes:
        raise ConfigError(f"norm='{CONDITIONAL}' looks at classes: set num_classes too, where there is that option")
    more = {CONDITIONAL: num_classes, SPADE: source_channels}
    one_of("norm", norm, (*(name for name, count in more.items() if count), *NORMS))
    if norm == CONDITIONAL:
        return ConditionalBatchNorm2d(channels, num_classes)
    if norm == SPADE:
        return SpatiallyAdaptiveNorm(channels, source_channels)
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.Identity() if norm is None else nn.InstanceNorm2d(channels, affine=affine)


def _mmcv_norm(norm: Layer, channels: int) -> nn.Module:
    from mmcv.cnn import build_norm_layer

    with explained("norm", norm):
        entry = entry_of(norm)
        # MMCV gives GroupNorm its channels by this name, all others as the first argument; and every norm its eps.
        counted = "num_channels" if entry is nn.GroupNorm else next(iter(options_of(entry)[0]), "num_features")
        options = {counted: channels, "eps": 1e-5, **options_of_layer(norm)}
        options.pop("requires_grad", None)  # MMCV's own: whether the layer learns
        check_options(entry, options)
        shape = (channels, 2, 3)
        layer = try_on_maps(build_norm_layer({**norm, "type": entry}, channels)[1], shape, shape)
        if isinstance(layer, nn.SyncBatchNorm) and get_world_size() > 1 and not torch.cuda.is_available():
            raise ValueError("torch synchronizes it on GPUs alone: train on those, in one process, or with 'BN'")
        return layer


@field_after.register
def _(norm: _NormBase, field: ReceptiveField) -> ReceptiveField:
    # In use batch and instance norm take running statistics where they keep them, else those of the picture.
    return field if norm.track_running_stats else field.whole()


field_after.register(ConditionalBatchNorm2d, unchanged)


def needs_bias(norm: Norm, bias: bool | None = None) -> bool:
    """Whether a convolution before `norm` has a bias: as `bias` says or, where that is None, unless the norm has one.

    Batch norm has, whatever it is conditioned on, and a layer of MMCV's whose option `affine` is on. Instance norm
    takes a bias away again, yet the reference code has it there.
    """
    if bias is not None:
        return bias
    return not _has_bias(norm) if isinstance(norm, Mapping) else norm not in ("batch", CONDITIONAL, SPADE)


def _has_bias(norm: Layer) -> bool:
    with explained("norm", norm):
        affine = options_of(entry_of(norm))[0].get("affine")
    return affine is not None and bool(norm.get("affine", affine.default))


def check_variance(block: nn.Module, picture: Tensor, shrinks: int, owner: str) -> None:
    """Refuse a picture (B, C, H, W) of which a block sees H / shrinks by W / shrinks, if its norm finds no variance.

    Raises:
        DataError: one value a channel. Running statistics can do with it; a synchronized norm may have others' values.
    """
    height, width = (side // shrinks for side in picture.shape[-2:])
    for norm in block.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.InstanceNorm2d) and (norm.training or not norm.track_running_stats):
            batch = isinstance(norm, nn.BatchNorm2d)
            if height * width * (len(picture) if batch else 1) == 1:
                kind, of = ("batch", " of a batch of one") if batch else ("instance", "")
                raise DataError(f"{owner}: {kind} norm cannot work on a map of 1x1{of}: give a picture twice as large")
