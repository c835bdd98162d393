"""Which plugin code the user has trained with here: that alone runs unasked when a run or a checkpoint names it.

One small file for each code in a folder of the user's own (SKETCHKIT_STATE, else the platform's folder for state),
which nobody else can read or write; copies of the code lie beside it. See docs/security.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

from platformdirs import user_state_path

from sketchkit.atomic import write_whole
from sketchkit.errors import PluginError
from sketchkit.plugin_code import PluginCode, copy_code, is_intact

TRUSTED, RECORD, FILES = "trusted_code", "code.json", "files"
CONFIGS = "trusted_configs"


def state_folder() -> Path:
    """Where sketchkit keeps what it knows of this user: SKETCHKIT_STATE, else the platform's folder for state.

    Raises:
        PluginError: SKETCHKIT_STATE is a relative path, which would mean another folder in every place.
    """
    given = os.environ.get("SKETCHKIT_STATE")
    folder = Path(given or user_state_path("sketchkit")).expanduser()
    if not folder.is_absolute():
        raise PluginError(f"SKETCHKIT_STATE={given}: give an absolute path")
    return folder


def trust(code: PluginCode) -> None:
    """Note that the user runs this code, which lies where it says, and keep a copy of it.

    Raises:
        OSError: the folder cannot be written.
    """
    place = private_folder(TRUSTED, code.digest)
    copy_code(code, place / FILES)
    write_whole(place / RECORD, json.dumps(code.to_dict(), indent=2) + "\n")


def trust_text(text: str) -> None:
    """Note that a training here has written this text.

    Raises:
        OSError: the folder cannot be written.
    """
    (private_folder(CONFIGS) / _digest(text)).touch()


def is_trusted_text(text: str) -> bool:
    """Whether a training here has written this text."""
    place = state_folder() / CONFIGS
    return _are_private(state_folder(), place) and (place / _digest(text)).is_file()


def private_folder(*names: str) -> Path:
    """A folder of that name in the state folder, made if it is not there, that is the user's alone."""
    place = state_folder()
    for name in ("", *names):
        place /= name
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(stat.S_IRWXU)
    return place


def trusted_copy(code: PluginCode) -> Path | None:
    """The folder with the copy of a code that was trained with here; None where it was not."""
    place = _trusted_folder(code)
    if not _are_private(state_folder(), place.parent, place) or _recorded(place) is None:
        return None
    return place / FILES if is_intact(code, place / FILES) else None


def trained_in(code: PluginCode) -> Path | None:
    """The folder in which a code was last trained with here, where it is still unchanged there."""
    folder = _recorded(_trusted_folder(code))
    return folder if folder is not None and is_intact(code, folder) else None


def _recorded(place: Path) -> Path | None:
    """The folder that a record of trust names; None where it is damaged, or of other code."""
    try:
        code = PluginCode.from_dict(json.loads((place / RECORD).read_bytes()))
    except (OSError, ValueError, RecursionError, PluginError):
        return None
    return Path(code.folder) if code.digest == place.name else None


def _trusted_folder(code: PluginCode) -> Path:
    return state_folder() / TRUSTED / code.digest


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _are_private(*folders: Path) -> bool:
    """Whether these are folders, no links, into which nobody but this user can write."""
    if not hasattr(os, "getuid"):
        return all(folder.is_dir() for folder in folders)
    states = [folder.lstat() for folder in folders if folder.exists()]
    writable = stat.S_IWGRP | stat.S_IWOTH
    return len(states) == len(folders) and all(
        stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & writable for state in states
    )
