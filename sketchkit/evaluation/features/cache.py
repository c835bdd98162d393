"""Rows kept between calls, by what they are of: a second evaluation of the same pictures costs no network pass."""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
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

    A file that is damaged, or of another form, is set aside with a warning and begun anew: rows can be had again.

    Args:
        folder: where the file lies; made when missing.

    Raises:
        DataError: the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        with self._in_words():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._open()
            except sqlite3.Error as error:
                if not _is_damage(error):
                    raise
                self._begin_anew(error)

    def get(self, keys: Iterable[str], width: int, dtype: torch.dtype) -> dict[str, Tensor]:
        """The rows (width,) of those keys that are kept; damaged ones are not given, and warned of."""
        keys, found, damaged = list(keys), dict[str, Tensor](), 0
        for start in range(0, len(keys), MANY):
            for key, blob in self._rows(keys[start : start + MANY]):
                row = _row(blob, width, dtype)
                damaged += row is None
                if row is not None:
                    found[key] = row
        if damaged:
            warnings.warn(f"{damaged} rows kept in {self.path} are damaged: they are computed again", stacklevel=2)
        return found

    def put(self, rows: Mapping[str, Tensor]) -> None:
        """Keep the rows, all or none of them."""
        with self._in_words(), self._database:
            blobs = ((key, row.numpy().tobytes()) for key, row in rows.items())
            self._database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", blobs)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _open(self) -> None:
        self._database = sqlite3.connect(self.path, timeout=PATIENCE)
        # Readers and writers do not wait for each other, and a commit does not wait for the disk; a power cut may
        # lose the last rows, never damage the file.
        self._write_ahead()
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID")
        self._database.execute("SELECT key, row FROM rows LIMIT 1").fetchall()

    def _begin_anew(self, error: sqlite3.Error) -> None:
        self._database.close()
        aside = self.path.with_suffix(".damaged")
        self.path.replace(aside)
        for end in ("-wal", "-shm"):
            self.path.with_name(FILE + end).unlink(missing_ok=True)
        warnings.warn(
            f"the kept rows {self.path} are damaged ({error}): they are begun anew, see {aside}", stacklevel=3
        )
        self._open()

    def _rows(self, keys: list[str]) -> list[tuple[str, object]]:
        marks = ",".join("?" * len(keys))
        with self._in_words():
            try:
                return self._database.execute(f"SELECT key, row FROM rows WHERE key IN ({marks})", keys).fetchall()
            except sqlite3.Error as error:
                if not _is_damage(error):
                    raise
                self._begin_anew(error)
                return []

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
            raise DataError(
                f"the kept rows {self.path} cannot be used ({error}): check the folder, set SKETCHKIT_CACHE to "
                "another one, or go without by --no-cache"
            ) from error


def _is_damage(error: sqlite3.Error) -> bool:
    # The heirs of DatabaseError are of places - no access, no room, a file that another process holds - or of tables.
    return type(error) is sqlite3.DatabaseError or "no such column" in str(error)


def _row(blob: object, width: int, dtype: torch.dtype) -> Tensor | None:
    """The numbers of a row; None where they are not so many, or not numbers."""
    kind = torch.empty(0, dtype=dtype).numpy().dtype
    if not isinstance(blob, bytes) or len(blob) != width * kind.itemsize:
        return None
    row = torch.from_numpy(np.frombuffer(blob, kind).copy())
    return None if row.isnan().any() else row
