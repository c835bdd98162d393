"""Rows -> the result that is kept: every number with how it was measured, and what it cannot be compared with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sketchkit.data.splits import write_whole
from sketchkit.errors import DataError
from sketchkit.evaluation.contract import ROLES, PictureMetric, Seen
from sketchkit.evaluation.pictures import PictureSet
from sketchkit.evaluation.selection import RANDOM

FORMAT = "sketchkit metrics"
COMPARABLE = 2048  # pictures without which a covariance of as many features has not its full rank
WORDS = {min: "lower", max: "higher", None: ""}
Score = dict[str, Any]


def score(name: str, metric: PictureMetric, seen: Seen) -> Score:
    """One metric's number with what belongs to it, as JSON can hold it.

    Raises:
        DataError: there are fewer pictures than it needs.
    """
    counts = {role: len(rows) for role in ROLES if (rows := getattr(seen, role)) is not None}
    if seen.statistics is not None:
        counts["real"] = seen.statistics.count
    for role, count in counts.items():
        if count is not None and count < metric.least:
            raise DataError(f"{name} needs {metric.least} pictures or more, and there are {count} ({role})")
    value, *more = metric.compute(seen).items()
    return {
        "value": _plain(value[1]),
        **{key: _plain(number) for key, number in more},
        "better": WORDS[metric.better],
        "n": counts,
        "view": metric.view.identity,
    }


def notes(scores: Mapping[str, Score], real: PictureSet | None, fake: PictureSet) -> Iterator[str]:
    """What keeps the numbers from being compared with others."""
    for name, one in scores.items():
        if name.endswith(RANDOM):
            yield f"{name}: the network has random weights, the number means nothing outside tests"
        width, counts = one["view"].get("width", 0), [n for n in one["n"].values() if n is not None]
        if name.startswith("fid") and min(counts) < min(width, COMPARABLE):
            yield (
                f"{name} of {min(counts)} pictures is biased: compare it only with sets of the same size, and at least "
                f"{width} pictures for {width} features; kid is not biased"
            )
    if real is not None:
        if set(real.sizes) != set(fake.sizes):
            yield f"sizes differ: real {_counted(real.sizes)}; fake {_counted(fake.sizes)}"
        if set(real.formats) != set(fake.formats):
            formats = f"real {_counted(real.formats)}; fake {_counted(fake.formats)}"
            yield f"formats differ, and what compression does is measured too: {formats}"
    if "jpeg" in fake.formats:
        yield f"{fake.formats['jpeg']} of {len(fake)} fakes are JPEG: its losses are measured too; write PNG"
    for pictures in filter(None, (real, fake)):
        if pictures.unreadable:
            yield f"{len(pictures.unreadable)} files in {pictures.path} could not be read and are left out"


def describe(pictures: PictureSet) -> dict[str, Any]:
    """A set as the result names it."""
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
            "better": one["better"],
            "n": " / ".join(_count(role, count) for role, count in one["n"].items()),
            "seen by": _seen_by(one["view"]),
        }
        for name, one in scores.items()
    ]


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


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _count(role: str, count: int | None) -> str:
    plural = role if role == "draws" else f"{role}s" if role == "pair" else role
    return f"{'unknown' if count is None else count} {plural}"


def _seen_by(view: Mapping[str, Any]) -> str:
    words = [view.get("network"), f"resize {view['resize']}" if "resize" in view else None]
    weights = view.get("weights")
    words.append(weights if weights in (None, "random") else f"weights {weights[:8]}")
    return ", ".join(filter(None, words)) or "pixels"


def _counted(counts: Mapping[str, int]) -> str:
    shown = [f"{name} ({count})" for name, count in counts.items()]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
