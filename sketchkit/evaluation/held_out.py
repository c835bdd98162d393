"""What a validation during training measures on held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from torch import Tensor

from sketchkit.registry import METRICS


@METRICS.register_module()
class HeldOutMetric(BaseMetric):
    """`held_out/l1` and `held_out/diversity`, means over the samples; pictures in [-1, 1].

    l1: mean |output - truth| over the pixels. diversity: mean |output - second output| over the pixels, the second one
    from another noise; left out where the generator takes none.
    """

    default_prefix = "held_out"

    def __init__(self) -> None:
        # mmengine's other way, through files, leaves a folder in the working directory.
        super().__init__(collect_device="gpu")

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Take one batch of `val_step`'s pictures."""
        for shown in data_samples:
            rows = {"l1": _distance(shown["fake"], shown["target"])}
            if shown["fake_alt"] is not None:
                rows["diversity"] = _distance(shown["fake"], shown["fake_alt"])
            self.results.extend(dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True))

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        """The means over all samples of all processes."""
        return {name: sum(row[name] for row in results) / len(results) for name in results[0]}


@METRICS.register_module()
class CycleMetric(BaseMetric):
    """`held_out/cycle` and `held_out/cycle_back`: mean |picture - picture translated there and back|, in [-1, 1].

    Unpaired pictures have no truth to compare with: this is what can be measured without a network.
    """

    default_prefix = "held_out"

    def __init__(self) -> None:
        super().__init__(collect_device="gpu")

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Take one batch of `val_step`'s pictures."""
        for shown in data_samples:
            there = _distance(shown["cycled"], shown["source"])
            back = _distance(shown["cycled_back"], shown["target"])
            self.results.extend({"cycle": a, "cycle_back": b} for a, b in zip(there, back, strict=True))

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        """The means over all samples of all processes."""
        return {name: sum(row[name] for row in results) / len(results) for name in results[0]}


def _distance(a: Tensor, b: Tensor) -> list[float]:
    return (a - b).abs().flatten(1).mean(1).tolist()
