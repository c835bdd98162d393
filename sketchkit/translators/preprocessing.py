"""Integers 0..255 on the host -> what the networks see on the device, and back to pictures in [-1, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from sketchkit.errors import ConfigError
from sketchkit.registry import MODELS
from sketchkit.translators.pictures import IMAGES


@MODELS.register_module()
class TranslationPreprocessor(BaseDataPreprocessor):
    """Moves a batch to the device and scales its pictures.

    Args:
        normalization: 'symmetric' maps 0..255 to [-1, 1]. 'centered' is the Sketch2Img report's: over values in [0, 1],
            subtract the data set's mean and divide by max(max - mean, mean - min), so that both ends stay in [-1, 1];
            the statistics are taken from the training data once and travel in the checkpoint.
    """

    def __init__(self, normalization: str = "symmetric") -> None:
        super().__init__(non_blocking=True)
        if normalization not in ("symmetric", "centered"):
            raise ConfigError(f"normalization is '{normalization}': symmetric or centered")
        self.normalization = normalization
        # Per picture kind: value in [0, 1] = offset + scale * normalised; 'symmetric' is (0.5, 0.5).
        start = 0.5 if normalization == "symmetric" else float("nan")
        for key in IMAGES:
            self.register_buffer(f"{key}_range", torch.full((2,), start))

    @property
    def needs_statistics(self) -> bool:
        """Whether `use_statistics` has still to be called."""
        return bool(self.source_range.isnan().any())

    def use_statistics(self, statistics: Mapping[str, tuple[float, float, float]]) -> None:
        """Take (mean, min, max) of each picture kind, over values in [0, 1]."""
        for key in IMAGES:
            mean, low, high = statistics[key]
            scale = max(high - mean, mean - low) or 1.0
            getattr(self, f"{key}_range").copy_(torch.tensor([mean, scale]))

    def forward(self, data: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """The batch on the device; `source`, `target` (B,C,H,W) uint8 0..255 become float32 in [-1, 1]."""
        batch = dict(self.cast_data(dict(data)))
        for key in IMAGES:
            if key in batch:
                batch[key] = self.normalize(batch[key], key)
        return with_hint(batch)

    def normalize(self, image: Tensor, key: str) -> Tensor:
        """0..255 -> the range the networks see."""
        offset, scale = getattr(self, f"{key}_range")
        return image.float().div(255.0).sub(offset).div(scale)

    def to_picture(self, image: Tensor, key: str, source: Tensor | None = None) -> Tensor:
        """What the networks see -> what people see, in [-1, 1], where 0..255 would be x / 127.5 - 1.

        `source` is the input behind the image, for preprocessors that need it.
        """
        if self.normalization == "symmetric":
            return image
        offset, scale = getattr(self, f"{key}_range")
        return image.mul(scale).add(offset).mul(2).sub(1).clamp(-1, 1)


def with_hint(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch with its colour hint, where it has one, from straight RGBA 0..255 to (B, 4, H, W) float: RGB in
    [-1, 1] times alpha, and alpha in [0, 1]; so that no hint is all zeros."""
    if "hint" not in batch:
        return batch
    rgba = batch["hint"].float().div(255.0)
    alpha = rgba[:, 3:]
    return {**batch, "hint": torch.cat([rgba[:, :3].mul(2).sub(1).mul(alpha), alpha], 1)}
