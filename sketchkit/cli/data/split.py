"""`sketchkit data split`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from sketchkit.cli.options import PicturePath, example, output_option, say, seed_option

Number = TypeVar("Number", int, float)


@click.command(epilog=example("data split photos --ratios 0.8,0.1,0.1 -o split.json"))
@click.argument("root", type=PicturePath())
@output_option("The split file.", required=True, dir_okay=False)
@click.option("--counts", metavar="N,N[,N]", help="How many files for train, val and test (or train and val).")
@click.option("--ratios", metavar="R,R[,R]", help="Or which share of all files; they sum to 1.")
@seed_option()
@click.option("--list", "listed", type=click.Path(path_type=Path),
              help="Divide the files of this list, as `sketchkit data colorful` writes it, not all.")  # fmt: skip
def command(root: Path, output: Path, counts: str | None, ratios: str | None, seed: int, listed: Path | None) -> None:
    """Divide the pictures below ROOT, at any depth, into train, val and test, and write who is where as JSON."""
    from sketchkit.data.splits import split_files, write_split
    from sketchkit.problems import first_few

    names, unknown = _names(root, listed)
    parts = split_files(
        names,
        None if counts is None else _numbers("--counts", counts, int, "80,10,10"),
        None if ratios is None else _numbers("--ratios", ratios, float, "0.8,0.1,0.1"),
        seed,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    write_split(output, root, parts, seed)
    if unknown:
        click.echo(f"{len(unknown)} lines of {listed} name no picture of {root}: {first_few(unknown)}", err=True)
    left = len(names) - sum(map(len, parts.values()))
    said = ", ".join(f"{part} {len(files)}" for part, files in parts.items())
    say(f"{output}: {said}" + (f"; {left} of {len(names)} left out" if left else ""))


def _names(root: Path, listed: Path | None) -> tuple[list[str], list[str]]:
    """The names to divide, and the lines of the list that name none."""
    from sketchkit.data.listing import pictures_in
    from sketchkit.data.splits import listed_below, names_below
    from sketchkit.errors import DataError

    files, unknown = pictures_in(root), list[str]()
    if not files:
        raise DataError(f"{root} has no picture: give the folder that holds them, at any depth")
    if listed is not None:
        files, unknown = listed_below(listed, root, files)
    return names_below(root, files), unknown


def _numbers(option: str, text: str, kind: Callable[[str], Number], example: str) -> list[Number]:
    from sketchkit.errors import ConfigError

    try:
        return [kind(word) for word in text.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"{option} '{text}' is not understood: give numbers separated by commas, as {example}"
        ) from error
