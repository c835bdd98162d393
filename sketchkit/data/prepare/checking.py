"""What is in a folder of pictures, and what is wrong with it, before a training finds out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sketchkit.data.base import FileDataset, Findings, Looking
from sketchkit.data.listing import list_pictures
from sketchkit.data.prepare.advice import training_command
from sketchkit.data.splits import copies, shared
from sketchkit.errors import ConfigError, DataError, SketchkitError
from sketchkit.options import check_options, did_you_mean
from sketchkit.problems import first_few
from sketchkit.registry import DATASETS


def kinds() -> dict[str, type[FileDataset]]:
    """The data sets that say what they are called, by that name; not those made of one, which read its folders."""
    entries = (DATASETS.get(name) for name in DATASETS.names())
    sets = [entry for entry in entries if isinstance(entry, type) and issubclass(entry, FileDataset)]
    return {entry.kind: entry for entry in sets if entry.kind and "kind" in vars(entry)}


def find_kind(root: Path) -> str:
    """The data set that a folder's layout is surest to be that of.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise DataError(f"no data at {root}: check the path")
    if (root / "config.json").is_file() and (root / "scalars.jsonl").is_file():
        raise DataError(
            f"{root} is the folder of a run: name the folder of its data, or measure it with `sketchkit eval`"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever reads the pictures says it again
        sure = {name: entry.recognize(root) for name, entry in kinds().items()}
    best = max(sure, key=lambda name: sure[name])
    if not sure[best]:
        said = list_pictures(root).said(root)
        raise DataError(f"no picture in {root}: {said or 'check the path'}")
    return best


def check_folder(root: Path, kind: str, look: Looking = iter, options: Mapping[str, Any] | None = None) -> Findings:
    """Read every picture of a data set, and find out whether a training would take it.

    Args:
        root: the folder.
        kind: one of `kinds`.
        look: wraps what is walked through, for progress.
        options: of the data set.

    Raises:
        DataError: the layout is not that of `kind`.
        ConfigError: there is no such kind, or option.
    """
    known = kinds()
    if kind not in known:
        raise ConfigError(f"no data set is called '{kind}': {did_you_mean(kind, known)}")
    entry, options = known[kind], dict(options or {})
    check_options(entry, options)
    findings = Findings(kind, options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen = _read_all(entry, root, options, look, findings)
        _advise(entry, root, options, findings)
    findings.notes = list(dict.fromkeys([*(str(one.message) for one in caught), *findings.notes, *_beside(root, seen)]))
    return findings


def _read_all(
    entry: type[FileDataset], root: Path, options: Mapping[str, Any], look: Looking, findings: Findings
) -> set[Path]:
    """Read every split; the files that are in any."""
    seen: set[Path] = set()
    for name, chosen in entry.splits_in(root, **options):
        try:
            dataset = entry(root, **chosen)
        except DataError as error:
            findings.add(error)
            continue
        dataset.examine(name, findings, look)
        seen.update([*dataset.files(), *dataset.dropped()])
    return seen


def _advise(entry: type[FileDataset], root: Path, options: Mapping[str, Any], findings: Findings) -> None:
    """How to train on it; what building the data sets of a training refuses is a problem."""
    try:
        command, built = training_command(entry, root, options)
    except DataError as error:
        findings.add(error)
        return
    for one in built.values():
        if isinstance(one, SketchkitError):
            findings.add(one)
    sets = [one for one in built.values() if isinstance(one, FileDataset)]
    if findings.is_refused or len(sets) < 2:
        return
    most = max(one.max_unreadable for one in sets)
    if len(findings.problems) > most:
        findings.notes.append(f"a training ends at more than {most} pictures that it cannot use (max_unreadable)")
        return
    findings.command = command
    train, held_out = (one.files() for one in sets)
    findings.notes += filter(None, [shared(train, held_out) or copies(train, held_out)])


def _beside(root: Path, seen: set[Path]) -> list[str]:
    """A line on the pictures of the folder that no split has."""
    others = [file for file in list_pictures(root).files if file not in seen] if seen else []
    return [f"{len(others)} pictures in {root} are in no split: {first_few(others)}"] if others else []
