"""Names of picture files: what they are called within a set, and which of them are the same."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath


def canonical(name: str) -> str:
    """The name in Unicode's composed form (NFC): some systems write the same letters in another."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def without_ending(name: str) -> str:
    """`folder/name.png` -> `folder/name`."""
    return str(PurePosixPath(name).with_suffix(""))


def names_of(files: Iterable[Path], base: Path) -> dict[Path, str]:
    """A name for each file that no other has: its path below `base` without the ending.

    It keeps the ending where two would be alike, and is in Unicode's composed form unless two would be alike by that.
    """
    raw = {file: file.relative_to(base).as_posix() for file in files}
    whole = {file: canonical(name) for file, name in raw.items()}
    short = {file: without_ending(name) for file, name in whole.items()}
    forms = Counter(whole.values())
    # Among the whole names too: `a.png.jpg` must not take the name that `a.png` has beside `a.jpg`.
    count = Counter(short.values()) + Counter(forms.keys())
    return {
        file: short[file] if count[short[file]] == 1 else whole[file] if forms[whole[file]] == 1 else raw[file]
        for file in raw
    }
