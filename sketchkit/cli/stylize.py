"""`sketchkit stylize CONTENT STYLE [STYLE2 ...] -o OUT`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sketchkit.cli.options import (
    LARGEST_SIDE,
    ConfigCommand,
    ConfigPath,
    example,
    output_option,
    overrides_option,
    plugin_option,
    quiet_option,
    say,
    seed_option,
    trust_option,
)
from sketchkit.config.names import DEFAULT_PRESET, preset_file, presets
from sketchkit.file_names import fitting
from sketchkit.files import regular_file

if TYPE_CHECKING:
    import numpy as np

    from sketchkit.translators.base import Stroke

# What `--optimizer` stands for where the config has another; one evaluation an iteration in both.
OPTIMIZERS = {
    "adam": dict(type="Adam", lr=0.05),
    "lbfgs": dict(type="LBFGS", lr=0.5, max_iter=1, history_size=20),
}
LINES = 20


@click.command(cls=ConfigCommand, epilog=example("stylize photo.png painting.png -o stylized.png"))
@click.argument("words", nargs=-1, required=True, metavar="CONTENT STYLE [STYLE]...")
@output_option("The picture to write.", required=True, dir_okay=False)
@click.option("--preset", type=click.Choice(presets()), help=f"Network and losses; default: {DEFAULT_PRESET}.")
@click.option("--config", type=ConfigPath(), help="A config of your own instead of a preset.")
@click.option("--size", type=click.IntRange(0, LARGEST_SIDE), default=512, show_default=True,
              help="The longer side at most, in pixels; 0 keeps the content's size.")  # fmt: skip
@click.option("--iterations", type=click.IntRange(min=1), help="Steps of the optimiser, at each size of a pyramid.")
@click.option("--optimizer", type=click.Choice(sorted(OPTIMIZERS)), help="Default: the preset's.")
@click.option("--style-weights", metavar="W,W,...", help="A share for each style; default: equal ones.")
@click.option("--init", type=click.Choice(["content", "noise", "style"]), help="What to begin with.")
@click.option("--tile", type=click.IntRange(min=1), help="Compute features in tiles of this side: less memory.")
@click.option("--save-every", type=click.IntRange(min=1), metavar="N",
              help="Write OUTPUT's NAME_iter_000100.png every N iterations.")  # fmt: skip
@seed_option()
@overrides_option
@plugin_option
@trust_option
@quiet_option
def command(
    words: tuple[str, ...],
    output: Path,
    preset: str | None,
    config: str | None,
    size: int,
    iterations: int | None,
    optimizer: str | None,
    style_weights: str | None,
    init: str | None,
    tile: int | None,
    save_every: int | None,
    seed: int,
    overrides: tuple[str, ...],
    plugin_files: tuple[str, ...],
    trust_code: bool,
    quiet: bool,
) -> None:
    """Paint CONTENT in the style of STYLE, or of a mixture of several. Ctrl-C keeps what there is.

    Further KEY=VALUE words override the config too.
    """
    from sketchkit.errors import ConfigError

    if config and preset:
        raise ConfigError(f"--config {config} and --preset {preset} both say how to paint: give one of them")
    files, more = _sort(words)
    _check_target(output, files)
    shares = _numbers(style_weights)
    from sketchkit.config.load import load_config
    from sketchkit.data.image_io import keeps_alpha, read_image, read_straight
    from sketchkit.data.pixels import on_white, transparency
    from sketchkit.inference.painting import paint

    flags = {"iterations": iterations, "init": init, "tile": tile}
    changes = [f"translator.{key}={value}" for key, value in flags.items() if value is not None]
    changes = [*changes, *overrides, *more]
    settings = load_config(config or preset_file(preset or DEFAULT_PRESET), changes, plugin_files, trust_code)
    content, *styles = [read_straight(files[0]), *map(read_image, files[1:])]
    alpha = transparency(content)
    if alpha is not None and not keeps_alpha(output):
        say(f"{files[0]} has transparency, which {output.suffix} cannot keep: it is laid on white")
        alpha = None
    strokes = paint(settings, on_white(content), styles, size, shares, seed, OPTIMIZERS.get(optimizer or ""))
    output.parent.mkdir(parents=True, exist_ok=True)
    _watch(strokes, output, save_every, quiet, alpha)


def _watch(
    strokes: Iterable[Stroke], target: Path, save_every: int | None, quiet: bool, alpha: np.ndarray | None
) -> None:
    """Report, save now and then, and end with the picture in `target`, also when a signal asks for the end."""
    from sketchkit.data.image_io import write_image
    from sketchkit.data.pixels import with_alpha
    from sketchkit.engine.interruption import requested, watch_signals
    from sketchkit.inference.painting import pixels_of

    started = time.perf_counter()
    with watch_signals():
        for stroke in strokes:
            done, iterations = stroke.iteration, stroke.iterations
            if not quiet and (done % max(1, iterations // LINES) == 0 or done == iterations):
                click.echo(_line(stroke, time.perf_counter() - started))
            if save_every and done % save_every == 0:
                write_image(_numbered(target, done), with_alpha(pixels_of(stroke), alpha))
            if signal := requested():
                break
    pixels = with_alpha(pixels_of(stroke), alpha)
    write_image(target, pixels)
    height, width = pixels.shape[:2]
    stopped = f" (stopped by {signal} after {done} of {iterations} iterations)" if signal else ""
    say(f"{target}: {width} x {height}{stopped}")


def _numbered(target: Path, done: int) -> Path:
    return target.with_name(fitting(f"{target.stem}_iter_{done:06d}.png"))


def _line(stroke: Stroke, elapsed: float) -> str:
    left = timedelta(seconds=round((stroke.iterations - stroke.iteration) * elapsed / stroke.iteration))
    terms = "  ".join(f"{name} {value:.4g}" for name, value in stroke.values.items())
    width = len(str(stroke.iterations))
    rate = stroke.iteration / elapsed
    return f"[{stroke.iteration:{width}}/{stroke.iterations}] {rate:.1f} iterations/s, {left} left  {terms}"


def _sort(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Pictures, and overrides: words with a `=` that no file is named by."""
    from sketchkit.errors import ConfigError, DataError

    more = [word for word in words if "=" in word and not Path(word).exists()]
    files = [word for word in words if word not in more]
    if len(files) < 2:
        raise ConfigError(f"stylize takes a content picture and one style or more, and got {files}")
    for file in files:
        if not Path(file).exists():
            raise DataError(f"no picture at {file}: check the path")
        regular_file(file)
    return files, more


def _check_target(target: Path, files: Sequence[str]) -> None:
    from sketchkit.data.image_io import can_write
    from sketchkit.errors import ConfigError

    if not can_write(target):
        raise ConfigError(f"cannot write {target}: no image format ends in '{target.suffix}', use .png or .jpg")
    if target.resolve() in [Path(file).resolve() for file in files]:
        raise ConfigError(f"{target} is one of the pictures to read: write to another file")


def _numbers(words: str | None) -> list[float] | None:
    from sketchkit.errors import ConfigError

    try:
        return [float(word) for word in words.split(",")] if words else None
    except ValueError as error:
        raise ConfigError(f"--style-weights {words}: give numbers with commas between them, like 1,2") from error
