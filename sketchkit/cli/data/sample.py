"""`sketchkit data sample`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from sketchkit.cli.options import LARGEST_SIDE, MOST, example, quiet_option, say, seed_option

CONFIGS = {
    "sketchy": "sketchygan_demo",
    "pairs": "autopainter_lineart",
    "unpaired": "cyclegan_sketch2color",
    "color": "recolor_simple",
}
SKETCHY, OTHER = 24, 6


@click.command(epilog=example("data sample data/pairs --kind pairs"))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice(list(CONFIGS)), default="sketchy", show_default=True,
              help="Which layout to write: the Sketchy Database's, picture and sketch side by side, "
              "sketches and pictures that are no pairs, or pictures alone.")  # fmt: skip
@seed_option()
@click.option(
    "--photos",
    type=click.IntRange(1, MOST),
    help=f"Photos a class; default: {SKETCHY} for sketchy, {OTHER} for the others.",
)
@click.option("--sketches", type=click.IntRange(1, MOST), help="Sketches a photo, for sketchy alone; default: 3.")
@click.option("--size", type=click.IntRange(16, LARGEST_SIDE), default=128, show_default=True, help="Side in pixels.")
@quiet_option
def command(out: Path, kind: str, seed: int, photos: int | None, sketches: int | None, size: int, quiet: bool) -> None:
    """Draw a small data set into OUT, in the exact layout of a well-known one."""
    from sketchkit.data.prepare.advice import training_command
    from sketchkit.data.prepare.checking import kinds

    options: dict[str, Any] = dict(seed=seed, size=size)
    with click.progressbar(length=100, label="drawing", show_eta=True, hidden=quiet) as bar:
        options["progress"] = lambda done, of: bar.update(100 * done // of - bar.pos)
        if kind == "sketchy":
            new, said = _sketchy(
                out, SKETCHY if photos is None else photos, 3 if sketches is None else sketches, options
            )
        else:
            new, said = _other(kind, out, OTHER if photos is None else photos, sketches, options)
    say(f"{out}: {said}" + ("" if new else " (was there already)"))
    command, _ = training_command(kinds()[kind], out, {}, CONFIGS[kind])
    say(f"train on it: {command}")


def _sketchy(out: Path, photos: int, sketches: int, options: dict[str, Any]) -> tuple[bool, str]:
    from sketchkit.data.datasets.sketchy import SketchyDataset
    from sketchkit.data.sample import write_sketchy_sample

    new = write_sketchy_sample(out, photos_per_class=photos, sketches_per_photo=sketches, **options)
    counts = SketchyDataset(out, split="all", drop=()).describe()
    return new, f"{counts['classes']} classes, {counts['photos']} photos, {counts['sketches']} sketches"


def _other(kind: str, out: Path, photos: int, sketches: int | None, options: dict[str, Any]) -> tuple[bool, str]:
    from sketchkit.data.listing import pictures_in
    from sketchkit.data.sample import write_sample
    from sketchkit.errors import ConfigError

    if sketches is not None:
        raise ConfigError(f"--sketches is for --kind sketchy alone, {kind} has one picture a figure: leave it out")
    new = write_sample(kind, out, photos_per_class=photos, **options)
    counts = Counter(file.relative_to(out).parent.as_posix() for file in pictures_in(out))
    return new, ", ".join(f"{count} pictures" if name == "." else f"{name} {count}" for name, count in counts.items())
