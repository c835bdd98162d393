"""`sketchkit data sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

KINDS = ("sketchy",)


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice(KINDS), default="sketchy", show_default=True, help="Which layout to write.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same bytes.")
@click.option("--photos", default=24, show_default=True, help="Photos a class.")
@click.option("--sketches", default=3, show_default=True, help="Sketches a photo.")
@click.option("--size", default=128, show_default=True, help="Side in pixels.")
def command(out: Path, kind: str, seed: int, photos: int, sketches: int, size: int) -> None:
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
