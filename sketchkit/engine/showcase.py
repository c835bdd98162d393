"""The same few samples of a data set, shown again and again: in the grids of a run, and in the picture of a sweep."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sketchkit.data.base import collate_pictures


class Showcase:
    """Samples spread evenly over a data set, in one batch where they are of one size, else each by itself."""

    def __init__(self, dataset: Any, samples: int) -> None:
        self.is_paired: bool = dataset.is_paired
        count = min(samples, len(dataset))
        chosen = [dataset[i * len(dataset) // count] for i in range(count)]
        sizes = {tuple(value.shape for value in sample.values() if isinstance(value, Tensor)) for sample in chosen}
        batches = [chosen] if len(sizes) == 1 else [[sample] for sample in chosen]
        self.batches = [collate_pictures(batch) for batch in batches]

    def shown_by(self, model: Any) -> dict[str, Any]:
        """What the model's `val_step` shows of the samples, which are all brought to the size of the first output.

        Returns the pictures there are by their names, (B, C, H, W) in [-1, 1]; and `key`, the samples' names.
        """
        parts = [model.val_step(batch)[0] for batch in self.batches]
        size = parts[0]["fake"].shape[-2:]
        names = [name for name, value in parts[0].items() if isinstance(value, Tensor) and value.ndim == 4]
        shown = {name: torch.cat([_sized(part[name], size) for part in parts]) for name in names}
        return {**shown, "key": [key for part in parts for key in part["key"]]}


def _sized(image: Tensor, size: torch.Size) -> Tensor:
    return image if image.shape[-2:] == size else F.interpolate(image, size)
