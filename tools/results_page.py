"""The page of results: Markdown of what runs say of themselves, beside the published figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from sketchkit.file_names import printable
from tools.published import PUBLISHED, SOURCES, UNREAD, Published
from tools.results_run import RunRecord, Score, count, overrides, parameters, told

# Of those measured, what the first table shows.
MAIN = ("fid", "kid", "lpips", "lpips-diversity", "l1", "checkerboard")
LONGEST = 120
LONGEST_TIME = 10**9  # in seconds
TOLERANCE = 0.01  # of iterations, within which two trainings count as equally long
UNKNOWN = "not said"


def page(
    runs: Sequence[RunRecord],
    pictures: Mapping[Path, str],
    refused: Sequence[tuple[str, str]],
    command: str,
    figures: Sequence[Published] = PUBLISHED,
) -> str:
    """The whole page.

    Args:
        runs: in the order in which they are shown.
        pictures: a run's folder -> its picture, relative to the page.
        refused: folders that are no runs, by name, and why.
        command: that makes the page anew.
        figures: the published ones.
    """
    parts = [_head(command), "## Runs", _table(RUNS, map(_row, runs)) if runs else "No run was given."]
    parts += [f"- {code(name)}: {code(reason)}" for name, reason in sorted(refused)]
    parts += [part for run in runs for part in _section(run, pictures.get(run.folder))]
    parts += ["## Published numbers", *_published(runs, figures)]
    return "\n\n".join(parts) + "\n"


def code(text: object, in_table: bool = False) -> str:
    """Any text as a code span, in which Markdown and HTML mean nothing; a long one is cut."""
    shown = printable(str(text))
    shown = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    space = " " if not shown.strip("` ") or shown[0] in "` " or shown[-1] in "` " else ""
    span = f"{fence}{space}{shown}{space}{fence}"
    # A table is cut into cells before spans are looked for, and what a backslash before a cut means differs.
    return span.replace("\\", "/").replace("|", "\\|") if in_table and "|" in span else span


def _head(command: str) -> str:
    return f"""# Results

What was trained here, on what, for how long and on which machine, and what it came to; every number and picture is
from the run folders themselves. The page is written by

    {command}

and by nobody's hand: to add a run, measure it (`sketchkit eval RUN`) and name its folder too.

Time is that of the iterations which led to the weights, without validations; the machine is that of a run's last start.
Numbers of different protocols are not to be compared: see [what they can be compared with](evaluation.md)."""


def _table(head: str, rows: Iterator[str] | map) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *rows])


RUNS = "| system | config | run | data | pixels | iterations x batch | time | machine | numbers |"
FACTS = "| | |"
SCORES = "| metric | value | pictures | seen by | note |"
FIGURES = "| system | task | trained by | figures | protocol | source | with ours |"


def _row(run: RunRecord) -> str:
    main = [score for score in run.scores if score.name in MAIN] or run.scores
    numbers = ", ".join(f"{code(score.name, True)} {_value(score)}" for score in main)
    system = f"[{run.system.name}]({run.system.page})"
    cells = [system, *(code(name, True) for name in (run.name, run.folder.name)), _data(run), _size(run)]
    cells += [f"{run.iterations:,} x {run.batch}", _time(run.seconds), _machine(run), numbers or run.unmeasured]
    return f"| {' | '.join(cells)} |"


def _section(run: RunRecord, picture: str | None) -> Iterator[str]:
    yield f"### {code(run.folder.name)}, {run.system.name}"
    facts = {
        "config": code(run.name, True),
        "differs from it in": _overrides(run),
        "data": f"{_data(run)}, {_kind(run)}",
        "training": f"{run.iterations:,} iterations of {_asked(run)}, batches of {run.batch}, {_time(run.seconds)}",
        "machine": f"{_machine(run)}; {_versions(run)}",
        "parameters": _parameters(run),
        "in training": _validated(run),
        "measured": _protocol(run),
    }
    yield _table(FACTS, (f"| {name} | {text} |" for name, text in facts.items()))
    if run.scores:
        yield _table(SCORES, map(_score, run.scores))
    if picture:
        yield f"![Grid of the run's last samples]({picture})"
    else:
        yield "No grid of samples lies in the run folder." if run.grid is None else "Its pictures are not shown here."


def _score(score: Score) -> str:
    counts = ", ".join(f"{count} {code(role, True)}" for role, count in score.pictures.items())
    note = code(score.note, True) if score.note else ""
    return f"| {code(score.name, True)} | {_value(score)} | {counts} | {code(score.seen_by, True)} | {note} |"


def _value(score: Score) -> str:
    return code(score.value, True) if isinstance(score.value, str) else f"{score.value:.4g}"


def _data(run: RunRecord) -> str:
    """The set's own name, how many samples, the beginning of the fingerprint."""
    root = told(run.config, "data_root", kind=str)
    samples = count(run.environment, "data", "samples")
    digest = told(run.environment, "data", "fingerprint", kind=str)
    words = [code(Path(root).name, True) if root else UNKNOWN, f"{samples:,} samples" if samples else None]
    return ", ".join(filter(None, [*words, code(digest[:8], True) if digest else None]))


def _kind(run: RunRecord) -> str:
    kind = told(run.config, "train_dataloader", "dataset", "type", kind=str)
    split = told(run.config, "train_dataloader", "dataset", "split", kind=str)
    return f"{code(kind or UNKNOWN, True)}, split {code(split, True)}" if split else code(kind or UNKNOWN, True)


