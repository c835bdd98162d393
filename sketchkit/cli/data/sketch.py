"""`sketchkit data sketch`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sketchkit.cli.options import (
    LARGEST_SIDE,
    MOST_WORKERS,
    PicturePath,
    example,
    on_error_option,
    plugin_option,
    quiet_option,
    say,
    seed_option,
)

if TYPE_CHECKING:
    from sketchkit.data.prepare.sketching import SketchWriter

CONFIG = "autopainter_lineart"  # to train with on what is made
NEXT = "\n  "


@click.command(epilog=example("data sketch photos data/pairs"))
@click.argument("photos", type=PicturePath())
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--method", default="xdog", show_default=True, help="xdog, canny, sobel, or one of a plugin of yours.")
@click.option("--sigma", metavar="PIXELS",
              help="Blur before the lines are drawn: 1.5 suits 512 pixels, 0.7 256; LOW,HIGH varies it.")  # fmt: skip
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE",
              help="Another option of the method, such as epsilon=0 or low=0.1; a range as for --sigma.")  # fmt: skip
@click.option("--size", type=click.IntRange(8, LARGEST_SIDE), help="Bring the short side to this; default: as it is.")
@click.option("--lines-only", is_flag=True, help="Write the lines alone, without the picture beside them.")
@click.option("--val-ratio", type=click.FloatRange(0, 1, max_open=True), default=0.1, show_default=True,
              help="Share of the pictures that go to val, where PHOTOS has no train, val or test folder.")  # fmt: skip
@seed_option()
@click.option("--workers", type=click.IntRange(0, MOST_WORKERS), default=min(4, os.cpu_count() or 1), show_default=True,
              help="Processes; 0 works in this one.")  # fmt: skip
@on_error_option("skip")
@plugin_option
@quiet_option
def command(
    photos: Path,
    out: Path,
    method: str,
    sigma: str | None,
    options: tuple[str, ...],
    size: int | None,
    lines_only: bool,
    val_ratio: float,
    seed: int,
    workers: int,
    on_error: str,
    plugin_files: tuple[str, ...],
    quiet: bool,
) -> None:
    """Make sketches of the colour pictures in PHOTOS: OUT/train and OUT/val, colour left and lines right.

    A call that was interrupted goes on when it is made again.
    """
    from sketchkit.data.prepare.advice import training_command
    from sketchkit.data.prepare.sketching import SketchWriter, begin, find_jobs
    from sketchkit.loading import load_file
    from sketchkit.registry import DATASETS

    for file in plugin_files:
        load_file(file)
    drawing = {"method": method, **_parse([*([f"sigma={sigma}"] if sigma else []), *options])}
    writer = SketchWriter(drawing, size, lines_only, seed, find_jobs(photos, out, val_ratio, seed))
    settings = {**drawing, "size": size, "lines_only": lines_only, "val_ratio": val_ratio, "seed": seed}
    begin(out, {"photos": str(photos.resolve()), **settings})
    there = writer.skip_finished()
    bad = _write_all(writer, workers, on_error, quiet)
    _tell(out, writer, there, bad)
    if not lines_only:
        command, _ = training_command(DATASETS.get("PairsDataset"), out, {}, CONFIG)
        say(f"train on it: {command}")
    if len(bad) == len(writer) and not there:
        raise SystemExit(1)


def _parse(words: Sequence[str]) -> dict[str, float | tuple[float, ...]]:
    from sketchkit.errors import ConfigError

    parsed: dict[str, float | tuple[float, ...]] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            numbers = tuple(float(number) for number in value.split(","))
        except ValueError:
            raise ConfigError(f"'{word}' is no option: write NAME=NUMBER, or NAME=LOW,HIGH for a range") from None
        parsed[name.strip()] = numbers[0] if len(numbers) == 1 else numbers
    return parsed


def _write_all(writer: SketchWriter, workers: int, on_error: str, quiet: bool) -> list[str]:
    """Write every sketch; returns what is wrong with those that cannot be read."""
    from torch.utils.data import DataLoader

    from sketchkit.errors import DataError

    def rate(_: object) -> str:
        return f"{1 / bar.time_per_iteration:.1f} pictures/s" if bar.time_per_iteration else ""

    bad: list[str] = []
    loader: Any = DataLoader(writer, batch_size=None, num_workers=min(workers, len(writer)))  # type: ignore[arg-type]
    with click.progressbar(
        loader,
        length=len(writer),
        label="drawing",
        show_pos=True,
        show_eta=True,
        item_show_func=rate,
        hidden=quiet,
    ) as bar:
        for error in bar:
            if error and on_error == "fail":
                raise DataError(error)
            bad += [error] if error else []
    return bad


def _tell(out: Path, writer: SketchWriter, there: int, bad: Sequence[str]) -> None:
    from sketchkit.problems import first_few

    parts = Counter(job.file.parent.name for job in writer.jobs if job.file.exists())
    said = ", ".join(f"{count} in {part}" for part, count in sorted(parts.items())) or "none"
    say(f"{out}: wrote {said}" + (f"; {there} were there already" if there else ""))
    if bad:
        click.echo(f"{len(bad)} could not be read:\n  {first_few(bad, NEXT)}")
