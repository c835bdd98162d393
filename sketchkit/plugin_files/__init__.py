"""Plugin files in any folder: `sketchkit.plugin_files.NAME_DIGEST` is NAME.py of a folder on `sys.path`.

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
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any


def module_name(file: Path) -> str:
    """What the module of a file is called; the path is resolved."""
    digest = hashlib.sha256(os.fsencode(file)).hexdigest()[:12]
    return f"{__name__}.{re.sub(r'[^0-9A-Za-z_]', '_', file.stem)}_{digest}"


class SourceLoader(SourceFileLoader):
    """Reads the source and nothing else: Python takes a compiled file for an edited one of the same second and size."""

    def get_code(self, fullname: str) -> Any:
        """The source, compiled."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if not name.startswith(f"{__name__}."):
            return None
        files = (file for folder in sys.path for file in Path(folder).resolve().glob("*.py"))
        found = next((file for file in files if module_name(file) == name), None)
        return None if found is None else spec_of(name, found)


def spec_of(name: str, file: Path) -> ModuleSpec | None:
    """What imports the file as a module of that name; None of what ends in no `.py`."""
    loader = SourceLoader(name, str(file))
    return importlib.util.spec_from_file_location(name, file, loader=loader) if file.suffix == ".py" else None


sys.meta_path.append(_Finder())
