"""What is in a folder of pictures, and what is wrong with it, before a training finds out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sketchkit.data.base import FileDataset, Findings, Looking
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import check_options, did_you_mean
from sketchkit.registry import DATASETS


def kinds() -> dict[str, type[FileDataset]]:
    """The data sets that say what they are called, by that name."""
    entries = (DATASETS.get(name) for name in DATASETS.names())
    sets = [entry for entry in entries if isinstance(entry, type) and issubclass(entry, FileDataset)]
    return {entry.kind: entry for entry in sets if entry.kind}


def find_kind(root: Path) -> str:
    """The data set that a folder's layout is surest to be that of.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise DataError(f"no data at {root}: check the path")
    sure = {name: entry.recognize(root) for name, entry in kinds().items()}
    best = max(sure, key=lambda name: sure[name])
    if not sure[best]:
        raise DataError(f"no picture in {root}: check the path")
    return best


def check_folder(root: Path, kind: str, look: Looking = iter, options: Mapping[str, Any] | None = None) -> Findings:
    """Read every picture of a data set.

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
    check_options(known[kind], options or {})
    findings = Findings(kind)
    for name, dataset in known[kind].splits_in(root, **(options or {})):
        dataset.examine(name, findings, look)
    return findings
