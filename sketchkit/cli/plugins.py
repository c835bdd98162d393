"""`sketchkit plugins list`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import click

from sketchkit.cli.groups import Group
from sketchkit.cli.options import example, json_option, plugin_option


@click.group(cls=Group, epilog=example("plugins list"))
def command() -> None:
    """Translators, backbones, heads, losses, metrics and line methods."""


@command.command("list", epilog=example("plugins list --json"))
@json_option
@plugin_option
def list_(as_json: bool, plugin_files: tuple[str, ...]) -> None:
    """All of them with one line and their source, and the plugins that failed to load."""
    from sketchkit import loading, registry

    for file in plugin_files:
        loading.load_file(file)
    translators = [_row("translator", registry.MODELS.get(name), name) for name in registry.translator_names()]
    others = [
        _row(entries.name, entries.get(name), name)
        for entries in registry.PLUGIN_REGISTRIES
        for name in entries.names()
    ]
    rows = [*translators, *others]
    failed = [{"plugin": plugin.name, "error": plugin.error} for plugin in loading.failures()]
    if as_json:
        click.echo(json.dumps({"plugins": rows, "failed": failed}, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['kind']:11} {row['name']:{width}}  {row['summary']}  [{row['source']}]")
    for failure in failed:
        click.echo(f"failed      {failure['plugin']}: {failure['error']}")


def _row(kind: str, entry: Any, name: str) -> dict[str, str]:
    summary = (inspect.getdoc(entry) or "no description").splitlines()[0]
    module = entry.__module__
    file = inspect.getsourcefile(entry)
    source = module if module.partition(".")[0] == "sketchkit_plugins" or not file else Path(file).name
    return {"kind": kind, "name": name, "summary": summary, "source": source}
