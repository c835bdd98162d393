"""Which plugin code a person has trained with here: that alone runs unasked when a run or a checkpoint names it.

One small file for each code in a folder of the user's own (SKETCHKIT_STATE, else the platform's folder for state),
which nobody else can read or write; copies of the code lie beside it. See docs/security.md.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from platformdirs import user_state_path

from sketchkit.atomic import write_whole
from sketchkit.plugin_code import PluginCode, copy_code, is_intact

TRUSTED, RECORD, FILES = "trusted_code", "code.json", "files"


def state_folder() -> Path:
    """Where sketchkit keeps what it knows of this user: SKETCHKIT_STATE, else the platform's folder for state."""
    return Path(os.environ.get("SKETCHKIT_STATE") or user_state_path("sketchkit")).expanduser()


def trust(code: PluginCode) -> None:
    """Note that the user runs this code, which lies where it says, and keep a copy of it.

    Raises:
        OSError: the folder cannot be written.
    """
    place = private_folder(TRUSTED, code.digest)
    copy_code(code, place / FILES)
    write_whole(place / RECORD, json.dumps(code.to_dict(), indent=2) + "\n")


def private_folder(*names: str) -> Path:
    """A folder of that name in the state folder, made if it is not there, that is the user's alone."""
    place = state_folder()
    for name in names:
        place /= name
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(stat.S_IRWXU)
    return place


def trusted_copy(code: PluginCode) -> Path | None:
    """The folder with the copy of a code that was trained with here; None where it was not."""
    place = _place(code)
    is_known = (place / RECORD).is_file() and _is_private(place.parent) and _is_private(place)
    return place / FILES if is_known and is_intact(code, place / FILES) else None


def trained_in(code: PluginCode) -> Path | None:
    """The folder in which a code was last trained with here, where it is still unchanged there."""
    try:
        folder = Path(json.loads((_place(code) / RECORD).read_bytes())["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if is_intact(code, folder) else None


def _place(code: PluginCode) -> Path:
    return state_folder() / TRUSTED / code.digest


def _is_private(folder: Path) -> bool:
    """Whether nobody but its owner, this user, can write into a folder."""
    if not hasattr(os, "getuid"):
        return folder.is_dir()
    state = folder.stat()
    return state.st_uid == os.getuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
