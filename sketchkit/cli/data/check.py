"""`sketchkit data check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sketchkit.cli.options import PicturePath, example, json_option, quiet_option

if TYPE_CHECKING:
    from sketchkit.data.prepare.checking import Report


@click.command(epilog=example("data check data/sample"))
@click.argument("root", type=PicturePath())
@click.option("--kind", type=click.Choice(["sketchy", "pairs", "unpaired", "color"]), help="Default: by the layout.")
@click.option("--photo-tx", default="tx_000000000000", show_default=True, help="Sketchy: which form of the photos.")
@click.option("--sketch-tx", default="tx_000000000000", show_default=True, help="Sketchy: which form of the sketches.")
@json_option
@quiet_option
def command(root: Path, kind: str | None, photo_tx: str, sketch_tx: str, as_json: bool, quiet: bool) -> None:
    """Count what is in ROOT, read every picture of it, and list what cannot be read or used."""
    from sketchkit.data.prepare.checking import check_folder, describe_sketchy, find_kind

    def look(items: Any) -> Any:
        with click.progressbar(items, label="reading", show_eta=True, hidden=as_json or quiet) as walk:
            yield from walk

    kind = kind or find_kind(root)
    if kind == "sketchy":
        report = describe_sketchy(root, look, photo_tx=photo_tx, sketch_tx=sketch_tx)
    else:
        report = check_folder(root, kind, look)
    if as_json:
        click.echo(json.dumps({"kind": kind, **report.counts, "unreadable": report.problems}, indent=2))
    else:
        _show(report)
    if report.problems:
        raise SystemExit(1)


def _show(report: Report) -> None:
    click.echo(f"{'kind':14} {report.kind}")
    for name, count in report.counts.items():
        if isinstance(count, dict):
            click.echo(f"{name:14} " + ", ".join(f"{flag} {number}" for flag, number in count.items()))
        elif name != "kept":
            click.echo(f"{name:14} {count}")
    click.echo(f"{'unreadable':14} {len(report.problems)}")
    for line in report.problems:
        click.echo(f"  {line}")
