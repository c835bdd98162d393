"""What transforms of a sample share; torchvision is imported where a sample has its tensors, and not before."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean

# Pictures by their names, (C, H, W) uint8: in training torchvision's `tv_tensors.Image`, so that its transforms know
# them; in use plain tensors.
Sample = dict[str, Any]


def require(sample: Sample, key: str, transform: str) -> None:
    """Refuse a sample without what a transform works on.

    Raises:
        ConfigError: names the transform, the key, and the closest that the sample has.
    """
    if key not in sample:
        raise ConfigError(f"{transform}: a sample has no '{key}': {did_you_mean(key, sample)}")


def as_picture(pixels: Tensor) -> Tensor:
    """Pixels as torchvision's transforms know pictures."""
    from torchvision import tv_tensors

    return tv_tensors.Image(pixels)


def like(pixels: Tensor, before: Tensor) -> Tensor:
    """Pixels of the kind of tensor that they were made of."""
    return pixels.as_subclass(Tensor) if type(before) is Tensor else as_picture(pixels)
