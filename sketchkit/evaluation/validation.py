"""What a validation during training measures on held-out samples: means that need no network, and picture metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from mmengine.device import get_device
from mmengine.evaluator import BaseMetric
from torch import Tensor

from sketchkit.declared import Choices, HasType
from sketchkit.engine.scores import MEANS, VAL
from sketchkit.errors import ConfigError
from sketchkit.evaluation.build import Spec, make_metrics
from sketchkit.evaluation.features.extraction import extract_batch
from sketchkit.evaluation.metric import FeatureExtractor, Features, PictureMetric, Setup
from sketchkit.registry import METRICS, PICTURE_METRICS
from sketchkit.translators.pictures import to_bytes


@METRICS.register_module()
class Validation(BaseMetric):
    """What can be said of the outputs on held-out samples, and picture metrics, as `sketchkit eval` has them.

    Means over the samples of pictures in [-1, 1], as far as data and translator give what they compare:
    `val/l1`, mean |output - truth| over the pixels, where the data set is paired; `val/diversity`, mean
    |output - second output|, from another noise; `val/cycle_A`, mean |source - source translated there and back|, and
    `val/cycle_B`, the same of the target.

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
    means: ClassVar[Mapping[str, str]] = {
        "l1": "lower", "diversity": "higher", "cycle_A": "lower", "cycle_B": "lower",
    }  # fmt: skip

    def __init__(
        self,
        picture_metrics: Sequence[Annotated[Spec, Choices(PICTURE_METRICS.names), HasType()]] = (),
        weights: Mapping[str, str | Path] | None = None,
        allow_random_weights: bool = False,
    ) -> None:
        # mmengine's other way, through files, leaves a folder in the working directory.
        super().__init__(collect_device="gpu")
        setup = Setup(get_device(), weights or {}, allow_random_weights)
        self.metrics = make_metrics(picture_metrics, setup)
        # The truth is the same in every validation: its rows are kept by content.
        self._real: dict[str, Tensor] = {}

    @property
    def measured(self) -> list[str]:
        """The names that a validation may report."""
        return list(dict.fromkeys([*self.means, *self.metrics]))

    @property
    def dataset_meta(self) -> dict[str, Any]:
        """What the data set says of itself."""
        return self._dataset_meta or {}

    @dataset_meta.setter
    def dataset_meta(self, meta: dict[str, Any]) -> None:
        """Take it, before the first iteration.

        Raises:
            ConfigError: a metric compares pairs, and the samples are none.
        """
        self._dataset_meta = meta
        for name, metric in self.metrics.items():
            if not self.is_paired and "pair" in metric.needs:
                raise ConfigError(f"metrics: {name} compares pairs, and unpaired pictures are none: leave it out")

    @property
    def is_paired(self) -> bool:
        """Whether targets are the truth of their sources."""
        return self.dataset_meta.get("is_paired", True)

    def values(self, shown: Mapping[str, Any]) -> dict[str, list[float]]:
        """name -> a value a sample, of one batch of `val_step`'s pictures."""
        compared = {"diversity": ("fake", "fake_alt"), "cycle_A": ("rec_A", "source"), "cycle_B": ("rec_B", "target")}
        compared = {**({"l1": ("fake", "target")} if self.is_paired else {}), **compared}
        there = {name: pair for name, pair in compared.items() if all(shown.get(one) is not None for one in pair)}
        return {name: _distance(*(shown[one] for one in pair)) for name, pair in there.items()}

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Take one batch of `val_step`'s pictures."""
        for shown in data_samples:
            means = self.values(shown)
            samples = [{name: values[i] for name, values in means.items()} for i in range(len(shown["key"]))]
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
            (_, value), *more = metric.compute(self._features(metric, results)).items()
            values.update({name: value, **dict(more)})
        return values

    def _rows(self, shown: Mapping[str, Any]) -> list[dict[str, Tensor]]:
        """For each sample 'VIEW ROLE' -> row."""
        fakes = [to_bytes(image) for image in shown.get("draws", [shown["fake"]])]
        self._check(len(fakes), shown.get("label"))
        reals = to_bytes(shown["target"])
        rows: list[dict[str, Tensor]] = [{} for _ in reals]
        needed = {
            (m.extractor.key, role): m.extractor for m in self.metrics.values() for role in m.needs if role != "labels"
        }
        for (key, role), extractor in needed.items():
            groups = {"real": [reals], "fake": fakes[:1], "pair": [reals, fakes[0]], "draws": fakes}[role]
            prepared = {str(i): extractor.prepare(*pictures) for i, pictures in enumerate(zip(*groups, strict=True))}
            seen = (
                self._look_at_real(extractor, prepared, reals) if role == "real" else extract_batch(extractor, prepared)
            )
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

    def _look_at_real(
        self, extractor: FeatureExtractor, prepared: dict[str, Tensor], pictures: Iterable[Tensor]
    ) -> dict[str, Tensor]:
        digests = [hashlib.sha256(picture.numpy().tobytes()).hexdigest() for picture in pictures]
        keys = dict(zip(prepared, (f"{extractor.key} {digest}" for digest in digests), strict=True))
        self._real.update(
            extract_batch(extractor, {keys[i]: prepared[i] for i in prepared if keys[i] not in self._real})
        )
        return {i: self._real[key] for i, key in keys.items()}

    def _features(self, metric: PictureMetric, results: Sequence[Mapping[str, Any]]) -> Features:
        """The rows of all samples, in the order of their names, each name once: what `sketchkit eval` has as files."""
        wanted: dict[str, Any] = {}
        for role in (role for role in metric.needs if role != "labels"):
            name = "target_key" if role == "real" else "key"
            rows = {one[name]: one["rows"][f"{metric.extractor.key} {role}"] for one in results}
            wanted[role] = torch.stack([rows[key] for key in sorted(rows)])
        if "labels" in metric.needs:
            classes = self.dataset_meta.get("classes") or []
            numbers = {one["key"]: one["label"] for one in results}
            wanted["labels"] = [classes[numbers[key]] for key in sorted(numbers)]
        return Features(**wanted)


def _distance(a: Tensor, b: Tensor) -> list[float]:
    return (a - b).abs().flatten(1).mean(1).tolist()


MEANS.update(Validation.means)
