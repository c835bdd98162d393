"""Packages import from those below them, and nothing goes round in a circle."""

import ast
import re
import sys
from collections import defaultdict

import pytest

from tests.conftest import ROOT

# From the top: a package imports from those after it, and from itself.
PACKAGES = (
    "__main__", "cli", "serve", "face", "forms", "testing", "sweeps", "evaluation", "inference", "engine",
    "translators", "data", "pretrained", "config", "discovery", "loading", "transactions", "registry", "trust",
    "plugin_code", "plugin_files", "sharding", "options", "declared", "deterministic", "problems", "atomic",
    "memory", "files", "file_names", "errors", "",
)  # fmt: skip


def modules():
    for path in sorted((ROOT / "sketchkit").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ast.parse(path.read_text())


TREES = dict(modules())


def imported(tree):
    """The sketchkit modules that a module imports anywhere, also within functions and for types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "sketchkit")
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sketchkit":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in TREES else node.module


GRAPH = {name: {*imported(tree)} - {name} for name, tree in TREES.items()}


def package_of(module):
    return module.split(".")[1] if "." in module else ""


def test_no_module_imports_from_a_package_above_its_own():
    upward = [
        f"{name} -> {other}"
        for name, others in GRAPH.items()
        for other in sorted(others)
        if PACKAGES.index(package_of(other)) < PACKAGES.index(package_of(name))
    ]
    assert upward == []


def test_no_module_imports_itself_by_way_of_others():
    done, circles = set(), []

    def walk(name, way):
        if name in way:
            circles.append(" -> ".join([*way[way.index(name) :], name]))
        elif name not in done:
            for other in sorted(GRAPH.get(name, ())):
                # A package that imports what is in it, for whoever imports the package, is no circle.
                if not name.startswith(f"{other}."):
                    walk(other, [*way, name])
            done.add(name)

    for name in GRAPH:
        walk(name, [])
    assert circles == []


@pytest.mark.parametrize("folder", ["sketchkit", "plugins"])
def test_the_core_knows_no_plugin_and_a_plugin_no_command(folder):
    forbidden = {"sketchkit": "sketchkit_plugins", "plugins": "sketchkit.cli"}[folder]
    found = defaultdict(list)
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found[path.name] += [name for name in names if name.startswith(forbidden)]
    assert not {name: names for name, names in found.items() if names}


def test_drawings_are_read_without_torch():
    needed = {"sketchkit", "sketchkit.data", *(name for name in GRAPH if name.startswith("sketchkit.data.drawings"))}
    while more := set().union(*(GRAPH[name] for name in needed)) - needed:
        needed |= more
    roots = set()
    for node in (node for name in needed for node in ast.walk(TREES[name])):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        roots |= {name.partition(".")[0] for name in names}
    assert roots - sys.stdlib_module_names == {"PIL", "cv2", "numpy", "sketchkit"}


def test_what_the_docs_say_of_where_things_are_is_so():
    files = re.findall(r"`([\w/]+\.py)`", (ROOT / "docs/architecture.md").read_text())
    places = [{(ROOT / name), *ROOT.glob(f"sketchkit/{name}"), *ROOT.glob(f"sketchkit/**/{name}")} for name in files]
    assert len(files) > 30
    assert [name for name, where in zip(files, places, strict=True) if not any(path.is_file() for path in where)] == []
