"""Two sets of pictures and the metrics asked for -> a result, with everything it depends on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sketchkit.engine.checkpoints import versions
from sketchkit.errors import ConfigError
from sketchkit.evaluation.features.cache import FeatureCache
from sketchkit.evaluation.features.extraction import ExtractedFeatures, Item, extract_features
from sketchkit.evaluation.features.statistics import Statistics
from sketchkit.evaluation.features.statistics_file import StatisticsFile, load_statistics, save_statistics
from sketchkit.evaluation.images.image_set import FAIL, PictureSet, Progress, fingerprint
from sketchkit.evaluation.metric import PictureMetric, Setup
from sketchkit.evaluation.report import results
from sketchkit.evaluation.report.page import Pair, write_report


@dataclass(frozen=True)
class Outcome:
    """What an evaluation found: the result as it is written, and what a report is made of."""

    result: dict[str, Any]
    metrics: Mapping[str, PictureMetric]
    extracted: ExtractedFeatures

    @property
    def pairs(self) -> list[Pair]:
        """Every output with its values by those metrics that have one for each."""
        values: dict[Path, dict[str, float]] = {}
        for name, metric in self.metrics.items():
            for fake, value in self._each(metric):
                values.setdefault(fake, {})[name] = value
        return [
            Pair(fake.name, item.real.file if item.real else None, fake.file, values[fake.file])
            for item in self.extracted.items
            for fake in item.fakes
            if fake.file in values
        ]

    def _each(self, metric: PictureMetric) -> Iterator[tuple[Path, float]]:
        """Each output with its value; of several outputs of a source, the first stands for them."""
        samples = metric.per_sample(self.extracted.features_of(metric))
        role = next((role for role in ("pair", "draws", "fake") if role in metric.needs), None)
        if samples is None or role is None:
            return
        tasks = self.extracted.tasks(metric, role)
        for task, value in zip(tasks, samples.tolist(), strict=True):
            yield task.pictures[1 if role == "pair" else 0].file, value

    def write_report(self, path: Path, title: str) -> None:
        """Write the page with the worst and the best pairs, and how the values spread."""
        ranked_by = ranking_metric(self.metrics)
        write_report(
            path,
            title=title,
            rows=results.table(self.result["metrics"]),
            notes=self.result["notes"],
            protocol=results.protocol(self.result),
            pairs=self.pairs,
            ranked_by=ranked_by,
            better=self.metrics[ranked_by].better if ranked_by else None,
        )


def ranking_metric(metrics: Mapping[str, PictureMetric]) -> str | None:
    """The metric whose values rank pairs best, if one does and means something."""
    ranked = [name for name, metric in metrics.items() if metric.ranking and not metric.extractor.is_random]
    return max(ranked, key=lambda name: metrics[name].ranking, default=None)


def evaluate(
    metrics: Mapping[str, PictureMetric],
    items: Sequence[Item],
    real: PictureSet | StatisticsFile,
    fake: PictureSet,
    *,
    setup: Setup,
    store: FeatureCache | None = None,
    workers: int = 2,
    on_error: str = FAIL,
    save_stats: Path | None = None,
    alone: Sequence[str] = (),
    unusable: Sequence[str] = (),
    generator: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Judge `items` by the metrics.

    Args:
        metrics: of one `make_metrics` with the same `setup`.
        items: of the two sets; see `make_items` and `RunImages`.
        real: the reference set, or statistics kept of one.
        store, workers, on_error, progress: see `extract_features`.
        save_stats: the file to keep the statistics of the real set in; one that is there must be of this set.
        alone, unusable: names left out of pairs, and what else was left out before, for the result.
        generator: what made the fakes, for the result.

    Raises:
        DataError: pictures cannot be used, are too few, or kept statistics do not match.
        ConfigError: statistics are given or asked for, and a metric cannot do with them.
    """
    started = time.perf_counter()
    kept = real if isinstance(real, StatisticsFile) else None
    statistics = _usable(kept, metrics)
    if save_stats is not None:
        _check_kept(save_stats, _keeper(metrics), real)
    extracted = extract_features(metrics.values(), items, statistics, store, workers, on_error, progress)
    seen = {name: extracted.features_of(metric, statistics) for name, metric in metrics.items()}
    if save_stats is not None and not save_stats.exists():
        _keep(save_stats, _keeper(metrics), extracted)
    scores = {name: results.score(name, metric, seen[name]) for name, metric in metrics.items()}
    left_out = {"unpaired": list(alone), "unusable": sorted({*unusable, *extracted.failed.values()})}
    result = {
        "format": results.FORMAT,
        "metrics": scores,
        "notes": [*results.notes(scores, real, fake), *results.notes_left_out(left_out)],
        "real": results.describe(real),
        "fake": results.describe(fake),
        "left_out": left_out,
        "generator": dict(generator) if generator else None,
        "seed": setup.seed,
        "device": setup.device,
        "versions": versions(),
        "command": sys.argv,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - started, 3),
        "pictures_looked_at": extracted.looked_at,
    }
    return Outcome(result, metrics, extracted)


def _usable(kept: StatisticsFile | None, metrics: Mapping[str, PictureMetric]) -> Statistics | None:
    if kept is None:
        return None
    for name, metric in metrics.items():
        if metric.takes_statistics:
            kept.check(metric.extractor)
        elif {"real", "pair"} & set(metric.needs):
            raise ConfigError(f"{name} needs the real pictures themselves: give their folder in place of {kept.path}")
    return kept.statistics


def _keeper(metrics: Mapping[str, PictureMetric]) -> PictureMetric:
    """The metric whose real rows make the statistics."""
    for metric in metrics.values():
        if metric.takes_statistics:
            return metric
    raise ConfigError("--save-stats keeps what fid needs: add --metric fid")


def _check_kept(path: Path, keeper: PictureMetric, real: PictureSet | StatisticsFile) -> None:
    """Refuse to keep what is kept already, and a file that is of something else."""
    if isinstance(real, StatisticsFile):
        raise ConfigError(f"--save-stats keeps the statistics of pictures, and {real.path} holds some already")
    if path.exists():
        load_statistics(path).check(keeper.extractor, real.fingerprint)


def _keep(path: Path, keeper: PictureMetric, extracted: ExtractedFeatures) -> None:
    rows = extracted.features_of(keeper).real
    if rows is not None:
        # Of the pictures behind the rows: some may have been left out.
        known = fingerprint(task.pictures[0] for task in extracted.tasks(keeper, "real"))
        save_statistics(path, Statistics.of(rows), keeper.extractor, known)
