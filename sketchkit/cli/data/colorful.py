"""`sketchkit data colorful`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from sketchkit.cli.options import MOST_WORKERS, PicturePath, example, json_option, output_option, quiet_option
from sketchkit.file_names import printable

if TYPE_CHECKING:
    from sketchkit.data.prepare.colorfulness import Selection

QUANTILES = (0, 5, 25, 50, 75, 95, 100)
NEXT = "\n  "


@click.command(epilog=example("data colorful photos -o colorful.txt"))
@click.argument("root", type=PicturePath())
@output_option("List of pictures kept, one a line; the others go into NAME.dropped.txt beside it.", required=True,
               dir_okay=False)  # fmt: skip
@click.option("--min", "minimum", type=click.FloatRange(min=0), default=5.0, show_default=True,
              help="Least colourfulness of a picture that is kept; the default drops greys.")  # fmt: skip
@click.option("--opponent", type=click.Choice(["absolute", "signed"]), default="absolute", show_default=True,
              help="Of the differences of colours: 'signed' is Hasler and Suesstrunk's own.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, MOST_WORKERS), help="Threads; default: as many as suit the machine.")
@json_option
@quiet_option
def command(
    root: Path, output: Path, minimum: float, opponent: str, workers: int | None, as_json: bool, quiet: bool
) -> None:
    """List the pictures below ROOT with colour enough to learn from, and those without."""
    from sketchkit.data.listing import pictures_in
    from sketchkit.data.prepare.colorfulness import sort_out
    from sketchkit.data.splits import names_below
    from sketchkit.errors import DataError

    files = pictures_in(root)
    if not files:
        raise DataError(f"{root} has no picture: give the folder that holds them, at any depth")
    names = dict(zip(files, names_below(root, files), strict=True))
    output.parent.mkdir(parents=True, exist_ok=True)
    with click.progressbar(length=len(files), label="measuring", show_pos=True, hidden=as_json or quiet,
                           item_show_func=lambda rate: rate) as bar:  # fmt: skip
        found = sort_out(files, minimum, opponent, workers, _with_rate(bar.update))
    if not found.kept:
        raise DataError(_none_left(root, found, minimum))
    lists = _write(output, names, found)
    said = {**_counts(found), **lists, "unreadable": list(found.unreadable.values())}
    click.echo(json.dumps(said, indent=2) if as_json else _table(said, root))


def _with_rate(update: Callable[[int, str | None], object]) -> Callable[[int, int], object]:
    start = perf_counter()
    return lambda done, of: update(1, f"{done / (perf_counter() - start):.0f} pictures/s")


def _none_left(root: Path, found: Selection, minimum: float) -> str:
    if not found.dropped:
        first = next(iter(found.unreadable.values()))
        return f"none of {len(found.unreadable)} pictures in {root} can be read; the first: {first}"
    most = max(found.dropped.values())
    return f"none of {len(found.dropped)} pictures in {root} reaches {minimum:g}, the best has {most:.2f}: lower --min"


def _write(output: Path, names: dict[Path, str], found: Selection) -> dict[str, str]:
    """The list comes last: where it is, both are whole."""
    from sketchkit.atomic import write_whole

    dropped = output.with_name(f"{output.stem}.dropped.txt")
    write_whole(dropped, "".join(f"{value:.4f}\t{names[file]}\n" for file, value in found.dropped.items()))
    write_whole(output, "".join(f"{names[file]}\n" for file in found.kept))
    return {"list": str(output), "dropped_list": str(dropped)}


def _counts(found: Selection) -> dict[str, Any]:
    import numpy as np

    values = [*found.kept.values(), *found.dropped.values()]
    quantiles = {f"{q}%": round(float(np.quantile(values, q / 100)), 4) for q in QUANTILES}
    total = len(values) + len(found.unreadable)
    return {"pictures": total, "kept": len(found.kept), "dropped": len(found.dropped), "quantiles": quantiles}


def _table(said: dict[str, Any], root: Path) -> str:
    from sketchkit.problems import first_few

    bad = said["unreadable"]
    return "\n".join(map(printable, [
        f"{'pictures':14} {said['pictures']}",
        f"{'kept':14} {said['kept']}  {said['list']}",
        f"{'dropped':14} {said['dropped']}  {said['dropped_list']}",
        f"{'unreadable':14} {len(bad)}",
        *([f"  {first_few(bad, NEXT)}"] if bad else []),
        f"{'colourfulness':14} " + ", ".join(f"{q} {value:.1f}" for q, value in said["quantiles"].items()),
        f"split them: sketchkit data split {root} --list {said['list']} --ratios 0.8,0.1,0.1 -o split.json",
    ]))  # fmt: skip
