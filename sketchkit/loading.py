"""Plugins: discover -> load -> report.

A plugin is a module that registers backbones, heads or losses (or anything else a registry holds). They come from the
entry-point group `sketchkit.plugins` (a package's modules are loaded one by one), from a checkout's `plugins/` folder,
and from a person's own code (`sketchkit.plugin_code`): a config's `custom_imports`, or `--plugin FILE`. Loading is a
transaction: a module that fails leaves nothing registered, is reported by name, and stops only the runs that need it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from sketchkit import registry
from sketchkit.errors import PluginError
from sketchkit.plugin_code import PluginCode, code_of_file, is_persons
from sketchkit.plugin_files import module_name
from sketchkit.registry import BUILT_IN, FILES, Registration, registrations, restore

GROUP = "sketchkit.plugins"
SLOW = 5.0  # seconds after which an import is named
# Modules of a package that are no plugins.
TESTS = ("test", "tests", "conftest")


@dataclass(frozen=True)
class Plugin:
    """One loaded, or failed, module: `error` is None when it loaded."""

    name: str
    source: str
    error: str | None = None


@dataclass(eq=False)
class _Loaded:
    """A person's code that runs: where it is from, what it is here, its modules, and what it has registered."""

    origin: str
    code: PluginCode
    modules: dict[str, ModuleType] = field(default_factory=dict)
    entries: list[Registration] = field(default_factory=list)


_seen: dict[str, Plugin] = {}
_codes: list[_Loaded] = []
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


def load_codes(codes: Sequence[tuple[PluginCode, Path | None]]) -> None:
    """Load a person's code, each from a folder, or a module from where Python finds it.

    What was loaded before takes its names back from what came after it.

    Raises:
        PluginError: one of them fails, of which nothing stays registered; or two of them register one name.
    """
    load_all()
    current: list[_Loaded] = []
    for code, folder in codes:
        known = next((loaded for loaded in _codes if loaded.code.digest == code.digest), None)
        loaded = known or _run(code, folder, current)
        if loaded not in current:
            _use(loaded, current)
            current.append(loaded)


def running(code: PluginCode) -> PluginCode:
    """The code as it was loaded: it says where its files lie here."""
    return next(loaded.code for loaded in _codes if loaded.code.digest == code.digest)


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
    """Whether a module belongs to an installed package that declares plugins."""
    return _top(module) in map(_top, _packages())


def _run(code: PluginCode, folder: Path | None, current: Sequence[_Loaded]) -> _Loaded:
    """Run a code that does not run yet; an older state of it is gone afterwards."""
    loaded = _Loaded(code.folder, code if folder is None else replace(code, folder=str(folder)))
    older = [one for one in _codes if (one.origin, one.code.entry) == (code.folder, code.entry)]
    with _set_aside([one for one in _codes if one not in current], gone=older), _on_path(folder):
        modules, known = set(sys.modules), {one.key for one in registrations()}
        with _transaction(folder):
            _raise_failure(_load(code.name, _importer(code, folder)))
        loaded.modules = {name: sys.modules[name] for name in _of_folder(folder, set(sys.modules) - modules)}
        loaded.entries = [one for one in registrations() if one.key not in known and not one.is_librarys]
    _codes[:] = [one for one in _codes if one not in older] + [loaded]
    return loaded


def _use(loaded: _Loaded, current: Sequence[_Loaded]) -> None:
    """Give a code its names, which later code may have taken."""
    taken = {(id(r), name): one.code for one in current for r, name, _ in one.entries}
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
    return partial(_execute, module_name(file), file)


def _load(name: str, importer: Callable[[], ModuleType]) -> Plugin:
    """Import a plugin, and write down how it went; what it prints is no result of the command."""
    try:
        with contextlib.redirect_stdout(sys.stderr), _named_when_slow(name):
            module = importer()
        plugin = Plugin(name, getattr(module, "__file__", None) or name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Also one that ends the program: a script that reads the command line, a test that skips itself.
        plugin = Plugin(name, name, " ".join(f"{type(error).__name__}: {error}".split()))
    _seen[name] = plugin
    if plugin.error is None:
        registry.failed_plugins.pop(name, None)
    else:
        registry.failed_plugins[name] = plugin.error
    return plugin


@contextmanager
def _transaction(folder: Path | None = None) -> Iterator[None]:
    """A block of which nothing stays if it fails: no name in a registry, and no module that could give one."""
    before, modules = registrations(), set(sys.modules)
    try:
        yield
    except BaseException:
        new = set(sys.modules) - modules
        gone = {getattr(entry, "__module__", None) for entry in restore(before)}
        for name in {*_of_folder(folder, new), *(name for name in new if name in gone or _is_plugin(name))}:
            sys.modules.pop(name, None)
        raise


@contextmanager
def _set_aside(codes: Sequence[_Loaded], gone: Sequence[_Loaded]) -> Iterator[None]:
    """A block in which other persons' code is not there: its names and its modules' names are free.

    They come back afterwards where they are free still; those of `gone` do so only if the block fails.
    """
    for loaded in codes:
        for entries, name, entry in loaded.entries:
            if entries.module_dict.get(name) is entry:
                del entries.module_dict[name]
        for name, module in loaded.modules.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
    back = list(codes)
    try:
        yield
        back = [loaded for loaded in codes if loaded not in gone]
    finally:
        for loaded in back:
            for entries, name, entry in loaded.entries:
                entries.module_dict.setdefault(name, entry)
            for name, module in loaded.modules.items():
                sys.modules.setdefault(name, module)


@contextmanager
def _on_path(folder: Path | None) -> Iterator[None]:
    """A block in which Python looks into the folder first; afterwards last, for what plugins import when they run."""
    if folder is None:
        yield
        return
    place, writes = str(folder), sys.dont_write_bytecode
    sys.path.insert(0, place)
    # Compiled files are told from older ones by the second: a file edited at once would not be read again.
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        sys.path[:] = [*(other for other in sys.path if other != place), place]


@contextmanager
def _named_when_slow(name: str) -> Iterator[None]:
    """Say which plugin is being waited for, after a while."""
    words = f"still importing plugin {name}, after {SLOW:g} s"
    timer = threading.Timer(SLOW, partial(print, words, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _of_folder(folder: Path | None, names: Iterable[str]) -> list[str]:
    """The modules among `names` that lie in a person's folder, and are nothing installed there."""
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in names}
    places = {name: Path(file).resolve() for name, file in files.items() if file}
    return [name for name, file in places.items() if folder and file.is_relative_to(folder) and is_persons(file)]


def _is_plugin(name: str) -> bool:
    return _top(name) in map(_top, _packages()) or name.startswith(f"{FILES}.")


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
        with _transaction():
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
        _execute(BUILT_IN, file)


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
