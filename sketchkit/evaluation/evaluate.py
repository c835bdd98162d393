"""A call of `sketchkit eval`: what is to be measured is found out, made where it must be, and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from sketchkit.errors import ConfigError
from sketchkit.evaluation.build import Spec, make_metrics, missing_companions, takes, usable
from sketchkit.evaluation.features.cache import FeatureCache
from sketchkit.evaluation.features.statistics_file import SUFFIX, load_statistics
from sketchkit.evaluation.images.image_set import FAIL, PictureSet, Progress, read_set
from sketchkit.evaluation.images.pairing import are_pairs, guessed, make_items
from sketchkit.evaluation.images.run_images import RunImages
from sketchkit.evaluation.metric import PictureMetric, Setup
from sketchkit.evaluation.outcome import Outcome, evaluate, ranking_metric
from sketchkit.inference import TrainedTranslator
from sketchkit.registry import PICTURE_METRICS

# What shows how far a part of the call is, for as long as it runs, under a title.
Shown = Callable[[str], AbstractContextManager[Progress | None]]


@dataclass(frozen=True)
class EvaluationCall:
    """How to measure, whatever is measured.

    Attributes:
        setup: device, weights, seed.
        metrics: what to measure; empty for what can be measured without fetching weights.
        common: options of all metrics that have them.
        store: rows kept so far, or None.
        on_error: 'fail' or 'skip'; see `extract_features`.
        workers: processes that read pictures.
        save_stats: where to keep statistics of the real set.
        ranks_pairs: measure what a report ranks pairs by, where there are pairs, whether it is named or not.
        shown: makes what shows the progress.
        say: told, in one line, what is left out.
    """

    setup: Setup
    metrics: Sequence[Spec] = ()
    common: Mapping[str, Any] = field(default_factory=dict)
    store: FeatureCache | None = None
    on_error: str = FAIL
    workers: int = 2
    save_stats: Path | None = None
    ranks_pairs: bool = False
    shown: Shown = lambda title: nullcontext()
    say: Callable[[str], object] = print

    def folders(self, real: Path, fake: Path) -> Outcome:
        """Judge the pictures in `fake` against those in `real`: folders, lists, or (real) kept statistics.

        Raises:
            SketchkitError: see `read_set`, `make_metrics`, `make_items`, `evaluate`.
        """
        kept = load_statistics(real) if real.suffix == SUFFIX else None
        fakes = self._read(fake)
        reals = None if kept else self._read(real)
        is_paired = reals is not None and are_pairs(reals, fakes)
        specs = self.metrics or self._default(is_paired, reals is not None)
        metrics = self._make(specs, is_paired, companions=reals is not None)
        items, alone = make_items(reals, fakes, metrics.values(), self.on_error)
        outcome = self._evaluate(metrics, items=items, real=kept or reals, fake=fakes, alone=alone)
        outcome.result["notes"] += [said] if (said := guessed(items)) else []
        missing = missing_companions(specs) if reals is None else []
        outcome.result["notes"] += [f"{name} is left out: it needs the real pictures themselves" for name in missing]
        return outcome

    def run(
        self,
        run: Path,
        config: Config | None = None,
        split: str | None = None,
        data: Path | None = None,
        draws: int = 2,
        plugin_files: Sequence[str | Path] = (),
        trust_code: bool = False,
        test_norm: str | None = None,
        test_dropout: bool | None = None,
    ) -> Outcome:
        """Translate the held-out split of a run, and judge that.

        Args:
            run: a run folder or a checkpoint.
            config: a resolved config in place of the run's own.
            split, data, draws: see `RunImages`.
            plugin_files, trust_code, test_norm, test_dropout: see `TrainedTranslator`.

        Raises:
            SketchkitError: see `TrainedTranslator`, `RunImages`, `make_metrics`, `evaluate`.
        """
        code = (plugin_files, trust_code)
        translator = TrainedTranslator(run, self.setup.device, config, *code, test_norm, test_dropout)
        judge = RunImages(translator, split, data, draws)
        return replace(self, setup=self._setup_of(judge.translator.config))._judge(judge)

    def _setup_of(self, config: Config) -> Setup:
        """With the weights that the run's validation was given, after those of this call."""
        validation = config.get("val_evaluator")
        given = validation if isinstance(validation, Mapping) else {}
        weights = {**(given.get("weights") or {}), **self.setup.weights}
        allowed = self.setup.allow_random_weights or bool(given.get("allow_random_weights"))
        return replace(self.setup, weights=weights, allow_random_weights=allowed)

    def _judge(self, judge: RunImages) -> Outcome:
        named = self.metrics or judge.translator.config.get("metrics") or self._default(judge.is_paired)
        metrics = self._make(named, judge.is_paired)
        judge.check(metrics)
        with self.shown("translating") as progress:
            made = judge.translate(self.workers, self.on_error, progress)
        sets = {"items": made.items, "real": made.real, "fake": made.fake}
        unusable = [f"{file} cannot be used" for file in made.unusable]
        return self._evaluate(metrics, **sets, generator=made.about, unusable=unusable)

    def _read(self, path: Path) -> PictureSet:
        with self.shown("reading") as progress:
            return read_set(path, self.on_error, progress)

    def _make(self, specs: Sequence[Spec], is_paired: bool, companions: bool = True) -> dict[str, PictureMetric]:
        metrics = make_metrics(specs, self.setup, self.common, companions)
        unused = [option for option in self.common if not any(takes(spec, option) for spec in specs)]
        if unused:
            raise ConfigError(f"{unused[0]}={self.common[unused[0]]} is an option of none of the metrics: leave it out")
        if self.ranks_pairs and is_paired and ranking_metric(metrics) is None:
            return make_metrics([*specs, _plainest_ranking()], self.setup, self.common, companions)
        return metrics

    def _default(self, is_paired: bool, has_real: bool = True) -> list[str]:
        names = [name for name, metric in _metrics().items() if metric.by_default]
        fit = [name for name in names if _fits(name, is_paired, has_real)]
        unfit = [name for name in names if name not in fit]
        if unfit:
            why = "these are no pairs, name by name" if has_real else "they need the real pictures themselves"
            self.say(f"{', '.join(unfit)} are left out: {why}")
        chosen, without = usable(fit, self.setup, self.common)
        for name, reason in without.items():
            self.say(f"{name} is left out: {reason}")
        if not chosen:
            raise ConfigError("nothing can be measured without weights here: name a --metric to see what it lacks")
        return chosen

    def _evaluate(self, metrics: Mapping[str, PictureMetric], **sets: Any) -> Outcome:
        with self.shown("looking") as progress:
            return evaluate(
                metrics,
                **sets,
                setup=self.setup,
                store=self.store,
                workers=self.workers,
                on_error=self.on_error,
                save_stats=self.save_stats,
                progress=progress,
            )


def _fits(name: str, is_paired: bool, has_real: bool) -> bool:
    metric: type[PictureMetric] = PICTURE_METRICS.get(name)
    if "real" in metric.needs and not has_real:
        return metric.takes_statistics
    return is_paired or "pair" not in metric.needs


def _plainest_ranking() -> str:
    """The metric that ranks pairs and asks for the least."""
    ranks = {name: metric.ranking for name, metric in _metrics().items() if metric.ranking}
    return min(ranks, key=lambda name: ranks[name])


def _metrics() -> dict[str, type[PictureMetric]]:
    return {name: PICTURE_METRICS.get(name) for name in PICTURE_METRICS.names()}
