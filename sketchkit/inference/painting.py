"""Style transfer by a config: pictures in, a picture out, an iteration at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from torch import Tensor

from sketchkit.errors import ConfigError
from sketchkit.inference.loading import usable_device
from sketchkit.registry import MODELS
from sketchkit.translators.base import Painter, Stroke
from sketchkit.translators.sizes import fit, resize, shape


def paint(
    settings: Config,
    content: np.ndarray,
    styles: Sequence[np.ndarray],
    size: int = 512,
    style_weights: Sequence[float] | None = None,
    seed: int = 0,
    optimizer: Mapping[str, Any] | None = None,
    device: str | None = None,
) -> Iterator[Stroke]:
    """Paint content (H, W, 3) uint8 RGB in the style of others.

    Args:
        settings: a resolved config whose translator is a `Painter`.
        content, styles: pictures of any sizes.
        size: the longer side of what is painted at most, in pixels; 0 keeps the content's size.
        style_weights: a share for each style; default: equal ones.
        seed: of what is drawn at random.
        optimizer: config of an optimizer instead of the config's own, with its decay.
        device: where to compute; default: a GPU when there is one.

    Raises:
        ConfigError: the config does not paint, the device cannot be used, or see `Painter.paint`.
        WeightsError: the network's weights cannot be had.
    """
    where = usable_device(device or get_device())
    painter = _build(settings, optimizer).to(where)
    first, *others = [_scaled(picture, size if place == 0 else 0) for place, picture in enumerate([content, *styles])]
    return painter.paint(first.to(where), [style.to(where) for style in others], style_weights, seed)


def pixels_of(stroke: Stroke) -> np.ndarray:
    """What a stroke shows as (H, W, 3) uint8 RGB."""
    return ((stroke.picture()[0] + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()


def _build(settings: Config, optimizer: Mapping[str, Any] | None) -> Painter:
    recipe = dict(settings.get("translator") or {})
    entry = MODELS.get(recipe["type"]) if "type" in recipe else None
    if entry is None or not issubclass(entry, Painter):
        raise ConfigError(f"{settings.filename} does not paint: its translator is no Painter, such as StyleTranslator")
    recipe["generator_losses"] = settings.get("generator_losses")
    if optimizer and optimizer["type"] != (recipe.get("optimizer") or {}).get("type"):
        recipe.update(optimizer=optimizer, decay=None)
    return MODELS.build(recipe)


def _scaled(picture: np.ndarray, side: int) -> Tensor:
    """(1, 3, H, W) in [-1, 1], made smaller where it is larger than `side`, unless that is 0."""
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    return resize(image, fit(shape(image), side)) if 0 < side < max(shape(image)) else image
