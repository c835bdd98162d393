"""What a validation during training measures on held-out samples: means that need no network, and picture metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from mmengine.device import get_device
from mmengine.evaluator import BaseMetric
from torch import Tensor

from sketchkit.engine.scores import MEANS, VAL
from sketchkit.errors import ConfigError
from sketchkit.evaluation.build import Spec, make_metrics
from sketchkit.evaluation.features.extraction import look_at
from sketchkit.evaluation.metric import PictureMetric, Seen, Setup, View
from sketchkit.registry import METRICS
from sketchkit.translators.preprocessing import to_bytes


class SampleMeans(BaseMetric):
    """Means over the samples of what `values` measures on each; and picture metrics, as `sketchkit eval` has them.

    Args:
        picture_metrics: names of PICTURE_METRICS, or configs with options; each becomes `val/NAME`.
        weights: network -> the file with its weights, for networks that metrics need.
        allow_random_weights: for tests; see `Setup`.

    Raises:
        ConfigError: a metric compares pairs, and the samples are none; at the first batch, one needs several outputs of
            a source, or classes, and there are none.
        WeightsError: a network's weights cannot be had.
    """

    default_prefix = VAL.rstrip("/")
    means: ClassVar[Mapping[str, str]] = {}
    paired = True

    def __init_subclass__(cls, **options: Any) -> None:
        """Make known which end of its means is the good one."""
        super().__init_subclass__(**options)
        MEANS.update(cls.means)

    def __init__(
        self,
        picture_metrics: Sequence[Spec] = (),
        weights: Mapping[str, str | Path] | None = None,
        allow_random_weights: bool = False,
    ) -> None:
        # mmengine's other way, through files, leaves a folder in the working directory.
        super().__init__(collect_device="gpu")
        setup = Setup(get_device(), weights or {}, allow_random_weights)
        self.metrics = make_metrics(picture_metrics, setup)
        for name, metric in self.metrics.items():
            if not self.paired and "pair" in metric.needs:
                raise ConfigError(f"metrics: {name} compares pairs, and unpaired pictures are none: leave it out")
        # The truth is the same in every validation: its rows are kept by content.
        self._real: dict[str, Tensor] = {}

    @property
    def measured(self) -> list[str]:
        """The names that a validation may report."""
        return list(dict.fromkeys([*self.means, *self.metrics]))

    def values(self, shown: Mapping[str, Any]) -> dict[str, list[float]]:
        """name -> a value a sample, of one batch of `val_step`'s pictures."""
        raise NotImplementedError

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Take one batch of `val_step`'s pictures."""
        for shown in data_samples:
            means = self.values(shown)
            samples = [dict(zip(means, values, strict=True)) for values in zip(*means.values(), strict=True)]
            rows = self._rows(shown) if self.metrics else [{} for _ in samples]
            keys = zip(shown["key"], shown.get("target_key", shown["key"]), strict=True)
            numbers = shown["label"].tolist() if shown.get("label") is not None else [None] * len(samples)
            self.results.extend(
                {"means": mean, "rows": row, "key": key, "target_key": target, "label": number}
                for mean, row, (key, target), number in zip(samples, rows, keys, numbers, strict=True)
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """The means over all samples of all processes, and the metrics of all their pictures."""
        means = [one["means"] for one in results]
        values = {name: sum(row[name] for row in means) / len(means) for name in means[0]}
        for name, metric in self.metrics.items():
            # Under the name it goes by: a metric does not know that its network is random.
            (_, value), *more = metric.compute(self._seen(metric, results)).items()
            values.update({name: value, **dict(more)})
        return values

    def _rows(self, shown: Mapping[str, Any]) -> list[dict[str, Tensor]]:
        """For each sample 'VIEW ROLE' -> row."""
        fakes = [to_bytes(image) for image in shown.get("draws", [shown["fake"]])]
        self._check(len(fakes), shown.get("label"))
        reals = to_bytes(shown["target"])
        rows: list[dict[str, Tensor]] = [{} for _ in reals]
        needed = {(m.view.key, role): m.view for m in self.metrics.values() for role in m.needs if role != "labels"}
        for (key, role), view in needed.items():
            groups = {"real": [reals], "fake": fakes[:1], "pair": [reals, fakes[0]], "draws": fakes}[role]
            prepared = {str(i): view.prepare(*pictures) for i, pictures in enumerate(zip(*groups, strict=True))}
            seen = self._look_at_real(view, prepared, reals) if role == "real" else look_at(view, prepared)
            for i, row in seen.items():
                rows[int(i)][f"{key} {role}"] = row
        return rows

    def _check(self, draws: int, labels: Tensor | None) -> None:
        """Refuse metrics of what this generator and these data do not give."""
        for name, metric in self.metrics.items():
            if "draws" in metric.needs and draws < 2:
                raise ConfigError(
                    f"metrics: {name} needs several outputs a source, and the generator takes no noise: leave it out"
                )
            if "labels" in metric.needs and labels is None:
                raise ConfigError(f"metrics: {name} needs classes, and the data have none: leave it out")

    def _look_at_real(self, view: View, prepared: dict[str, Tensor], pictures: Iterable[Tensor]) -> dict[str, Tensor]:
        digests = [hashlib.sha256(picture.numpy().tobytes()).hexdigest() for picture in pictures]
        keys = dict(zip(prepared, (f"{view.key} {digest}" for digest in digests), strict=True))
        self._real.update(look_at(view, {keys[i]: prepared[i] for i in prepared if keys[i] not in self._real}))
        return {i: self._real[key] for i, key in keys.items()}

    def _seen(self, metric: PictureMetric, results: Sequence[Mapping[str, Any]]) -> Seen:
        """The rows of all samples, in the order of their names, each name once: what `sketchkit eval` has as files."""
        wanted: dict[str, Any] = {}
        for role in (role for role in metric.needs if role != "labels"):
            name = "target_key" if role == "real" else "key"
            rows = {one[name]: one["rows"][f"{metric.view.key} {role}"] for one in results}
            wanted[role] = torch.stack([rows[key] for key in sorted(rows)])
        if "labels" in metric.needs:
            classes = (self.dataset_meta or {}).get("classes") or []
            numbers = {one["key"]: one["label"] for one in results}
            wanted["labels"] = [classes[numbers[key]] for key in sorted(numbers)]
        return Seen(**wanted)


@METRICS.register_module()
class PairedValidation(SampleMeans):
    """`val/l1` and `val/diversity`, means over the samples; pictures in [-1, 1].

    l1: mean |output - truth| over the pixels. diversity: mean |output - second output| over the pixels, the second one
    from another noise; left out where the generator takes none.
    """

    means = {"l1": "lower", "diversity": "higher"}

    def values(self, shown: Mapping[str, Any]) -> dict[str, list[float]]:
        """l1, and diversity where there is a second output."""
        values = {"l1": _distance(shown["fake"], shown["target"])}
        if shown["fake_alt"] is not None:
            values["diversity"] = _distance(shown["fake"], shown["fake_alt"])
        return values


@METRICS.register_module()
class CycleValidation(SampleMeans):
    """`val/cycle` and `val/cycle_back`: mean |picture - picture translated there and back|, in [-1, 1].

    Unpaired pictures have no truth to compare with: this is what can be measured without a network.
    """

    means = {"cycle": "lower", "cycle_back": "lower"}
    paired = False

    def values(self, shown: Mapping[str, Any]) -> dict[str, list[float]]:
        """The error of the source and that of the target."""
        return {
            "cycle": _distance(shown["cycled"], shown["source"]),
            "cycle_back": _distance(shown["cycled_back"], shown["target"]),
        }


def _distance(a: Tensor, b: Tensor) -> list[float]:
    return (a - b).abs().flatten(1).mean(1).tolist()
