"""Files that may come from anywhere: regular files only, and JSON within limits."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from sketchkit.errors import DataError, SketchkitError

MOST_BYTES = 256 * 2**20
DEEPEST = 100
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def regular_file(path: str | Path, error: type[SketchkitError] = DataError) -> Path:
    """The path of a file, or of a link to one; to open anything else may wait for ever, or never end.

    Raises:
        DataError: nothing is there, or it is a folder, a pipe, a socket or a device. `error` takes its place.
    """
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        raise error(f"no file at {path}") from None
    except OSError as reason:
        raise error(f"{path} cannot be read: {reason.strerror}") from reason
    if not stat.S_ISREG(mode):
        raise error(f"{path} is {KINDS.get(stat.S_IFMT(mode), 'a device')} and no regular file")
    return Path(path)


def first_link(folder: Path) -> Path | None:
    """A link in a folder, or the folder itself, to which what is written would go elsewhere; None where there is none.

    Links to checkpoints are none: those are never written through.
    """
    if folder.is_symlink():
        return folder
    inside = (Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files))
    return next((path for path in inside if path.is_symlink() and path.suffix != ".pth"), None)


def read_json(path: str | Path, kind: type = dict, error: type[SketchkitError] = DataError, mend: str = "") -> Any:
    """What a JSON file holds.

    Args:
        kind: what it must be as a whole.
        error: the class of the errors raised.
        mend: what to do where it is damaged, behind a colon.

    Raises:
        DataError: the file cannot be read, or is damaged; see `parse_json`.
    """
    regular_file(path, error)
    try:
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            raise error(f"{path} has {size >> 20} MiB, JSON is read up to {MOST_BYTES >> 20}")
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as reason:
        raise error(f"{path} cannot be read: {reason.strerror}") from reason
    except UnicodeDecodeError as reason:
        raise error(_damage(path, f"no UTF-8 at byte {reason.start}", mend)) from reason
    return parse_json(text, path, kind, error, mend)


def parse_json(
    text: str, origin: str | Path, kind: type = dict, error: type[SketchkitError] = DataError, mend: str = ""
) -> Any:
    """What a JSON text holds; `origin` is what errors call it.

    Raises:
        DataError: it is no JSON, or not of that kind, names a key twice, holds NaN, or is more than 100 levels deep.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
        _check_depth(value)
    except (ValueError, RecursionError) as reason:
        words = "nested too deep" if isinstance(reason, RecursionError) else str(reason)
        raise error(_damage(origin, words, mend)) from reason
    if not isinstance(value, kind):
        raise error(_damage(origin, f"JSON of a {type(value).__name__} and not of a {kind.__name__}", mend))
    return value


def _damage(origin: str | Path, reason: str, mend: str) -> str:
    return f"{origin} is damaged ({reason}){': ' if mend else ''}{mend}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice[:60]}' is there twice")
    return content


def _constant(name: str) -> float:
    if name == "NaN":
        raise ValueError("a value is NaN")
    return float(name)


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [item for one in level for item in _items(one)]:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels deep")


def _items(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
