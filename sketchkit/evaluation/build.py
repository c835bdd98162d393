"""Names -> metrics that share what they can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sketchkit.engine.scores import RANDOM
from sketchkit.errors import ConfigError, WeightsError
from sketchkit.evaluation.metric import FeatureExtractor, PictureMetric, Setup
from sketchkit.options import options_of
from sketchkit.registry import PICTURE_METRICS

Spec = str | Mapping[str, Any]


def make_metrics(
    specs: Sequence[Spec], setup: Setup, common: Mapping[str, Any] | None = None, companions: bool = True
) -> dict[str, PictureMetric]:
    """Metrics by name, in the order asked for, with their companions; extractors that see the same are one object.

    A metric whose network has random weights is named so: `fid_random`.

    Args:
        specs: names, or configs with `type` and options.
        common: options for those metrics that have them, such as `resize` and `feature_extractor`.
        companions: whether what belongs beside a metric, as KID beside FID, is measured too.

    Raises:
        ConfigError: an unknown metric or option, or one that is asked for twice.
        WeightsError: a network's weights cannot be had.
    """
    wanted = [_config(spec) for spec in specs]
    names = [config["type"] for config in wanted]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"metric {sorted(twice)[0]} is asked for twice: name it once")
    extractors: dict[str, FeatureExtractor] = {}
    made: dict[str, PictureMetric] = {}
    for config in _with_companions(wanted) if companions else wanted:
        metric = _build({**_options(config["type"], common or {}), **config}, setup)
        metric.extractor = extractors.setdefault(metric.extractor.key, metric.extractor)
        made[config["type"] + (RANDOM if metric.extractor.is_random else "")] = metric
    return made


def usable(
    names: Iterable[str], setup: Setup, common: Mapping[str, Any] | None = None
) -> tuple[list[str], dict[str, str]]:
    """Those of the metrics whose weights are at hand, and the others with the reason; nothing is downloaded."""
    good, without, at_hand = list[str](), dict[str, str](), replace(setup, offline=True)
    for name in names:
        try:
            PICTURE_METRICS.build({"type": name, **_options(name, common or {})}, setup=at_hand)
            good.append(name)
        except WeightsError as error:
            without[name] = str(error)
    return good, without


def missing_companions(specs: Sequence[Spec]) -> list[str]:
    """What would be measured beside these metrics, and is not asked for."""
    wanted = [_config(spec) for spec in specs]
    return [config["type"] for config in _with_companions(wanted) if config not in wanted]


def takes(spec: Spec, option: str) -> bool:
    """Whether the metric has an option of that name."""
    return option in options_of(PICTURE_METRICS.get(_config(spec)["type"]))[0]


def parse_options(words: Iterable[str]) -> dict[str, dict[str, Any]]:
    """METRIC.OPTION=VALUE words as metric -> options.

    Raises:
        ConfigError: a word of another form.
    """
    from sketchkit.config.load import parse_value

    options: dict[str, dict[str, Any]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        metric, dot, option = key.partition(".")
        if not (equals and dot and metric and option):
            raise ConfigError(f"'{word}' is not of the form METRIC.OPTION=VALUE, such as kid.subsets=100")
        options.setdefault(metric, {})[option] = parse_value(text)
    return options


def _build(config: Mapping[str, Any], setup: Setup) -> PictureMetric:
    try:
        return PICTURE_METRICS.build(config, setup=setup)
    except (TypeError, ValueError) as error:
        # A word where a number is meant, for example.
        options = ", ".join(f"{key}={value!r}" for key, value in config.items() if key != "type")
        raise ConfigError(f"metric {config['type']} cannot be made with {options}: {error}") from error


def _config(spec: Spec) -> dict[str, Any]:
    config = {"type": spec} if isinstance(spec, str) else dict(spec)
    if not isinstance(config.get("type"), str):
        raise ConfigError(f"{spec!r} is no metric: give a name, or dict(type=NAME, ...)")
    return config


def _with_companions(wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The configs with what is measured beside them, on the same extractor, behind each."""
    names = {config["type"] for config in wanted}
    whole = []
    for config in wanted:
        whole.append(dict(config))
        metric: type[PictureMetric] = PICTURE_METRICS.get(config["type"])
        companion = metric.companion
        if companion and companion not in names:
            names.add(companion)
            whole.append({**_options(companion, config), "type": companion})
    return whole


def _options(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options given that the metric has."""
    known = options_of(PICTURE_METRICS.get(name))[0]
    return {key: value for key, value in given.items() if key in known}
