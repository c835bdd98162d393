"""Results -> `report.json`, and `report.md` with a table a step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sketchkit.atomic import write_whole
from tools.gpu.steps import Result, Row

TITLES = {"make": "What it was run on", "right": "What must be right", "cost": "What it costs", "train": "Training"}


def write_report(folder: Path, about: Mapping[str, Any], results: Sequence[Result], left: Sequence[str]) -> None:
    """Write both files; `left` names the steps that have not been begun."""
    content = {**about, "steps": [vars(result) for result in results], "not_begun": list(left)}
    write_whole(folder / "report.json", json.dumps(content, indent=2, default=str) + "\n")
    write_whole(folder / "report.md", markdown(about, results, left))


def markdown(about: Mapping[str, Any], results: Sequence[Result], left: Sequence[str]) -> str:
    """The report as a page: what failed first, then every step under its part's title."""
    failed = [result.name for result in results if result.has_failed]
    checks = [row["passed"] for result in results for row in result.rows if row.get("passed") is not None]
    lines = [f"# {about.get('title', 'GPU report')}", ""]
    lines += [f"- {name}: {value}" for name, value in about.items() if name != "title"]
    lines += [f"- checks: {sum(checks)} of {len(checks)} passed"]
    lines += [f"- failed: {', '.join(failed) or 'nothing'}", f"- not begun: {', '.join(left) or 'nothing'}"]
    for part, title in TITLES.items():
        of_part = [result for result in results if result.part == part]
        lines += ["", f"## {title}"] if of_part else []
        for result in of_part:
            lines += ["", *_section(result)]
    return "\n".join(lines) + "\n"


def _section(result: Result) -> list[str]:
    lines = [f"### {result.name} ({result.seconds:.0f} s)"]
    lines += ["", *_table(result.rows)] if result.rows else []
    lines += ["", f"**{_cell(result.error)}**"] if result.error else []
    return lines


def _table(rows: Sequence[Row]) -> list[str]:
    said = [name for row in rows for name, value in row.items() if value is not None and value != ""]
    names = list(dict.fromkeys(said))
    head = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return head + ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in rows]


def _cell(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return " ".join(str(value).split()).replace("|", "/")
