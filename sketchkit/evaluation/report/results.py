"""Rows -> the result that is kept: every number with how it was measured, and what it cannot be compared with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sketchkit.atomic import write_whole
from sketchkit.errors import DataError
from sketchkit.evaluation.build import RANDOM
from sketchkit.evaluation.features.statistics_file import StatisticsFile
from sketchkit.evaluation.images.image_set import PictureSet
from sketchkit.evaluation.metric import ROLES, Features, PictureMetric

FORMAT = "sketchkit metrics"
Score = dict[str, Any]


def score(name: str, metric: PictureMetric, features: Features) -> Score:
    """One metric's number with what belongs to it, as JSON can hold it.

    Raises:
        DataError: there are fewer pictures than it needs.
    """
    counts: dict[str, int | None] = {"real": features.statistics.count} if features.statistics is not None else {}
    counts |= {role: len(rows) for role in ROLES if (rows := getattr(features, role)) is not None}
    for role, count in counts.items():
        if count is not None and count < metric.least:
            raise DataError(f"{name} needs {metric.least} pictures or more, and there are {count} ({role})")
    value, *more = metric.compute(features).items()
    return {
        "value": _plain(value[1]),
        **{key: _plain(number) for key, number in more},
        "better": metric.better,
        "n": counts,
        "extractor": metric.extractor.identity,
        "note": metric.remark(features),
    }


def notes(scores: Mapping[str, Score], real: PictureSet | StatisticsFile, fake: PictureSet) -> Iterator[str]:
    """What keeps the numbers from being compared with others."""
    for name, one in scores.items():
        if name.endswith(RANDOM):
            yield f"{name}: the network has random weights, the number means nothing outside tests"
        if one["note"]:
            yield f"{name} {one['note']}"
    if isinstance(real, StatisticsFile):
        if real.extractor is None:
            yield f"{real.path} does not say how its statistics were taken: that they match is on your word"
        sets = [fake]
    else:
        yield from _differences(real, fake)
        sets = [real, fake]
    if "jpeg" in fake.formats:
        yield f"{fake.formats['jpeg']} of {len(fake)} fakes are JPEG: its losses are measured too; write PNG"
    for pictures in sets:
        if pictures.unreadable:
            yield f"{len(pictures.unreadable)} files in {pictures.path} could not be read and are left out"


def notes_left_out(left_out: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """That some pictures are in no number, or in none of pairs."""
    for what, names in left_out.items():
        if names:
            yield f"{len(names)} {what} left out, first: {names[0]}"


def _differences(real: PictureSet, fake: PictureSet) -> Iterator[str]:
    for what in ("sizes", "formats"):
        one, other = getattr(real, what), getattr(fake, what)
        if set(one) != set(other):
            yield f"{what} differ, and that is measured too: real {_counted(one)}; fake {_counted(other)}"


def describe(pictures: PictureSet | StatisticsFile) -> dict[str, Any]:
    """A set as the result names it."""
    if isinstance(pictures, StatisticsFile):
        count = pictures.statistics.count
        return {"path": str(pictures.path), "n": count, "fingerprint": pictures.fingerprint}
    return {
        "path": str(pictures.path),
        "n": len(pictures),
        "sizes": pictures.sizes,
        "formats": pictures.formats,
        "fingerprint": pictures.fingerprint,
        "unreadable": {str(file): reason for file, reason in pictures.unreadable.items()},
    }


def table(scores: Mapping[str, Score]) -> list[dict[str, str]]:
    """Rows for people, of one set of columns."""
    return [
        {
            "metric": name,
            "value": _number(one["value"]),
            "better": one["better"] or "",
            "n": " / ".join(_count(role, count) for role, count in one["n"].items()),
            "seen by": _seen_by(one["extractor"]),
        }
        for name, one in scores.items()
    ]


def protocol(result: Mapping[str, Any]) -> dict[str, str]:
    """How it was measured, in words, without the metrics' own part."""
    sets = {f"{role} {key}": result[role].get(key) for role in ("real", "fake") for key in ("path", "n", "sizes")}
    rest = {key: result[key] for key in ("time", "seed", "device", "versions")}
    facts = {**sets, **(result["generator"] or {}), **rest, "command": " ".join(result["command"])}
    return {key: _listed(value) for key, value in facts.items() if value is not None}


def aligned(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """The rows as lines of text under their columns' names."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write metrics.json, whole or not at all."""
    write_whole(path, json.dumps(result, indent=2, allow_nan=False) + "\n")


def _plain(value: float) -> float | str:
    """JSON has no infinity, which the ratio of a picture to itself is."""
    return float(value) if math.isfinite(value) else str(float(value))


def _listed(value: Any) -> str:
    return ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, Mapping) else str(value)


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _count(role: str, count: int | None) -> str:
    many = {"pair": "pair" if count == 1 else "pairs", "draws": "source" if count == 1 else "sources"}
    return f"{'unknown' if count is None else count} {many.get(role, role)}"


def _seen_by(extractor: Mapping[str, Any]) -> str:
    words = [extractor.get("network"), f"resize {extractor['resize']}" if "resize" in extractor else None]
    weights = extractor.get("weights")
    words.append(weights if weights in (None, "random") else f"weights {weights[:8]}")
    return ", ".join(filter(None, words)) or "pixels"


def _counted(counts: Mapping[str, int]) -> str:
    shown = [f"{name} ({count})" for name, count in counts.items()]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
