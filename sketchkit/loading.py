"""Plugins: discover -> load -> report.

A plugin is a module that registers backbones, heads or losses (or anything else a registry holds). They come from the
entry-point group `sketchkit.plugins` (a package's modules are loaded one by one), from a checkout's `plugins/` folder,
and from user code (`sketchkit.plugin_code`): a config's `custom_imports`, or `--plugin FILE`. Loading is a
transaction: a module that fails leaves nothing registered, is reported by name, and stops only the runs that need it.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from sketchkit import registry
from sketchkit.errors import PluginError
from sketchkit.plugin_code import PluginCode, code_of_file, is_intact, is_user_code, with_files
from sketchkit.plugin_files import module_name, spec_of
from sketchkit.registry import BUILT_IN, Registration, registrations
from sketchkit.transactions import kept_apart, on_path, set_aside, transaction

GROUP = "sketchkit.plugins"
# Modules of a package that are no plugins.
TESTS = ("test", "tests", "conftest")


@dataclass(frozen=True)
class Plugin:
    """One loaded, or failed, module: `error` is None when it loaded."""

    name: str
    source: str
    error: str | None = None


@dataclass(eq=False)
class _LoadedCode:
    """User code that runs: what was asked for, what it is here with all that it imported, and what it registered."""

    asked: PluginCode
    code: PluginCode
    modules: dict[str, ModuleType] = field(default_factory=dict)
    entries: list[Registration] = field(default_factory=list)

    def is_of(self, code: PluginCode) -> bool:
        """Whether it is this code; what its source does not name and it has imported must be as it was."""
        if code.digest == self.code.digest:
            return True
        return code.digest == self.asked.digest and is_intact(self.code, Path(self.code.folder))


_seen: dict[str, Plugin] = {}
_codes: list[_LoadedCode] = []
_discovered = False


def load_all() -> None:
    """Load every plugin that can be discovered; broken ones are kept for `failures`."""
    global _discovered
    if _discovered:
        return
    _discovered = True
    _use_checkout()
    # The built-in names first: nobody else may take one.
    for package in (BUILT_IN, *sorted(_packages() - {BUILT_IN})):
        _load_package(package)


def load_file(path: str | Path) -> None:
    """Load the Python file `path` as a plugin.

    Raises:
        PluginError: the file is missing or fails; nothing of it stays registered.
    """
    code = code_of_file(path)
    load_codes([(code, Path(code.folder))])


def load_codes(codes: Sequence[tuple[PluginCode, Path | None]]) -> list[PluginCode]:
    """Load user code, each from a folder, or a module from where Python finds it.

    What was loaded before takes its names back from what came after it.

    Returns:
        The code of each, with the files of the folder that it has imported.

    Raises:
        PluginError: one of them fails, of which nothing stays registered; or two of them register one name.
    """
    load_all()
    current: list[_LoadedCode] = []
    codes_here = []
    for code, folder in codes:
        known = next((loaded for loaded in _codes if loaded.is_of(code)), None)
        loaded = known or _run(code, folder, current)
        if loaded not in current:
            _use(loaded, current)
            current.append(loaded)
        codes_here.append(loaded.code)
    return codes_here


def running(code: PluginCode) -> PluginCode:
    """The code as it was loaded: with the files as they were read."""
    return next(loaded.code for loaded in _codes if loaded.is_of(code))


def is_of_metrics(code: PluginCode) -> bool:
    """Whether a code has registered metrics alone, which make no pictures."""
    kinds = [one.registry for loaded in _codes if loaded.is_of(code) for one in loaded.entries]
    return bool(kinds) and all(kind is registry.PICTURE_METRICS for kind in kinds)


def plugins() -> list[Plugin]:
    """Every plugin seen so far, in the order it was met."""
    return list(_seen.values())


def failures() -> list[Plugin]:
    """The plugins that failed to load."""
    return [plugin for plugin in _seen.values() if plugin.error is not None]


def distributions() -> dict[str, str]:
    """The installed packages with plugins, but for sketchkit itself: name -> version."""
    found = [point.dist for point in entry_points(group=GROUP) if point.module != BUILT_IN]
    return {dist.name: dist.version for dist in found if dist is not None}


def is_installed(module: str) -> bool:
    """Whether a module is a plugin of an installed package."""
    load_all()
    return module in _seen and _top(module) in map(_top, _packages())


def _run(code: PluginCode, folder: Path | None, current: Sequence[_LoadedCode]) -> _LoadedCode:
    """Run a code that does not run yet; an older version of it is unloaded."""
    here = code if folder is None else replace(code, folder=str(folder))
    others = [one for one in _codes if one not in current]
    tops = set(map(_top, _packages()))
    with ExitStack() as stack:
        for other in others:
            stack.enter_context(set_aside(other.entries, other.modules))
        stack.enter_context(on_path(folder, list(code.files)))
        modules, known = set(sys.modules), {one.key for one in registrations()}
        with transaction(lambda name: _top(name) in tops or _lies_in(name, folder)):
            _raise_failure(_load(code.name, _importer(here, folder)))
        mine = {name: sys.modules[name] for name in {*sys.modules} - modules if _lies_in(name, folder)}
        entries = [one for one in registrations() if one.key not in known and not one.from_library]
    files = [Path(str(module.__file__)).resolve() for module in mine.values()]
    loaded = _LoadedCode(code, with_files(here, files), mine, entries)
    for older in [one for one in others if (one.asked.folder, one.asked.entry) == (code.folder, code.entry)]:
        _codes.remove(older)
        for entries_, name, entry in older.entries:
            if entries_.module_dict.get(name) is entry:
                del entries_.module_dict[name]
    _codes.append(loaded)
    return loaded


def _use(loaded: _LoadedCode, current: Sequence[_LoadedCode]) -> None:
    """Give a code its names, which later code may have taken."""
    taken = {(id(one.registry), one.name): other.code for other in current for one in other.entries}
    for entries, name, entry in loaded.entries:
        if (id(entries), name) in taken:
            other = taken[id(entries), name]
            raise PluginError(f"{other.name} and {loaded.code.name} both register '{name}': rename one of them")
        entries.module_dict[name] = entry
    sys.modules.update(loaded.modules)


def _importer(code: PluginCode, folder: Path | None) -> Callable[[], ModuleType]:
    if folder is None or not code.is_file:
        return partial(importlib.import_module, code.entry)
    file = (folder / code.entry).resolve()
    return partial(_execute, spec_of(module_name(file), file), file)


def _load(name: str, importer: Callable[[], ModuleType]) -> Plugin:
    """Import a plugin, and write down how it went."""
    try:
        with kept_apart(name):
            module = importer()
        plugin = Plugin(name, getattr(module, "__file__", None) or name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Also one that ends the program: a script that reads the command line, a test that skips itself.
        said = traceback.format_exception_only(error)[-1].strip()
        plugin = Plugin(name, name, " ".join(said.split()))
    _seen[name] = plugin
    if plugin.error is None:
        registry.failed_plugins.pop(name, None)
    else:
        registry.failed_plugins[name] = plugin.error
    return plugin


def _lies_in(name: str, folder: Path | None) -> bool:
    """Whether a module is a file of the user's in a folder, not of something that is installed there."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if not file or folder is None:
        return False
    place = Path(file).resolve()
    return place.is_relative_to(folder) and is_user_code(place)


