"""Which pictures the words of a call mean: files, folders, quoted globs and standard input; and their classes."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sketchkit.data.formats import SUFFIXES
from sketchkit.data.listing import some_pictures
from sketchkit.data.lists import Names, read_text
from sketchkit.errors import ConfigError, DataError
from sketchkit.files import regular_file
from sketchkit.problems import first_few

STANDARD = "-"  # input or output
HEADERS = ({"file", "label"}, {"file", "class"}, {"name", "label"}, {"name", "class"}, {"picture", "label"})


class Input(NamedTuple):
    """A picture to read.

    file: None for standard input; name: its path below the folder that was given, or its name.
    """

    file: Path | None
    name: Path

    @property
    def shown(self) -> str:
        """What messages call it."""
        return "standard input" if self.file is None else str(self.file)

    @property
    def folder(self) -> str:
        """The name of the folder that it lies in."""
        return "" if self.file is None else self.file.absolute().parent.name


def find_inputs(words: Sequence[str]) -> list[Input]:
    """The pictures that words name, each once, in the order of the words.

    Raises:
        DataError: a word names nothing, or a folder without a picture.
    """
    found: dict[str | None, Input] = {}
    for word in words:
        for one in _of_word(word):
            found.setdefault(None if one.file is None else os.path.realpath(one.file), one)
    return list(found.values())


def _of_word(word: str) -> Iterator[Input]:
    path = Path(word)
    if word == STANDARD:
        yield Input(None, Path("picture"))
    elif path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        yield Input(regular_file(path), Path(path.name))
    elif glob.has_magic(word):
        yield from _matching(word)
    else:
        raise DataError(f"no picture or folder at {word}: check the path")


def _in_folder(folder: Path) -> Iterator[Input]:
    yield from (Input(file, file.relative_to(folder)) for file in some_pictures(folder))


def _matching(pattern: str) -> Iterator[Input]:
    """Files by their names alone, whatever folders of theirs the pattern leaves open; folders are walked."""
    # pathlib's own takes no absolute pattern.
    paths = [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
    if not paths:
        raise DataError(f"nothing matches {pattern}: check the pattern")
    # `**` finds what is in folders by itself.
    folders = [] if "**" in pattern else [path for path in paths if path.is_dir()]
    files = [path for path in paths if path.is_file() and path.suffix.lower() in SUFFIXES]
    if not (folders or files):
        raise DataError(f"nothing that matches {pattern} is a picture of a known format: check the pattern")
    yield from (Input(path, Path(path.name)) for path in files)
    for folder in folders:
        yield from _in_folder(folder)


def labels_of(inputs: Iterable[Input], label: str | None, table: Path | None) -> tuple[dict[Input, str], list[str]]:
    """The class of each picture, and the lines of the table that name none of them.

    Args:
        label: one for all, or 'auto' for the name of each picture's folder.
        table: a CSV file of picture and class; a picture that it does not name has none.

    Raises:
        ConfigError: both are given.
        DataError: the table cannot be read, or a line of it is no such line.
    """
    inputs = list(inputs)
    if table is not None:
        if label is not None:
            raise ConfigError("--label and --labels both say the class: leave out one of them")
        return _from_table(inputs, table)
    if label == "auto":
        return {one: one.folder for one in inputs}, []
    return ({} if label is None else dict.fromkeys(inputs, label)), []


def _from_table(inputs: Sequence[Input], table: Path) -> tuple[dict[Input, str], list[str]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(read_text(table, "table"))) if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(f"{table} is no CSV file ({error}): give lines of picture, comma, class") from error
    if rows and {cell.strip().lower() for cell in rows[0]} in HEADERS:
        rows = rows[1:]
    if bad := [",".join(row) for row in rows if len(row) != 2 or not row[1].strip()]:
        raise DataError(f"{table} has lines that are no picture, comma, class: {first_few(bad, '; ')}")
    names = Names({one.name.as_posix(): one for one in inputs})
    paths = Names({one.file.as_posix(): one for one in inputs if one.file is not None})
    found, unknown = dict[Input, str](), list[str]()
    for name, label in rows:
        one = names.find(name) or paths.find(name)
        if one is None:
            unknown.append(name)
        elif found.setdefault(one, label.strip()) != label.strip():
            raise DataError(f"{table} says two classes of {name}, {found[one]} and {label.strip()}: leave out one")
    return found, unknown
