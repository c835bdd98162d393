"""Layers that a config writes as MMCV does, such as dict(type='GN', num_groups=8).

MMCV is imported when such a layer is met and no sooner: that takes two seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn

from sketchkit.errors import ConfigError
from sketchkit.registry import MODELS

from .receptive import ReceptiveField, field_after, unchanged

Layer = Mapping[str, Any]


def entry_of(layer: Layer) -> Any:
    """What `layer['type']` names: a layer of MMCV's, or one registered in mmengine's or sketchkit's MODELS.

    Raises:
        ConfigError: no name, or an unknown one; it is looked up and never imported.
    """
    _import_mmcv()
    name = layer.get("type")
    if not isinstance(name, str):
        raise ConfigError("give the name of a layer as its type")
    return MODELS.get(name)


@cache
def _import_mmcv() -> None:
    """Register MMCV's layers, and how far those see that are not torch's."""
    import mmcv.cnn
    from mmcv.cnn.bricks.activation import Clamp
    from mmcv.cnn.bricks.upsample import PixelShufflePack

    for kind in (Clamp, mmcv.cnn.HSigmoid, mmcv.cnn.Swish):
        field_after.register(kind, unchanged)
    field_after.register(PixelShufflePack, _after_shuffle)


def _after_shuffle(layer: Any, field: ReceptiveField) -> ReceptiveField:
    return field_after(layer.upsample_conv, field).enlarged([(0, 0)] * layer.scale_factor)


def options_of_layer(layer: Layer) -> dict[str, Any]:
    """What the dict says beside the type."""
    return {name: value for name, value in layer.items() if name != "type"}


@contextmanager
def explained(option: str, layer: Layer) -> Iterator[None]:
    """Say of whatever goes wrong while a layer is built and tried where it is written; a layer may raise anything.

    Raises:
        ConfigError: the option, the dict, and what was wrong, in one line.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{option}={dict(layer)}: {reason}") from error


@torch.no_grad()
def try_on_maps(layer: nn.Module, given: Sequence[int], expected: Sequence[int]) -> nn.Module:
    """The layer, which makes of maps (1, *given) maps (1, *expected).

    Raises:
        ValueError: maps of another shape; a layer that cannot take such maps raises what it likes.
    """
    made = layer.eval()(torch.zeros(1, *given)).shape
    if made != (1, *expected):
        raise ValueError(f"the layer makes {tuple(made)} of (1, {', '.join(map(str, given))}), not {(1, *expected)}")
    return layer.train()