def _top(module: str) -> str:
    return module.partition(".")[0]


def _packages() -> set[str]:
    return {BUILT_IN, *(point.module for point in entry_points(group=GROUP))}


def _raise_failure(plugin: Plugin) -> None:
    if plugin.error is not None:
        raise PluginError(f"plugin {plugin.name} failed to load: {plugin.error}")


def _load_package(name: str) -> None:
    """Load a module and, where it is a package that loads, what it holds, one by one; private modules are skipped."""
    try:
        with transaction(lambda module: _top(module) == _top(name)):
            _raise_failure(_load(name, partial(importlib.import_module, name)))
    except PluginError:
        return
    for info in pkgutil.iter_modules(getattr(sys.modules[name], "__path__", []), prefix=f"{name}."):
        last = info.name.rpartition(".")[2]
        if not last.startswith(("_", "test_")) and last not in TESTS:
            _load_package(info.name)


def _use_checkout() -> None:
    """Make a checkout's `plugins/` importable under the name it is installed by."""
    file = Path(__file__).resolve().parents[1] / "plugins" / "__init__.py"
    if importlib.util.find_spec(BUILT_IN) is None and file.is_file():
        inner = [str(file.parent)]
        _execute(importlib.util.spec_from_file_location(BUILT_IN, file, submodule_search_locations=inner), file)


def _execute(spec: ModuleSpec | None, file: Path) -> ModuleType:
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
