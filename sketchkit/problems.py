"""Long lists of what is wrong, as a person reads them: the first few, and a file with them all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from sketchkit.file_names import printable

SHOWN = 5


def first_few(items: Iterable[object], separator: str = ", ") -> str:
    """The items in words: all of up to five; of more the first five, how many follow, and the file that lists them all.

    The file lies in the system's folder for temporary files, one item a line: the call that failed may have no other
    place to write to.
    """
    words = [str(item) for item in items]
    shown = separator.join(map(printable, words[:SHOWN]))
    if len(words) <= SHOWN:
        return shown
    return f"{shown}{separator}and {len(words) - SHOWN} more{_all_of(words)}"


def _all_of(words: Sequence[str]) -> str:
    # Names may hold any bytes. The same list goes into the same file, however often it is told.
    data = "".join(f"{word}\n" for word in words).encode(errors="surrogateescape")
    path = Path(tempfile.gettempdir(), f"sketchkit_problems_{hashlib.sha256(data).hexdigest()[:12]}.txt")
    try:
        number, temporary = tempfile.mkstemp()
        with os.fdopen(number, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        return " (no file could be written with them all)"
    return f" (all in {path})"
