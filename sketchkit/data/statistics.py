"""Mean and range of a data set's images, for a normalisation about the mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sketchkit.errors import DataError


class ImageStatistics(NamedTuple):
    """Over all pixels, a number for each channel, values in [0, 1]."""

    mean: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]


class _Running:
    """Exact integer sums, so that the order of the samples does not matter."""

    def __init__(self) -> None:
        self.total, self.low, self.high = torch.tensor(0), torch.tensor(255), torch.tensor(0)
        self.count = 0

    def add(self, image: Tensor) -> None:
        self.total = self.total + image.sum((1, 2), dtype=torch.int64)
        self.low = torch.minimum(self.low, image.amin((1, 2)))
        self.high = torch.maximum(self.high, image.amax((1, 2)))
        self.count += image[0].numel()

    def result(self) -> ImageStatistics:
        found = (self.total.double() / self.count, self.low.double(), self.high.double())
        return ImageStatistics(*(tuple((value / 255).tolist()) for value in found))


def image_statistics(
    dataset: Dataset[dict[str, Any]], keys: Sequence[str] = ("source", "target"), num_workers: int = 0
) -> dict[str, ImageStatistics]:
    """One pass over the samples' uint8 images of any size, a sample at a time, read by `num_workers` processes.

    Raises:
        DataError: the data set is empty, or an image is not uint8.
    """
    running = {key: _Running() for key in keys}
    if len(dataset) == 0:  # type: ignore[arg-type]
        raise DataError("no statistics of an empty data set")
    # A generator of its own: to read must draw nothing from the run's.
    for sample in DataLoader(dataset, batch_size=None, num_workers=num_workers, generator=torch.Generator()):
        for key in keys:
            if sample[key].dtype != torch.uint8:
                raise DataError(f"statistics need uint8 images, '{key}' is {sample[key].dtype}: leave ToDtype out")
            running[key].add(sample[key])
    return {key: values.result() for key, values in running.items()}
