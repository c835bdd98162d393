"""Files that readers never see half of: written under another name, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """The name to write to; what is there when the block ends takes the place of `path`, and nothing if it fails."""
    path = Path(path)
    # Short enough for a file system that allows the name itself.
    temporary = path.with_name(f".{path.name[:50]}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        # The name that people know; what fails in writing has none.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove what calls that were killed have left half written in a folder in which nobody else writes now."""
    for file in folder.glob(".*.part"):
        if file.name.split(".")[-2].isdigit():
            file.unlink(missing_ok=True)


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
