"""`sketchkit sweep CONFIG KEY=VALUE1,VALUE2,... [--cfg-options KEY=VALUE ...]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sketchkit.cli.options import (
    MOST,
    ConfigCommand,
    ConfigPath,
    example,
    output_option,
    overrides_option,
    plugin_option,
    trust_option,
)

if TYPE_CHECKING:
    from sketchkit.sweeps.sweep import Result


@click.command(
    cls=ConfigCommand,
    epilog=example("sweep autopainter_lineart generator_losses.tv.weight=0,78 --cfg-options data_root=data/pairs"),
)
@click.argument("config", type=ConfigPath())
@click.argument("words", nargs=-1, metavar="KEY=VALUE1,VALUE2,...")
@output_option("The sweep's folder; default: runs/sweep_<config's name>.")
@overrides_option
@plugin_option
@trust_option
@click.option(
    "--samples", type=click.IntRange(1, MOST), default=6, show_default=True, help="Held-out samples in the picture."
)
def command(
    config: str,
    words: tuple[str, ...],
    output: Path | None,
    overrides: tuple[str, ...],
    plugin_files: tuple[str, ...],
    trust_code: bool,
    samples: int,
) -> None:
    """Train CONFIG with every combination of the keys' values; compare the runs in a table and a picture.

    What --cfg-options changes is changed in all runs. The same command goes on where it stopped, and more values of a
    key add runs.
    """
    from sketchkit.sweeps.sweep import TABLE, Sweep

    sweep = Sweep(config, words, output, overrides, plugin_files, trust_code)
    results = sweep.train(click.echo)
    if results[-1].state == "interrupted":
        trained = sum(setting.is_trained for setting in sweep.settings)
        click.echo(f"stopped: {trained} of {len(sweep.settings)} settings are trained; the same sweep command goes on")
        return
    sweep.write(results)
    click.echo("\n".join(["", *_table(results)]))
    click.echo(f"table: {sweep.folder / TABLE}")
    picture = sweep.draw(results, samples)
    click.echo(f"picture: {picture}" if picture else "no picture: no setting has a checkpoint")
    if any(one.state == "failed" for one in results):
        raise SystemExit(1)


def _table(results: Sequence[Result]) -> Iterator[str]:
    """Aligned lines; a star stands behind the best value of each held-out scalar among the settings that are done."""
    from sketchkit.sweeps.sweep import scalar_names

    names = scalar_names(results)
    best = {name: value for name in names if (value := _best(name, results)) is not None}
    rows = [["setting", "iterations", *(f"{name} " for name in names)]]
    for one in results:
        cells = [_cell(one, name, best) for name in names]
        rows.append([one.setting.label, "failed" if one.state == "failed" else str(one.iterations), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for label, *cells in rows:
        line = [label.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))]
        yield "  ".join(line).rstrip()
    if best:
        yield "* the best of its column"
    for one in results:
        if one.state == "failed":
            yield f"failed: {one.setting.label} after {one.iterations} iterations: {one.reason}"


def _best(name: str, results: Sequence[Result]) -> float | None:
    from sketchkit.engine.scores import VAL, better_end
    from sketchkit.errors import ConfigError

    values = [one.scalars[name] for one in results if one.state == "done" and name in one.scalars]
    if not name.startswith(VAL) or len(values) < 2:
        return None
    try:
        return min(values) if better_end(name.removeprefix(VAL)) == "lower" else max(values)
    except ConfigError:
        # What belongs to a metric, such as a deviation, has no good end.
        return None


def _cell(one: Result, name: str, best: Mapping[str, float]) -> str:
    if name not in one.scalars:
        return "- "
    is_best = one.state == "done" and one.scalars[name] == best.get(name)
    return f"{one.scalars[name]:.4g}{'*' if is_best else ' '}"
