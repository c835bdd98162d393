"""A data set divided into train, val and test, and the file that says which picture is where."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from sketchkit.atomic import write_whole
from sketchkit.data.lists import Names, read_lines, read_text
from sketchkit.data.randomness import stable_seed
from sketchkit.errors import ConfigError, DataError
from sketchkit.files import parse_json
from sketchkit.options import did_you_mean
from sketchkit.problems import first_few

PARTS = ("train", "val", "test")
FORMAT = "sketchkit split"
TOLERANCE = 1e-6
Number = TypeVar("Number", int, float)
Sizes = Mapping[str, Number] | Sequence[Number]


def split_files(
    names: Sequence[str],
    counts: Sizes[int] | None = None,
    ratios: Sizes[float] | None = None,
    seed: int = 0,
) -> dict[str, list[str]]:
    """The names divided by sizes, which are given by the parts' names, or as two or three in the order of PARTS.

    Who goes where depends on the seed and the names alone, not on their order. Counts may leave names over; ratios
    use them all: each part's number is rounded down, and the last part takes the rest. Each part is sorted.

    Raises:
        ConfigError: not exactly one of counts and ratios, or numbers that are no counts or no ratios.
        DataError: too few names for them, or a name that is there twice.
    """
    if (counts is None) == (ratios is None):
        raise ConfigError("a split needs counts or ratios, one of the two: for example ratios 0.8,0.1,0.1")
    _refuse_twice(names, "to be split")
    sizes = _counted(counts, len(names)) if counts is not None else _shared(ratios or (), len(names))
    order = iter(sorted(names, key=lambda name: (stable_seed(seed, name), name)))
    return {part: sorted(islice(order, size)) for part, size in sizes.items()}


def write_split(path: str | Path, root: str | Path, parts: Mapping[str, Sequence[str]], seed: int) -> None:
    """Write the parts, named relative to `root`, with their counts and the seed as JSON; never half a file.

    Raises:
        DataError: a name is no file below `root`, or is in two parts.
        ConfigError: a part has another name than train, val and test.
    """
    _check(parts, f"the split for {path}", root)
    counts = {part: len(names) for part, names in parts.items()}
    content = {"format": FORMAT, "seed": seed, "counts": counts, "parts": {p: list(n) for p, n in parts.items()}}
    write_whole(path, json.dumps(content, indent=1) + "\n")


def read_split(path: str | Path, root: str | Path | None = None) -> dict[str, list[str]]:
    """The names of every part of a file that `write_split` wrote; with `root`, each is checked to be a file there.

    Raises:
        DataError: the file is missing, damaged or something else, a name is in two parts, or is not below `root`.
        ConfigError: a part has another name than train, val and test.
    """
    parts = _parsed(Path(path))
    _check(parts, str(path), root)
    return parts


def read_list(path: str | Path) -> list[str]:
    """The lines of a list of names, such as `sketchkit data colorful` writes; empty ones left out.

    Raises:
        DataError: there is no such file, it is no text, or it is empty.
    """
    names = read_lines(path)
    if not names:
        raise DataError(f"the list {path} is empty: write one with `sketchkit data colorful`")
    return names


def listed_below(path: str | Path, root: Path, files: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Which of the files below `root` a list names, in their order, and the lines that name none of them.

    Raises:
        DataError: as `read_list`; or the list names none of the files.
    """
    files = list(files)
    lines = read_list(path)
    found, unknown = Names({file.relative_to(root).as_posix(): file for file in files}).look_up(lines)
    if not found:
        raise DataError(f"{path} lists none of the {len(files)} files of {root}: was it made for this folder?")
    chosen = set(found.values())
    return [file for file in files if file in chosen], unknown


def names_below(root: str | Path, files: Iterable[Path]) -> list[str]:
    """The files' paths relative to `root`, with forward slashes, as lists and splits hold them.

    Raises:
        DataError: a name that a list cannot hold: one with a line break, or that is not UTF-8.
    """
    names = [file.relative_to(root).as_posix() for file in files]
    odd = [name for name in names if {"\n", "\r"} & set(name) or any("\ud800" <= letter <= "\udfff" for letter in name)]
    if odd:
        raise DataError(
            f"{len(odd)} file names in {root} have a line break or are not UTF-8, first {odd[0]!a}: rename them"
        )
    return names


def shared(trained: Iterable[Path], held_out: Iterable[Path]) -> str:
    """A line on the files that are trained on and held out too, whatever links lead to them; empty where none are."""
    folders: dict[Path, str] = {}

    def real(file: Path) -> str:
        if file.is_symlink():
            return os.path.realpath(file)
        folder = file.parent
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        return f"{folders[folder]}{os.sep}{file.name}"

    known, held_out = set(map(real, trained)), list(held_out)
    both = [file for file in held_out if real(file) in known]
    if not both:
        return ""
    return (
        f"{len(both)} of the {len(held_out)} held-out files are trained on too, first {both[0]}: what is measured on "
        "them says how well they are remembered"
    )


