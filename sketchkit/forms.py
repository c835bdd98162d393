"""Pictures in the forms that Python has them in: files, PIL images, arrays and tensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from PIL import Image

from sketchkit.data.image_io import image_to_straight, read_straight
from sketchkit.data.pixels import on_white
from sketchkit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

Picture: TypeAlias = Union[str, Path, Image.Image, np.ndarray, "Tensor"]
FORMS = ("pil", "array", "tensor")


def straight_of(picture: Picture, value_range: tuple[float, float] | None = None) -> np.ndarray:
    """A picture as (H, W, 3) uint8 RGB, or (H, W, 4) straight RGBA of a file or a PIL image with transparency.

    Args:
        picture: a path, a PIL image, an array (H, W) or (H, W, 3), or a tensor (C, H, W) of one channel or three.
        value_range: what black and white are in arrays and tensors of other types than uint8; beyond is clamped.

    Raises:
        DataError: a file cannot be read, it is nothing of the kind, or an array is of another form, or has no range.
        ConfigError: a range from which nothing can be told.
    """
    if isinstance(picture, str | Path):
        return read_straight(picture)
    if isinstance(picture, Image.Image):
        return image_to_straight(picture)
    is_tensor = not isinstance(picture, np.ndarray)
    array = np.asarray(picture) if isinstance(picture, np.ndarray) else _of_tensor(picture)
    pixels = _in_bytes(array, value_range, "a tensor" if is_tensor else "an array")
    if is_tensor:
        if pixels.ndim != 3 or pixels.shape[0] not in (1, 3):
            raise DataError(f"a tensor of shape {pixels.shape} is no picture: give (1, H, W) or (3, H, W)")
        pixels = pixels.transpose(1, 2, 0).squeeze(2) if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise DataError(f"an array of shape {array.shape} is no picture: give (H, W) or (H, W, 3)")
    return np.ascontiguousarray(pixels)


def as_rgb(picture: Picture, value_range: tuple[float, float] | None = None) -> np.ndarray:
    """As `straight_of`, what is transparent laid on white, (H, W, 3)."""
    return on_white(straight_of(picture, value_range))


def hint_of(strokes: Picture) -> Tensor:
    """Color strokes, a path, a PIL image in RGBA or an array (H, W, 4) uint8, as a hint (4, H, W).

    Raises:
        DataError: they are none.
    """
    from sketchkit.data.transforms.hints import hint_from_picture

    return hint_from_picture(strokes if isinstance(strokes, np.ndarray) else straight_of(strokes))


def given_as(pixels: np.ndarray, form: str) -> Any:
    """Pixels (H, W, C) uint8 as a PIL image, the array, or a tensor (C, H, W)."""
    if form == "pil":
        return Image.fromarray(pixels)
    if form == "array":
        return pixels
    import torch

    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _of_tensor(tensor: Any) -> np.ndarray:
    import torch

    if not isinstance(tensor, torch.Tensor):
        raise DataError(f"a {type(tensor).__name__} is no picture: give a path, a PIL image, an array or a tensor")
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
        raise DataError("a tensor that is sparse, quantized or without memory is no picture: give a plain one")
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    # numpy has not all of the short types.
    return (plain.float() if plain.is_floating_point() and plain.itemsize < 4 else plain).numpy()


def _in_bytes(array: np.ndarray, value_range: tuple[float, float] | None, what: str) -> np.ndarray:
    if array.dtype == np.uint8:
        if value_range is not None:
            raise ConfigError("value_range is for numbers of other types than uint8, which is 0 to 255: leave it out")
        return array
    if value_range is None:
        raise DataError(
            f"{what} of {array.dtype} has no range of its own: give uint8, 0 to 255, or a value_range such as (0, 1)"
        )
    if array.dtype.kind not in "buif":
        raise DataError(f"{what} of {array.dtype} holds no levels: give numbers")
    low, high = _limits(value_range)
    if not np.isfinite(array).all():
        raise DataError(f"{what} holds numbers that are not finite: mend what made it")
    return np.rint((array.astype(np.float64) - low).clip(0, high - low) * (255 / (high - low))).astype(np.uint8)


def _limits(value_range: Any) -> tuple[float, float]:
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError, OverflowError):
        low = high = float("nan")
    # Farther apart, or nearer, their distance is no number to divide by.
    if not (low < high and 1e-30 < high - low < 1e30):
        raise ConfigError(f"value_range={value_range!r}: give black and white, such as (0, 1) or (-1, 1)")
    return low, high
