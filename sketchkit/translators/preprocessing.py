"""Integers 0..255 on the host -> what the networks see on the device, and back to pictures in [-1, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from sketchkit.declared import Choices
from sketchkit.options import one_of
from sketchkit.registry import MODELS
from sketchkit.translators.pictures import IMAGES

if TYPE_CHECKING:
    from sketchkit.data.statistics import ImageStatistics

NORMALIZATIONS = ("symmetric", "centered", "stretched")


@MODELS.register_module()
class TranslationPreprocessor(BaseDataPreprocessor):
    """Moves a batch to the device and scales its pictures.

    Args:
        normalization: 'symmetric' maps 0..255 to [-1, 1].
            'centered' is the Sketch2Img report's: over values in [0, 1], subtract each channel's mean over the data set
            and divide by the largest distance of any value from its channel's mean, one number for all channels, so
            that [-1, 1] holds them; the statistics are taken from the training data once and travel in the checkpoint.
            'stretched' is 'symmetric', but that the targets of a training are prepared as the published SketchyGAN's
            photos are; see `stretched`. In validation and use targets are the true ones.
    """

    def __init__(self, normalization: Annotated[str, Choices(NORMALIZATIONS)] = "symmetric") -> None:
        super().__init__(non_blocking=True)
        one_of("normalization", normalization, NORMALIZATIONS)
        self.normalization = normalization
        # Per picture kind: value in [0, 1] = mean + scale * normalised; 0.5 and 0.5 where nothing is to be centred.
        start = float("nan") if normalization == "centered" else 0.5
        for key in IMAGES:
            self.register_buffer(f"{key}_mean", torch.full((3,), start))
            self.register_buffer(f"{key}_scale", torch.full((), start))

    @property
    def needs_statistics(self) -> bool:
        """Whether `use_statistics` has still to be called."""
        return bool(self.source_scale.isnan())

    def use_statistics(self, statistics: Mapping[str, ImageStatistics]) -> None:
        """Take what `image_statistics` finds of each picture kind."""
        for key in IMAGES:
            found = statistics[key]
            ends = zip(found.mean, found.minimum, found.maximum, strict=True)
            getattr(self, f"{key}_mean").copy_(torch.tensor(found.mean))
            getattr(self, f"{key}_scale").fill_(max(max(high - mean, mean - low) for mean, low, high in ends) or 1.0)

    def forward(self, data: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """The batch on the device; `source`, `target` (B,C,H,W) uint8 0..255 become float32 in [-1, 1]."""
        batch = dict(self.cast_data(dict(data)))
        for key in IMAGES:
            if key in batch:
                is_stretched = training and key == "target" and self.normalization == "stretched"
                batch[key] = stretched(batch[key]) if is_stretched else self.normalize(batch[key], key)
        return with_hint(batch)

    def normalize(self, image: Tensor, key: str) -> Tensor:
        """0..255 -> the range the networks see."""
        mean, scale = self._center(key, image.shape[1])
        return image.float().div(255.0).sub(mean).div(scale)

    def to_picture(self, image: Tensor, key: str, source: Tensor | None = None) -> Tensor:
        """What the networks see -> what people see, in [-1, 1], where 0..255 would be x / 127.5 - 1.

        `source` is the input behind the image, for preprocessors that need it.
        """
        if self.normalization != "centered":
            return image
        mean, scale = self._center(key, image.shape[1])
        return image.mul(scale).add(mean).mul(2).sub(1).clamp(-1, 1)

    def _center(self, key: str, channels: int) -> tuple[Tensor, Tensor]:
        """The mean (C,1,1) and the scale of a picture kind; those of grey pictures are alike in all channels."""
        return getattr(self, f"{key}_mean")[:channels, None, None], getattr(self, f"{key}_scale")


def stretched(image: Tensor) -> Tensor:
    """0..255 -> [-1, 1) as the published SketchyGAN prepares a training's photos, (B,C,H,W).

    The contrast of each is changed by a factor of 0.8 to 1.2 about each channel's mean, without clipping; then
    (x - min) / (max - min + 1) over the picture, plus noise of up to 1/256. Its brightness, which is moved by up to 0.3
    of 255 levels there, is left: to stretch undoes that.
    """
    image = image.float()
    factor = torch.empty(len(image), 1, 1, 1, device=image.device).uniform_(0.8, 1.2)
    mean = image.mean((2, 3), keepdim=True)
    image = (image - mean) * factor + mean
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    image = (image - low) / (high - low + 1)
    return (image + torch.rand_like(image) / 256).mul(2).sub(1)


def with_hint(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch with its colour hint, where it has one, from straight RGBA 0..255 to (B, 4, H, W) float: RGB in
    [-1, 1] times alpha, and alpha in [0, 1]; so that no hint is all zeros."""
    if "hint" not in batch:
        return batch
    rgba = batch["hint"].float().div(255.0)
    alpha = rgba[:, 3:]
    return {**batch, "hint": torch.cat([rgba[:, :3].mul(2).sub(1).mul(alpha), alpha], 1)}
