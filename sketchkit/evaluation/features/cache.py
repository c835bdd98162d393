"""Rows kept between calls, by what they are of: a second evaluation of the same pictures costs no network pass."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sketchkit.errors import DataError

FILE = "rows.sqlite"
MANY = 500  # keys a query; SQLite's least limit is 999
PATIENCE = 60.0  # seconds to wait while another process writes


def cache_folder() -> Path:
    """Where rows are kept: SKETCHKIT_CACHE, else `sketchkit` in XDG_CACHE_HOME or `~/.cache`."""
    own = os.environ.get("SKETCHKIT_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "sketchkit"


class FeatureCache:
    """Rows of numbers by key, in one SQLite file: what is written is whole, also after a kill and between processes.

    Args:
        folder: where the file lies; made when missing.

    Raises:
        DataError: the folder cannot be written to, or the file is no database.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        with self._in_words():
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=PATIENCE)
            # Readers and writers do not wait for each other, and a commit does not wait for the disk; a power cut may
            # lose the last rows, never damage the file.
            self._write_ahead()
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID")

    def get(self, keys: Iterable[str], width: int, dtype: torch.dtype) -> dict[str, Tensor]:
        """The rows (width,) of those keys that are kept."""
        keys, found = list(keys), dict[str, Tensor]()
        kind = torch.empty(0, dtype=dtype).numpy().dtype
        for start in range(0, len(keys), MANY):
            part = keys[start : start + MANY]
            marks = ",".join("?" * len(part))
            with self._in_words():
                rows = self._database.execute(f"SELECT key, row FROM rows WHERE key IN ({marks})", part).fetchall()
            for key, row in rows:
                if len(row) == width * kind.itemsize:
                    found[key] = torch.from_numpy(np.frombuffer(row, kind).copy())
        return found

    def put(self, rows: Mapping[str, Tensor]) -> None:
        """Keep the rows, all or none of them."""
        with self._in_words(), self._database:
            blobs = ((key, row.numpy().tobytes()) for key, row in rows.items())
            self._database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", blobs)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _write_ahead(self) -> None:
        # SQLite refuses this change at once where another process is about to write, whatever the timeout.
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._database.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            # Its heirs are of places: no access, no room, a file that another process holds.
            mend = "delete it" if type(error) is sqlite3.DatabaseError else "check the folder"
            raise DataError(
                f"the kept rows {self.path} cannot be used ({error}): {mend}, set SKETCHKIT_CACHE to another folder, "
                "or go without by --no-cache"
            ) from error
