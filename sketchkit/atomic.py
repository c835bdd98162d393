"""Files that readers never see half of: written under another name, then renamed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sketchkit.errors import DataError


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """The name to write to; what is there when the block ends takes the place of `path`, and nothing if it fails.

    Raises:
        DataError: at `path` is a pipe or a device, which a file would take the place of.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(f"{path} is no regular file, and would be replaced by one: write to another name")
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
    """Remove what calls that were killed have left half written in a folder."""
    for file in folder.glob(".*.part"):
        pid = file.name.split(".")[-2]
        if pid.isdecimal() and not is_alive(int(pid)):
            file.unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Whether another process of this machine has that number."""
    if pid == os.getpid():
        return False
    if sys.platform == "win32":
        return True  # to ask is to interrupt there
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
