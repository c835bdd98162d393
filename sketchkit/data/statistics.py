"""Mean and range of a data set's images, for the normalisation by (max - mean, mean - min)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from sketchkit.errors import DataError


class ImageStatistics(NamedTuple):
    """Over all pixels and channels, values in [0, 1]."""

    mean: float
    minimum: float
    maximum: float


class _Running:
    """Exact integer sums, so that the order of the samples does not matter."""

    def __init__(self) -> None:
        self.total, self.count, self.low, self.high = 0, 0, 255, 0

    def add(self, image: Tensor) -> None:
        self.total += int(image.sum(dtype=torch.int64))
        self.count += image.numel()
        self.low, self.high = min(self.low, int(image.min())), max(self.high, int(image.max()))

    def result(self) -> ImageStatistics:
        return ImageStatistics(self.total / self.count / 255, self.low / 255, self.high / 255)


def image_statistics(
    dataset: Dataset[dict[str, Any]], keys: Sequence[str] = ("source", "target")
) -> dict[str, ImageStatistics]:
    """One pass over the samples' uint8 images of any size, one sample in memory at a time.

    Raises:
        DataError: the data set is empty, or an image is not uint8.
    """
    running = {key: _Running() for key in keys}
    length = len(dataset)  # type: ignore[arg-type]
    if length == 0:
        raise DataError("no statistics of an empty data set")
    for index in range(length):
        sample = dataset[index]
        for key in keys:
            if sample[key].dtype != torch.uint8:
                raise DataError(f"statistics need uint8 images, '{key}' is {sample[key].dtype}: leave ToDtype out")
            running[key].add(sample[key])
    return {key: values.result() for key, values in running.items()}
