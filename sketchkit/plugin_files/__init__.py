"""Modules that are files of anywhere: `sketchkit.plugin_files.NAME_DIGEST` is NAME.py of a folder on `sys.path`.

The digest is of the file's path: two files of one name are two modules, and a file takes no other module's name.
Nothing but `sys.path` is needed to find the file again; Python hands that to the processes that it spawns.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import os
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any


def module_name(file: Path) -> str:
    """What the module of a file is called; the path is resolved."""
    digest = hashlib.sha256(os.fsencode(file)).hexdigest()[:12]
    return f"{__name__}.{re.sub(r'[^0-9A-Za-z_]', '_', file.stem)}_{digest}"


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if not name.startswith(f"{__name__}."):
            return None
        files = (file for folder in sys.path for file in Path(folder).resolve().glob("*.py"))
        found = next((file for file in files if module_name(file) == name), None)
        return None if found is None else importlib.util.spec_from_file_location(name, found)


sys.meta_path.append(_Finder())
