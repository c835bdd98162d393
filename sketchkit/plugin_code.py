"""The code of a plugin that is no installed package: which files it is, and copies of them.

A run names it by the digests of its files, so that it can be told from any other, and keeps copies of them. What a
plugin imports is found in its source, not by running it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sketchkit.atomic import whole
from sketchkit.declared import short
from sketchkit.errors import PluginError

PACKAGE = Path(__file__).resolve().parent
OURS = (PACKAGE.name, "sketchkit_plugins")
INSTALLED = ("site-packages", "dist-packages")
LIBRARY = Path(sysconfig.get_path("stdlib")).resolve()


@dataclass(frozen=True)
class PluginCode:
    """What one `--plugin FILE`, or one module of a config's `custom_imports`, runs.

    Attributes:
        folder: where the files lay when they were trained with; on `sys.path` when they run.
        entry: the name of a file in the folder, or of a module to import.
        files: path within the folder -> SHA-256; empty for modules of installed packages.
        contents: the files as they were read, where they were; copies are made of these.
    """

    folder: str
    entry: str
    files: Mapping[str, str]
    contents: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    @property
    def digest(self) -> str:
        """Of what runs: the entry and every file, wherever they lie."""
        text = json.dumps([self.entry, sorted(self.files.items())])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def is_file(self) -> bool:
        """Whether it is a file, not a module."""
        return self.entry in self.files

    @property
    def file_name(self) -> str:
        """The name of the file that runs first."""
        return self.entry if self.is_file else f"{self.entry.rpartition('.')[2]}.py"

    @property
    def name(self) -> str:
        """What people call it: the file's path, or the module."""
        return str(Path(self.folder) / self.entry) if self.is_file else self.entry

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a config."""
        return {"folder": self.folder, "entry": self.entry, "files": dict(self.files)}

    @classmethod
    def from_dict(cls, values: Any) -> PluginCode:
        """From what `to_dict` gave.

        Raises:
            PluginError: it is nothing of that form, or names a file outside its folder.
        """
        given: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        folder, entry, files = given.get("folder"), given.get("entry"), given.get("files")
        is_named = isinstance(folder, str) and isinstance(entry, str) and bool(entry)
        pairs = list(files.items()) if isinstance(files, Mapping) else None
        if not is_named or pairs is None or not all(_is_inside(name) and _is_digest(digest) for name, digest in pairs):
            raise PluginError(f"plugin_code={short(values)}: give its folder, entry, and files with their SHA-256")
        return cls(str(folder), str(entry), dict(pairs))


def code_of_file(path: str | Path) -> PluginCode:
    """The code of a plugin file, with the modules beside it that it imports.

    Raises:
        PluginError: the file is missing.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise PluginError(f"no plugin file at {path}: check the path given to --plugin")
    return _code(file.parent, file.name, [(file.parent, file)])


def code_of_import(name: str, folder: str | Path) -> PluginCode:
    """The code of a module that lies in a folder, or where else Python finds it; an installed one has no files."""
    roots = _roots(Path(folder).resolve())
    place = next((root for root in roots if _module_files(name, [root])), roots[0])
    return _code(place, name, _module_files(name, [place]))


def is_user_code(path: Path) -> bool:
    """Whether a path is none of an installed package, of Python itself or of sketchkit."""
    places = (LIBRARY, PACKAGE, PACKAGE.parent / "plugins")
    return not {*path.parts} & {*INSTALLED} and not any(map(path.is_relative_to, places))


def digest_of(file: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def is_intact(code: PluginCode, folder: Path) -> bool:
    """Whether the folder holds every file of the code, unchanged."""
    files = [(folder / name, digest) for name, digest in code.files.items()]
    return all(file.is_file() and digest_of(file) == digest for file, digest in files)


def copy_code(code: PluginCode, folder: Path) -> None:
    """Copy the code's files into a folder, where they are not there already."""
    for name, digest in code.files.items():
        place = folder / name
        if not place.is_file() or digest_of(place) != digest:
            content = code.contents[name] if name in code.contents else (Path(code.folder) / name).read_bytes()
            place.parent.mkdir(parents=True, exist_ok=True)
            with whole(place) as temporary:
                temporary.write_bytes(content)


def with_files(code: PluginCode, files: Iterable[Path]) -> PluginCode:
    """The code and more files of its folder."""
    folder = Path(code.folder)
    contents = {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return replace(code, files={**digests, **code.files}, contents={**contents, **code.contents})


def _roots(folder: Path) -> list[Path]:
    """The folder, and what else Python looks through that holds the user's own modules."""
    others = {Path(sysconfig.get_path("scripts")).resolve(), PACKAGE.parent, folder}
    places = [Path(place).resolve() for place in sys.path]
    return [folder, *(place for place in places if place not in others and place.is_dir() and is_user_code(place))]


def _code(folder: Path, entry: str, starts: Iterable[tuple[Path, Path]]) -> PluginCode:
    """The starts, what they import of the user's own modules, and what those import."""
    roots = _roots(folder)
    found: dict[str, bytes] = {}
    left = list(starts)
    while left:
        root, file = left.pop()
        name = file.relative_to(root).as_posix()
        if name not in found:
            found[name] = file.read_bytes()
            left += [other for imported in _imports(found[name]) for other in _module_files(imported, roots)]
    digests = {name: hashlib.sha256(found[name]).hexdigest() for name in sorted(found)}
    return PluginCode(str(folder), entry, digests, found)


def _imports(source: bytes) -> Iterator[str]:
    """The modules that a file names in import statements, anywhere in it; none of what is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_files(name: str, roots: Sequence[Path]) -> list[tuple[Path, Path]]:
    """The files that a module's name means, each with its root: its own, or all of the package it begins with."""
    for root in roots if name.partition(".")[0] not in OURS else ():
        place = root
        for part in name.split("."):
            if (place / part / "__init__.py").is_file():
                return [(root, file) for file in sorted((place / part).rglob("*.py")) if file.is_file()]
            if (place / f"{part}.py").is_file():
                return [(root, place / f"{part}.py")]
            place /= part
    return []


def _is_inside(name: Any) -> bool:
    """Whether it is the name of a Python file within a folder."""
    if not isinstance(name, str) or not name.endswith(".py") or not name.isprintable() or "\\" in name:
        return False
    return ".." not in Path(name).parts and not Path(name).is_absolute()


def _is_digest(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text) is not None
