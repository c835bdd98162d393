"""`sketchkit data check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sketchkit.cli.options import PicturePath, example, json_option, plugin_option, quiet_option, say

if TYPE_CHECKING:
    from sketchkit.data.base import Findings

NEXT = "\n  "


@click.command(epilog=example("data check data/sample"))
@click.argument("root", type=PicturePath())
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--kind", help="sketchy, pairs, unpaired, color, or a plugin's; default: by the layout.")
@plugin_option
@json_option
@quiet_option
def command(
    root: Path, options: tuple[str, ...], kind: str | None, plugin_files: tuple[str, ...], as_json: bool, quiet: bool
) -> None:
    """Count what is in ROOT, read every picture of it, list what training would refuse, and say how to train on it.

    KEY=VALUE words are options of the data set, such as direction=BtoA.
    """
    from sketchkit.config.load import parse_pairs
    from sketchkit.data.prepare.checking import check_folder, find_kind
    from sketchkit.loading import load_file

    def look(items: Any) -> Any:
        with click.progressbar(items, label="reading", show_eta=True, hidden=as_json or quiet) as walk:
            yield from walk

    for file in plugin_files:
        load_file(file)
    kind = kind or find_kind(root)
    findings = check_folder(root, kind, look, parse_pairs(options))
    if as_json:
        told = {"unreadable": findings.problems, "notes": findings.notes, "command": findings.command}
        click.echo(json.dumps({"kind": kind, **findings.counts, **told}, indent=2))
    else:
        _show(findings)
    if findings.problems:
        raise SystemExit(1)


def _show(findings: Findings) -> None:
    from sketchkit.problems import first_few

    click.echo(f"{'kind':14} {findings.kind}")
    for name, count in findings.counts.items():
        if isinstance(count, dict):
            click.echo(f"{name:14} " + ", ".join(f"{flag} {number}" for flag, number in count.items()))
        elif name != "kept":
            click.echo(f"{name:14} {count}")
    click.echo(f"{'unreadable':14} {len(findings.problems)}")
    if findings.problems:
        click.echo(f"  {first_few(findings.problems, NEXT)}")
    for note in findings.notes:
        say(f"note: {note}")
    if findings.command:
        say(f"train on it: {findings.command}")
