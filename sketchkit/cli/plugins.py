"""`sketchkit plugins list`."""

from __future__ import annotations

import inspect
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from sketchkit.cli.groups import Group
from sketchkit.cli.options import example, json_option, plugin_option, say

# Whose names are listed only when asked for: there are a hundred.
HIDDEN = ("torch", "torchvision", "mmengine")


@click.group(cls=Group, epilog=example("plugins list"))
def command() -> None:
    """Whatever a config can name: translators, networks, losses, metrics, data sets, transforms, hooks and more."""


@command.command("list", epilog=example("plugins list --all"))
@click.option("--all", "with_libraries", is_flag=True, help="Also what comes from torch, torchvision and mmengine.")
@json_option
@plugin_option
def list_(with_libraries: bool, as_json: bool, plugin_files: tuple[str, ...]) -> None:
    """All of it with one line and its source, and the plugins that failed to load."""
    from sketchkit import loading, registry
    from sketchkit.errors import PluginError

    for file in plugin_files:
        # It is listed among those that failed.
        with suppress(PluginError):
            loading.load_file(file)
    found = [(kind, entries.get(name), name) for kind, (entries, names) in registry.kinds().items() for name in names]
    rows = [_row(kind, entry, name) for kind, entry, name in found if with_libraries or not _is_library(entry)]
    failed = [{"plugin": plugin.name, "error": plugin.error} for plugin in loading.failures()]
    if as_json:
        click.echo(json.dumps({"plugins": rows, "failed": failed}, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        say(f"{row['kind']:12} {row['name']:{width}}  {row['summary']}  [{row['source']}]")
    for failure in failed:
        say(f"{'failed':12} {failure['plugin']}: {failure['error']}")


def _is_library(entry: Any) -> bool:
    return (getattr(entry, "__module__", None) or "").partition(".")[0] in HIDDEN


def _row(kind: str, entry: Any, name: str) -> dict[str, str]:
    from sketchkit.registry import is_own

    summary = (inspect.getdoc(entry) or "no description").splitlines()[0]
    module, file = getattr(entry, "__module__", None) or "", None
    with suppress(TypeError):  # what is built into Python has no source
        file = inspect.getsourcefile(entry)
    source = module if is_own(entry) or not file else Path(file).name
    return {"kind": kind, "name": name, "summary": summary, "source": source}
