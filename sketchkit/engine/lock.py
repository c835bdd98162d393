"""One writer a run folder: a second one is refused, and a dead one's claim is taken over at once."""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import torch

from sketchkit.atomic import is_alive
from sketchkit.errors import ConfigError, DataError
from sketchkit.files import first_link, parse_json

FILE = ".lock"  # empty while nobody writes
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)
_held: set[Path] = set()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the folder's only writer for as long as the block runs; the processes of one run hold it together.

    Raises:
        ConfigError: another process writes there; or one of another machine did, of which nobody here can tell whether
            it still does; or there are links in it.
    """
    refusal: list[str | None] = [None]
    if int(os.environ.get("RANK", "0")) == 0:
        with _held_by_this_process(folder, refusal):
            _tell(refusal)
            yield
    else:
        _tell(refusal)
        yield


def _tell(refusal: list[str | None]) -> None:
    """Raise in every process what the first one found; those without a group yet end with the first."""
    if torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(refusal)
    if refusal[0]:
        raise ConfigError(refusal[0])


@contextmanager
def _held_by_this_process(folder: Path, refusal: list[str | None]) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / FILE
    # To open the file a second time and close it would lose the lock, which is the process's.
    if path in _held:
        refusal[0] = f"{folder} is being written by this very process: choose another --work-dir"
        yield
        return
    if path.is_symlink() or (path.exists() and not path.is_file()):
        refusal[0] = f"{folder / FILE} is no regular file: remove it"  # a link could name anything, and be emptied
        yield
        return
    with path.open("a+", encoding="utf-8") as file:
        refusal[0] = _claimed(folder, file) or _linked(folder)
        if refusal[0]:
            yield
            return
        _held.add(path)
        try:
            yield
        finally:
            file.truncate(0)
            _held.discard(path)


def _linked(folder: Path) -> str | None:
    link = first_link(folder.resolve())
    return f"{link} is a link, and what a run writes would go elsewhere: put a copy in its place" if link else None


def _claimed(folder: Path, file: IO[str]) -> str | None:
    """Take the lock and write down who has it; else why it cannot be had."""
    file.seek(0)
    other = _owner(file.read())
    who = f"process {other.get('pid')} on {other.get('host')}, since {other.get('since')}"
    is_here = other.get("host") == platform.node()
    if not _lock(file, is_here and other.get("pid")):
        return f"{folder} is being written by {who}: wait for it, end it, or choose another --work-dir"
    if other and not is_here:
        return (
            f"{folder} was left by {who}, and whether that is still at work cannot be seen from {platform.node()}: "
            f"if it is not, remove {folder / FILE}"
        )
    now = datetime.now().isoformat(timespec="seconds")
    file.truncate(0)
    file.write(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now}))
    file.flush()
    return None


def _owner(text: str) -> dict[str, Any]:
    try:
        return parse_json(text, FILE) if text else {}
    except DataError:
        return {}  # cut off by a full disk; the lock itself tells


def _lock(file: IO[str], pid: Any) -> bool:
    """Whether this process has the system's lock of the file now, which ends with the process, however that ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some shared file systems have no locks: there the process's number has to do.
        return error.errno in NO_LOCKS and not (isinstance(pid, int) and is_alive(pid))
    return True
