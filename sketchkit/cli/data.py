"""`sketchkit data sample|check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

KINDS = ("sketchy",)


@click.group()
def command() -> None:
    """Make, check and prepare data sets."""


@command.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice(KINDS), default="sketchy", show_default=True, help="Which layout to write.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same bytes.")
@click.option("--photos", default=24, show_default=True, help="Photos a class.")
@click.option("--sketches", default=3, show_default=True, help="Sketches a photo.")
@click.option("--size", default=128, show_default=True, help="Side in pixels.")
def sample(out: Path, kind: str, seed: int, photos: int, sketches: int, size: int) -> None:
    """Draw a small data set into OUT, in the exact layout of the Sketchy Database."""
    from sketchkit.data.sample import write_sketchy_sample
    from sketchkit.data.sketchy import SketchyDataset

    options: dict[str, Any] = dict(seed=seed, photos_per_class=photos, sketches_per_photo=sketches, size=size)
    with click.progressbar(length=100, label="drawing", show_eta=True) as bar:
        new = write_sketchy_sample(out, **options, progress=lambda done, of: bar.update(100 * done // of - bar.pos))
    counts = SketchyDataset(out, split="all", drop=()).describe()
    said = f"{counts['classes']} classes, {counts['photos']} photos, {counts['sketches']} sketches"
    click.echo(f"{out}: {said}" + ("" if new else " (was there already)"))
    click.echo(f"train on it: sketchkit train configs/sketchygan_demo.py --cfg-options data_root={out}")


@command.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--photo-tx", default="tx_000000000000", show_default=True, help="Which transformation of the photos.")
@click.option("--sketch-tx", default="tx_000000000000", show_default=True, help="Which transformation of the sketches.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def check(root: Path, photo_tx: str, sketch_tx: str, as_json: bool) -> None:
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
