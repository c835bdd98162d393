"""Lists of names in text files, one a line, by whomever they were written: the one reader of them all."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar

from sketchkit.data.formats import OTHERS, SUFFIXES
from sketchkit.data.names import canonical, without_ending
from sketchkit.errors import DataError

T = TypeVar("T")
# Not what else Unicode takes for the end of a line: a file's name may hold that.
_LINE_ENDS = re.compile("\r\n|\n|\r")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: str | Path, what: str = "list") -> str:
    """A text file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises:
        DataError: it is no regular file, cannot be read, or is no such text; calls it `what`.
    """
    path = Path(path)
    refused = f"cannot read the {what} {path}"
    if path.exists() and not path.is_file():
        raise DataError(f"{refused} (it is no file): check the path")
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except OSError as error:
        raise DataError(f"{refused} ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{refused} (it is no text): save it as UTF-8") from error
    if "\0" in text:
        raise DataError(f"{refused} (it is no text): save it as UTF-8")
    return text


def read_lines(path: str | Path) -> list[str]:
    """The lines of a list, whatever ends them; blank ones are left out.

    Raises:
        DataError: as `read_text`.
    """
    return [line for line in _LINE_ENDS.split(read_text(path)) if line.strip()]


class Names(Generic[T]):
    """What the lines of a list mean: names to things, found as people write them.

    A line may have slashes or backslashes, `./` before it, blanks around it, any Unicode form, and another picture's
    ending or none; what is written exactly so comes first. One that fits several things means none.

    Args:
        things: by their names, relative to one folder, with forward slashes; with or without endings.
    """

    def __init__(self, things: Mapping[str, T]) -> None:
        self.things = things
        self.forms: dict[str, list[T]] = {}
        for name, thing in things.items():
            for form in {canonical(name), _short(canonical(name))}:
                self.forms.setdefault(form, []).append(thing)

    def find(self, line: str) -> T | None:
        """The thing that a line names."""
        for spelling in spellings(line):
            if spelling in self.things:
                return self.things[spelling]
        for spelling in spellings(line):
            for form in (canonical(spelling), _short(canonical(spelling))):
                found = self.forms.get(form, [])
                if len(found) == 1:
                    return found[0]
        return None

    def look_up(self, lines: Iterable[str]) -> tuple[dict[str, T], list[str]]:
        """What is named, by line, and the lines that name nothing; those that begin with # are remarks then."""
        found = {line: self.find(line) for line in lines}
        unknown = [line.strip() for line, thing in found.items() if thing is None and not line.lstrip().startswith("#")]
        return {line: thing for line, thing in found.items() if thing is not None}, unknown


def spellings(line: str) -> Sequence[str]:
    """The names that a line may mean, the most literal first."""
    plain = line.strip()
    slashed = plain.replace("\\", "/").removeprefix("./")
    return tuple(dict.fromkeys((line, plain, slashed)))


def _short(name: str) -> str:
    ending = PurePosixPath(name).suffix.lower()
    return without_ending(name) if ending in SUFFIXES or ending in OTHERS else name
