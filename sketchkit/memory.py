"""What a machine runs out of - memory, shared memory, room on the disk - in one line with the mend; what it keeps."""

from __future__ import annotations

import ctypes
import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sketchkit.errors import ShortageError, SketchkitError

NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "Cannot allocate memory",
             "ALLOC_FAILED", "killed by signal: Killed")  # fmt: skip
NO_SHARED_MEMORY = ("shared memory", "Bus error", "/torch_")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3), and what they are unless they are changed
TRIM_THRESHOLD, MMAP_MAX = 128 * 1024, 65_536
ALONE = "read without them (num_workers=0, --workers 0)"
GENERAL = ("take smaller pictures (translate: --size, --tile-size) or batches (batch_size), and read without processes "
           "(--workers 0)")  # fmt: skip


@contextmanager
def kept_when_freed() -> Iterator[None]:
    """Let the C library keep what the block frees for what it allocates next, in this process.

    glibc gives large blocks back at once, and each iteration of a training then waits for the system to clear the same
    pages again: on a CPU a third of the demo's time. What is kept goes back in the end. Other libraries are left as
    they are.
    """
    try:
        libc = ctypes.CDLL(None)
        tell, give_back = libc.mallopt, libc.malloc_trim
    except (OSError, TypeError, AttributeError):  # no such function, or, on Windows, no such library
        yield
        return
    tell(M_MMAP_MAX, 0)
    tell(M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        tell(M_MMAP_MAX, MMAP_MAX)
        tell(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
        give_back(0)


@contextmanager
def shortages(mend: str) -> Iterator[None]:
    """Turn what a machine runs out of in the block into a line; `mend` says what takes less memory.

    Raises:
        ShortageError: memory, shared memory or room ran out.
    """
    try:
        yield
    except SketchkitError:
        raise
    except Exception as error:
        line = in_words(error, mend)
        if line is None:
            raise
        raise ShortageError(line) from error


def in_words(error: BaseException, mend: str = GENERAL) -> str | None:
    """The line for an error that tells of a shortage; None for others."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return no_room(error.filename)
    if is_out_of_shared_memory(error):
        return (
            f"no shared memory is left for the processes that read data (/dev/shm, {free_space('/dev/shm')}): {ALONE}"
        )
    if is_out_of_memory(error):
        where = "on the GPU" if "CUDA" in str(error) else "on this machine"
        return f"out of memory {where}: {mend}"
    return None


def no_room(path: str | Path | None) -> str:
    """The line for a file that no room is left for."""
    folder = Path(path).absolute().parent if path else Path.cwd()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return (
        f"{path or 'a file'} cannot be written: the disk is full ({free_space(folder)}): make room, or write elsewhere"
    )


def free_space(folder: str | Path) -> str:
    """How much room there is, in words."""
    try:
        return f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB free"
    except OSError:
        return "of unknown size"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the system or a GPU had no memory left."""
    text = str(error)
    is_so = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    return is_so or (isinstance(error, RuntimeError) and any(words in text for words in NO_MEMORY))


def is_out_of_shared_memory(error: BaseException) -> bool:
    """Whether processes that hand over tensors had no room for them."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_SHARED_MEMORY)
