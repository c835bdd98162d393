"""What a validation during training measures on held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from torch import Tensor

from sketchkit.registry import METRICS


class SampleMeans(BaseMetric):
    """Means over the samples of what `rows` measures on each."""

    default_prefix = "held_out"

    def __init__(self) -> None:
        # mmengine's other way, through files, leaves a folder in the working directory.
        super().__init__(collect_device="gpu")

    def rows(self, shown: Mapping[str, Any]) -> dict[str, list[float]]:
        """name -> a value a sample, of one batch of `val_step`'s pictures."""
        raise NotImplementedError

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Take one batch of `val_step`'s pictures."""
        for rows in map(self.rows, data_samples):
            self.results.extend(dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True))

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        """The means over all samples of all processes."""
        return {name: sum(row[name] for row in results) / len(results) for name in results[0]}


@METRICS.register_module()
class HeldOutMetric(SampleMeans):
    """`held_out/l1` and `held_out/diversity`, means over the samples; pictures in [-1, 1].

    l1: mean |output - truth| over the pixels. diversity: mean |output - second output| over the pixels, the second one
    from another noise; left out where the generator takes none.
    """

    def rows(self, shown: Mapping[str, Any]) -> dict[str, list[float]]:
        """l1, and diversity where there is a second output."""
        rows = {"l1": _distance(shown["fake"], shown["target"])}
        if shown["fake_alt"] is not None:
            rows["diversity"] = _distance(shown["fake"], shown["fake_alt"])
        return rows


@METRICS.register_module()
class CycleMetric(SampleMeans):
    """`held_out/cycle` and `held_out/cycle_back`: mean |picture - picture translated there and back|, in [-1, 1].

    Unpaired pictures have no truth to compare with: this is what can be measured without a network.
    """

    def rows(self, shown: Mapping[str, Any]) -> dict[str, list[float]]:
        """The error of the source and that of the target."""
        return {
            "cycle": _distance(shown["cycled"], shown["source"]),
            "cycle_back": _distance(shown["cycled_back"], shown["target"]),
        }


def _distance(a: Tensor, b: Tensor) -> list[float]:
    return (a - b).abs().flatten(1).mean(1).tolist()
