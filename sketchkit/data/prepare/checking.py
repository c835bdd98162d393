"""What is in a folder of pictures, and what is wrong with it, before a training finds out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sketchkit.data.base import FileDataset, pictures_in
from sketchkit.data.datasets.color import ColorDataset
from sketchkit.data.datasets.pairs import PairsDataset, two_folders
from sketchkit.data.datasets.sketchy import SketchyDataset
from sketchkit.data.datasets.unpaired import UnpairedDataset
from sketchkit.data.image_io import read_image
from sketchkit.data.prepare.sides import find_source_side
from sketchkit.data.splits import PARTS
from sketchkit.errors import DataError

Looking = Callable[[Sequence[Any]], Any]


@dataclass
class Report:
    """Counts by name, what was found out, and one line for every problem."""

    kind: str
    counts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def find_kind(root: Path) -> str:
    """Which data set a folder's layout is that of.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise DataError(f"no data at {root}: check the path")
    if any((root / name).is_dir() for name in ("photo", "sketch", "256x256")):
        return "sketchy"
    if any((root / f"{part}A").is_dir() for part in PARTS):
        return "unpaired"
    if any(two_folders(root, part) for part in (*PARTS, None)):
        return "pairs"
    files = pictures_in(root)
    if not files:
        raise DataError(f"no picture in {root}: check the path")
    height, width = read_image(files[0]).shape[:2]
    return "pairs" if width == 2 * height else "color"


def check_folder(root: Path, kind: str, look: Looking = iter) -> Report:
    """Read every picture of a data set of pairs, unpaired or colour pictures.

    `extract` wraps what is walked through, for progress.

    Raises:
        DataError: the layout is not that of `kind`.
    """
    report = Report(kind)
    for name, dataset in _parts(root, kind):
        report.counts[name] = len(dataset)
        for index in look(range(len(dataset))):
            _try_sample(dataset, index, report.problems)
        if isinstance(dataset, PairsDataset) and dataset.is_side_by_side:
            _tell_side(dataset, name, report)
    return report


def describe_sketchy(root: Path, look: Looking = iter, **transformations: str) -> Report:
    """The counts of a Sketchy folder, and every file of it that cannot be read."""
    dataset = SketchyDataset(root, split="all", drop=(), **transformations)  # type: ignore[arg-type]
    report = Report("sketchy", dataset.describe())
    for file in look(dataset.files()):
        try:
            read_image(file)
        except DataError as error:
            report.problems.append(str(error))
    return report


def _parts(root: Path, kind: str) -> Iterator[tuple[str, FileDataset]]:
    """The data set of every part that there is, which leaves nothing out and gives nothing up."""
    found = 0
    for part in PARTS:
        if kind == "unpaired" and (root / f"{part}A").is_dir():
            yield part, UnpairedDataset(root, part, serial=True)
        elif kind == "pairs" and ((root / part).is_dir() or two_folders(root, part)):
            yield part, PairsDataset(root, part)
        else:
            continue
        found += 1
    if kind == "unpaired" and not found:
        raise DataError(f"{root} has no folders trainA and trainB: see docs/data.md for the layouts")
    if kind == "pairs" and not found:
        yield "all", PairsDataset(root, None)
    if kind == "color":
        yield "all", ColorDataset(root, None)


def _try_sample(dataset: FileDataset, index: int, problems: list[str]) -> None:
    try:
        dataset.read_sample(index)
    except DataError as error:
        problems.append(str(error))


def _tell_side(dataset: PairsDataset, name: str, report: Report) -> None:
    try:
        report.counts[f"{name} sides"] = find_source_side([pair[0] for pair in dataset.pairs], sample=None).summary
    except DataError as error:
        # Label maps are as colourful as photos: only sketches on both sides are a fault.
        if "unclear" in str(error):
            report.counts[f"{name} sides"] = "neither half looks like line art"
        else:
            report.problems.append(str(error))
