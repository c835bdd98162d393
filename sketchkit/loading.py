"""Plugins: discover -> load -> report.

A plugin is a module that registers backbones, heads or losses (or anything else a registry holds). They come from the
entry-point group `sketchkit.plugins` (a package's modules are loaded one by one), from a checkout's `plugins/` folder,
from a config's `custom_imports`, and from `--plugin FILE`. Loading is a transaction: a module that fails leaves
nothing registered, is reported by name, and stops only the runs that need it.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from sketchkit import registry
from sketchkit.errors import PluginError

GROUP = "sketchkit.plugins"
BUILT_IN = "sketchkit_plugins"
FILE_PREFIX = "sketchkit_plugin_"
# What a plugin that fails has imported of these stays imported, and so registered.
KEPT = ("sketchkit", "torchvision")


@dataclass(frozen=True)
class Plugin:
    """One loaded, or failed, module: `error` is None when it loaded."""

    name: str
    source: str
    error: str | None = None


_loaded: dict[str, Plugin] = {}
_discovered = False


def load_all() -> None:
    """Load every plugin that can be discovered; broken ones are kept for `failures`."""
    global _discovered
    if _discovered:
        return
    _discovered = True
    _use_checkout()
    # The built-in names first: nobody else may take one.
    theirs = {point.module for point in entry_points(group=GROUP)} - {BUILT_IN}
    for package in (BUILT_IN, *sorted(theirs)):
        _load_package(package)


def load_module(name: str) -> None:
    """Import the module `name` as a plugin, for a config's `custom_imports`.

    Raises:
        PluginError: it cannot be imported; nothing of it stays registered.
    """
    load_all()
    _raise_failure(_load(name, partial(importlib.import_module, name)))


def load_file(path: str | Path) -> None:
    """Load the Python file `path` as a plugin.

    Raises:
        PluginError: the file is missing or fails; nothing of it stays registered.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise PluginError(f"no plugin file at {path}: check the path given to --plugin")
    load_all()
    _raise_failure(_load(str(file), partial(_execute, f"{FILE_PREFIX}{file.stem}", file)))


def plugins() -> list[Plugin]:
    """Every plugin seen so far, in the order it was met."""
    return list(_loaded.values())


def failures() -> list[Plugin]:
    """The plugins that failed to load."""
    return [plugin for plugin in _loaded.values() if plugin.error is not None]


def _load(name: str, importer: Callable[[], ModuleType]) -> Plugin:
    if name in _loaded and _loaded[name].error is None:
        return _loaded[name]
    try:
        with _transaction():
            module = importer()
        plugin = Plugin(name, getattr(module, "__file__", None) or name)
    except Exception as error:
        plugin = Plugin(name, name, f"{type(error).__name__}: {error}")
    _loaded[name] = plugin
    if plugin.error is None:
        registry.failed_plugins.pop(name, None)
    else:
        registry.failed_plugins[name] = plugin.error
    return plugin


@contextmanager
def _transaction() -> Iterator[None]:
    registries = (*registry.PLUGIN_REGISTRIES, *registry.RUNNER_CHILDREN)
    before = [dict(r.module_dict) for r in registries]
    modules = set(sys.modules)
    try:
        yield
    except BaseException:
        for entries, kept in zip(registries, before, strict=True):
            stays = {name: it for name, it in entries.module_dict.items() if it.__module__.partition(".")[0] in KEPT}
            entries.module_dict.clear()
            entries.module_dict.update({**stays, **kept})
        _forget(set(sys.modules) - modules)
        raise


def _forget(modules: set[str]) -> None:
    # Executed modules whose registrations were rolled back must be executed again when they are next asked for.
    packages = {BUILT_IN, *(point.module.partition(".")[0] for point in entry_points(group=GROUP))}
    for name in modules:
        if name.partition(".")[0] in packages or name.startswith(FILE_PREFIX):
            sys.modules.pop(name, None)


def _raise_failure(plugin: Plugin) -> None:
    if plugin.error is not None:
        raise PluginError(f"plugin {plugin.name} failed to load: {plugin.error}")


def _load_package(name: str) -> None:
    """Load a module and, where it is a package that loads, what it holds, one by one; private modules are skipped."""
    if _load(name, partial(importlib.import_module, name)).error is not None:
        return
    for info in pkgutil.iter_modules(getattr(sys.modules[name], "__path__", []), prefix=f"{name}."):
        if not info.name.rpartition(".")[2].startswith("_"):
            _load_package(info.name)


def _use_checkout() -> None:
    """Make a checkout's `plugins/` importable under the name it is installed by."""
    folder = Path(__file__).resolve().parents[1] / "plugins" / "__init__.py"
    if importlib.util.find_spec(BUILT_IN) is None and folder.is_file():
        _execute(BUILT_IN, folder)


def _execute(name: str, file: Path) -> ModuleType:
    is_package = file.name == "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent)] if is_package else None
    )
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