def _size(run: RunRecord) -> str:
    side, size = count(run.config, "image_size"), run.config.get("image_size")
    return str(side) if side else code(size, True) if size else UNKNOWN


def _asked(run: RunRecord) -> str:
    asked = count(run.config, "train_cfg", "max_iters")
    return f"{asked:,}" if asked else "an unknown number"


def _time(seconds: float | None) -> str:
    return UNKNOWN if seconds is None or seconds > LONGEST_TIME else str(timedelta(seconds=round(seconds)))


def _machine(run: RunRecord) -> str:
    device = told(run.environment, "device", kind=str)
    parts = {"cores": "core", "threads": "thread", "processes": "process"}
    counts = [(count(run.environment, name), one, name) for name, one in parts.items()]
    words = [f"{many} {one if many == 1 else name}" for many, one, name in counts if many]
    return ", ".join([code(device, True) if device else UNKNOWN, *words])


def _versions(run: RunRecord) -> str:
    versions = {"python": run.environment.get("python"), **(told(run.environment, "versions", kind=dict) or {})}
    return ", ".join(f"{code(f'{name} {version}', True)}" for name, version in versions.items() if version) or UNKNOWN


def _parameters(run: RunRecord) -> str:
    counts = parameters(run)
    if counts is None:
        return "not counted: a network of other code, or one that cannot be built"
    return ", ".join(f"{code(name, True)} {count:,}" for name, count in counts.items())


def _overrides(run: RunRecord) -> str:
    changed = overrides(run)
    if changed is None:
        return "not known: no config comes with sketchkit that it can be compared with"
    return ", ".join(code(one, True) for one in changed) or "nothing: as shipped"


def _validated(run: RunRecord) -> str:
    iteration, values = run.validated
    # An infinity says something too; a whole number of any length is written as it is.
    text = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in values.items()}
    shown = [f"{code(name, True)} {code(value, True)}" for name, value in text.items()]
    return f"iteration {iteration:,}: {', '.join(shown)}" if shown else "not validated"


def _protocol(run: RunRecord) -> str:
    if run.measured is None:
        return run.unmeasured
    made = run.measured["generator"]
    dropout = {True: "on", False: "off", None: UNKNOWN}[told(made, "test_dropout", kind=bool)]
    held_out = {True: "held out", False: "NOT held out: of the training", None: "held out or not: not said"}
    facts = {"weights": made.get("weights"), "norms": made.get("test_norm"), "draws": made.get("draws")}
    facts["split"] = made.get("split")
    words = [f"{name} {UNKNOWN if value is None else code(value, True)}" for name, value in facts.items()]
    return ", ".join([f"iteration {run.measured_at:,}", *words, held_out[run.is_held_out], f"dropout {dropout}"])


def _published(runs: Sequence[RunRecord], figures: Sequence[Published]) -> Iterator[str]:
    yield "Each was read where its source points to. None of them is ours."
    yield _table(FIGURES, map(_figure, figures))
    yield "Ours beside them, where a run learnt the same task and was measured so:"
    pairs = [_beside(one, run, score) for one in figures for run in runs for score in _matching(one, run)]
    yield "\n".join(pairs) if pairs else "None."
    yield "What is not here:"
    yield "\n".join(f"- {system}: {reason}." for system, reason in sorted(UNREAD.items()))


def _figure(one: Published) -> str:
    figures = ", ".join(f"`{name}` {value:g}" for name, value in one.figures.items())
    source = f"[{one.source}]({SOURCES[one.source]})"
    return f"| {' | '.join([one.system, one.task, one.by, figures, one.protocol, source, _with_ours(one)])} |"


def _with_ours(one: Published) -> str:
    return f"where a run of `{one.config}` is alike; {one.apart}" if one.config else f"not comparable: {one.apart}"


def _matching(one: Published, run: RunRecord) -> list[Score]:
    return [score for score in run.scores if run.name == one.config and score.name in one.figures]


def _beside(one: Published, run: RunRecord, score: Score) -> str:
    apart = list(obstacles(one, run, score))
    verdict = f"not comparable: {'; '.join(apart)}" if apart else f"comparable, but for {one.apart}"
    theirs = f"{one.task}, {one.by}: `{score.name}` {one.figures[score.name]:g}"
    return f"- {one.system}, {theirs}; {code(run.folder.name)} {_value(score)}, {verdict}"


def obstacles(one: Published, run: RunRecord, score: Score) -> Iterator[str]:
    """What in our run keeps its number from being compared with a published one."""
    pictures = score.pictures.get("fake")
    if run.config.get("image_size") != one.size:
        yield f"{_size(run)} pixels against {one.size}"
    if pictures != one.pictures:
        yield f"{pictures or 'an unknown number of'} pictures against {one.pictures}"
    if one.iterations and abs(run.measured_at - one.iterations) > TOLERANCE * one.iterations:
        yield f"{run.measured_at:,} iterations against {one.iterations:,}"
    made = told(run.measured, "generator", kind=dict)
    if told(made, "test_norm", kind=str) != one.test_norm or told(made, "test_dropout", kind=bool) != one.test_dropout:
        yield "another test protocol"
    if run.is_held_out is not True:
        yield "not held out, or not known to be"
    changed = overrides(run)
    if changed is None or changed:
        yield f"{len(changed) if changed else 'unknown'} settings other than shipped"
