"""The names of what a validation measures, and which end of each is the good one."""

from __future__ import annotations

from typing import Any

from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean
from sketchkit.registry import PICTURE_METRICS

VAL = "val/"
# A score whose network has random weights is named so.
RANDOM = "_random"
# Means over samples, name -> 'lower' or 'higher': written by the metrics that take them.
MEANS: dict[str, str] = {}


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
