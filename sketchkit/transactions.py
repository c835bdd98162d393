"""Blocks in which plugins are imported, of which nothing stays when they fail."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.machinery import FileFinder
from pathlib import Path
from types import ModuleType

from sketchkit.plugin_files import SourceLoader
from sketchkit.registry import Registration, registrations, restore

SLOW = 5.0  # seconds after which an import is named


@contextmanager
def transaction(is_gone: Callable[[str], bool]) -> Iterator[None]:
    """A block of which nothing stays if it fails: no name in a registry, and no module that `is_gone` or gave one."""
    before, modules = registrations(), set(sys.modules)
    try:
        yield
    except BaseException:
        origins = {getattr(entry, "__module__", None) for entry in restore(before)}
        for name in set(sys.modules) - modules:
            if name in origins or is_gone(name):
                del sys.modules[name]
        raise


@contextmanager
def set_aside(registered: Sequence[Registration], modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """A block in which names and modules are free for others; afterwards they are back, where they are free still."""
    for entries, name, entry in registered:
        if entries.module_dict.get(name) is entry:
            del entries.module_dict[name]
    for name, module in modules.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    try:
        yield
    finally:
        for entries, name, entry in registered:
            entries.module_dict.setdefault(name, entry)
        for name, module in modules.items():
            sys.modules.setdefault(name, module)


@contextmanager
def on_path(folder: Path | None, files: Sequence[str]) -> Iterator[None]:
    """A block in which Python looks into the folder first; afterwards last, for what plugins import when they run.

    In the folders of these files it finds nothing but source: a compiled file need not be of the source beside it.
    """
    if folder is None:
        yield
        return
    place = str(folder)
    for inner in {place, *(str((folder / file).parent) for file in files)}:
        sys.path_importer_cache[inner] = FileFinder(inner, (SourceLoader, [".py"]))
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path[:] = [*(other for other in sys.path if other != place), place]


@contextmanager
def kept_apart(name: str) -> Iterator[None]:
    """A block that imports a plugin: what it prints is no result, it changes no working folder, a long wait is told."""
    folder = Path.cwd()
    words = f"still importing plugin {name}, after {SLOW:g} s"
    timer = threading.Timer(SLOW, partial(print, words, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        with contextlib.redirect_stdout(sys.stderr), _output_as_errors():
            yield
    finally:
        timer.cancel()
        os.chdir(folder)


@contextmanager
def _output_as_errors() -> Iterator[None]:
    """What programs and libraries write themselves goes to the error stream too, where there are both."""
    try:
        output = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.dup2(output, 1)
        os.close(output)
