"""`sketchkit configs [NAME] [-o FILE]`."""

from __future__ import annotations

from pathlib import Path

import click

from sketchkit.cli.options import example, output_option, say
from sketchkit.config.names import config_folder, config_names, copy_of, find_config
from sketchkit.errors import ConfigError
from sketchkit.options import one_of


@click.command(epilog=example("configs pix2pix_facades -o my_config.py"))
@click.argument("name", required=False)
@output_option("A file to copy the config to, or a folder; the copy works there, to be changed.")
def command(name: str | None, output: Path | None) -> None:
    """List the configs that come with sketchkit, show the one of that NAME, or copy it.

    Commands take a config by its bare name, and a config of your own goes on from one: _base_ =
    "sketchkit::pix2pix_facades"
    """
    if output is not None:
        _copy(name, output)
    elif name is None:
        width = max(map(len, config_names()))
        for one in config_names():
            click.echo(f"{one:{width}}  {summary(config_folder() / f'{one}.py')}")
    else:
        click.echo(find_config(name).read_text(), nl=False)


def summary(path: Path) -> str:
    """What the head of a config says of it, after the command that runs it."""
    lines = [line.removeprefix("# ") for line in path.read_text().splitlines() if line.startswith("# ")]
    return lines[1] if len(lines) > 1 else ""


def _copy(name: str | None, output: Path) -> None:
    if name is None:
        raise ConfigError(f"-o {output}: name the config to copy")
    one_of("NAME", name, config_names())
    place = output / f"{name}.py" if output.is_dir() else output
    if place.suffix != ".py":
        raise ConfigError(f"-o {place}: give a name that ends in .py")
    if place.exists():
        raise ConfigError(f"{place} is there already: name another file, or remove it")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(copy_of(name, place))
    say(str(place))
