"""`sketchkit data check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--photo-tx", default="tx_000000000000", show_default=True, help="Which transformation of the photos.")
@click.option("--sketch-tx", default="tx_000000000000", show_default=True, help="Which transformation of the sketches.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def command(root: Path, photo_tx: str, sketch_tx: str, as_json: bool) -> None:
    """Count what is in ROOT, read every picture of it, and list those that cannot be read."""
    from sketchkit.data.images import UnreadableImage, read_image
    from sketchkit.data.sketchy import SketchyDataset

    dataset = SketchyDataset(root, split="all", drop=(), photo_tx=photo_tx, sketch_tx=sketch_tx)
    counts, bad = dataset.describe(), []
    with click.progressbar(dataset.files(), label="reading", show_eta=True, hidden=as_json) as files:
        for file in files:
            try:
                read_image(file)
            except UnreadableImage as error:
                bad.append(str(error))
    if as_json:
        click.echo(json.dumps({**counts, "unreadable": bad}, indent=2))
    else:
        _show(counts, bad)
    if bad:
        raise SystemExit(1)


def _show(counts: dict[str, Any], bad: list[str]) -> None:
    for name, count in counts.items():
        if isinstance(count, dict):
            click.echo(f"{name:14} " + ", ".join(f"{flag} {number}" for flag, number in count.items()))
        elif name != "kept":
            click.echo(f"{name:14} {count}")
    click.echo(f"{'unreadable':14} {len(bad)}")
    for line in bad:
        click.echo(f"  {line}")