def copies(trained: Iterable[Path], held_out: Iterable[Path]) -> str:
    """A line on held-out files that hold the very bytes of others that are trained on; empty where none do."""
    by_size: dict[int, list[Path]] = {}
    for file in trained:
        by_size.setdefault(file.stat().st_size, []).append(file)
    held_out, digest = list(held_out), lru_cache(maxsize=None)(lambda file: sha256(file.read_bytes()).digest())
    twins = (
        (file, other)
        for file in held_out
        for other in by_size.get(file.stat().st_size, ())
        if digest(file) == digest(other)
    )
    first = dict(twins)
    if not first:
        return ""
    some = first_few(f"{file} is {other}" for file, other in first.items())
    return f"{len(first)} of the {len(held_out)} held-out files are copies of files that are trained on: {some}"


def check_files(names: Iterable[str], root: str | Path, said_by: str) -> None:
    """Check that every name is one of a file below `root`.

    Raises:
        DataError: how many are not, and the first of them.
    """
    names, root = list(names), Path(root)
    outside = [name for name in names if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts]
    if outside:
        raise DataError(f"{said_by} names '{outside[0]}', which is not relative to the data's folder: write it again")
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(names)} files that {said_by} names are not in {root}, first '{missing[0]}': is "
            "it the folder it was made for? Else write it again"
        )


def _named(sizes: Sizes[Number], example: str) -> dict[str, Number]:
    """The sizes by their parts' names, in the order of PARTS."""
    if isinstance(sizes, Mapping):
        _check_parts(sizes, "the split")
        named = {part: sizes[part] for part in PARTS if part in sizes}
    else:
        named = dict(zip(PARTS, sizes, strict=False)) if len(sizes) in (2, 3) else {}
    # Written so that a NaN fails as well.
    if not named or not all(size >= 0 for size in named.values()):
        raise ConfigError(f"{_joined(sizes)} is no split: give two or three numbers, as {example}")
    return named


def _counted(counts: Sizes[int], available: int) -> dict[str, int]:
    named = _named(counts, "80,10,10")
    total = sum(named.values())
    if not total:
        raise ConfigError(f"counts {_joined(counts)} take no file: raise one")
    if total > available:
        raise DataError(f"counts {_joined(counts)} take {total} files, there are {available}: lower them")
    return named


def _shared(ratios: Sizes[float], available: int) -> dict[str, int]:
    """Whole numbers in these ratios that sum to all: rounded down, the rest to the last part that is to have any."""
    named = _named(ratios, "0.8,0.1,0.1")
    total = sum(named.values())
    if abs(total - 1) > TOLERANCE:
        raise ConfigError(f"ratios {_joined(ratios)} sum to {total:g}: make it 1, as 0.8,0.1,0.1")
    # In floating point 100 x 0.29 is a little less than 29.
    sizes = {part: int(available * ratio / total + TOLERANCE) for part, ratio in named.items()}
    sizes[[part for part in named if named[part]][-1]] += available - sum(sizes.values())
    empty = [part for part, size in sizes.items() if named[part] and not size]
    if empty:
        raise DataError(f"ratios {_joined(ratios)} of {available} files leave none for {empty[0]}: raise its ratio")
    return sizes


def _joined(sizes: Sizes[Number]) -> str:
    return ",".join(map(str, sizes.values() if isinstance(sizes, Mapping) else sizes))


def _refuse_twice(names: Iterable[str], where: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} names are twice {where}, first '{twice[0]}': keep each once")


def _parsed(path: Path) -> dict[str, list[str]]:
    content = parse_json(read_text(path, "split"), path, object, mend="write it again with `sketchkit data split`")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{path} is no split file: write one with `sketchkit data split`")
    parts = content.get("parts")
    if not isinstance(parts, dict) or not all(_is_names(names) for names in parts.values()):
        raise DataError(
            f"{path} is damaged (its parts are no lists of names): write it again with `sketchkit data split`"
        )
    return parts


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _check_parts(parts: Iterable[str], said_by: str) -> None:
    for part in parts:
        if part not in PARTS:
            raise ConfigError(f"{said_by} has a part '{part}': {did_you_mean(part, PARTS)}")


def _check(parts: Mapping[str, Sequence[str]], said_by: str, root: str | Path | None) -> None:
    _check_parts(parts, said_by)
    names = [name for part in parts.values() for name in part]
    _refuse_twice(names, f"in {said_by}")
    if root is not None:
        check_files(names, root, said_by)
