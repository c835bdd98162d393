"""The names of what a validation measures, and which end of each is the good one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean
from sketchkit.registry import PICTURE_METRICS

VAL = "val/"
# A score whose network has random weights is named so.
RANDOM = "_random"
# Means over samples, name -> 'lower' or 'higher': written by the metrics that take them.
MEANS: dict[str, str] = {}


def measured_by(runner: Any) -> list[str]:
    """What a run's validations measure, with `VAL`."""
    metrics = [] if runner.val_loop is None else runner.val_evaluator.metrics
    return [VAL + name for metric in metrics for name in metric.measured]


def require_measured(option: str, name: str, measured: Collection[str]) -> None:
    """Refuse an option that names what a validation does not measure.

    Args:
        option: where it is named.
        name: with `VAL` or without.
        measured: names with `VAL`.

    Raises:
        ConfigError: says the closest one.
    """
    full = VAL + name.removeprefix(VAL)
    if full not in measured:
        raise ConfigError(f"{option}={full!r} is not measured: {did_you_mean(full, measured)}")


def better_end(name: str) -> str:
    """'lower' or 'higher': which end is the good one of what validations measure by this name, without `VAL`.

    Raises:
        ConfigError: nothing has that name, or neither end is good.
    """
    known = PICTURE_METRICS.names()
    if name in MEANS:
        return MEANS[name]
    entry = name.removesuffix(RANDOM)
    if entry not in known:
        raise ConfigError(f"nothing is measured by the name {name!r}: {did_you_mean(name, {*MEANS, *known})}")
    metric: Any = PICTURE_METRICS.get(entry)
    if metric.better is None:
        raise ConfigError(f"{name} is better at neither end: choose by another metric")
    return metric.better
