"""`sketchkit configs [NAME]`."""

from __future__ import annotations

from pathlib import Path

import click

from sketchkit.cli.options import example
from sketchkit.config.names import config_folder, config_names, find_config


@click.command(epilog=example("configs pix2pix_facades"))
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the configs that come with sketchkit, or show the one of that NAME.

    Commands take a config by its bare name too: sketchkit train pix2pix_facades
    """
    if name is None:
        width = max(map(len, config_names()))
        for one in config_names():
            click.echo(f"{one:{width}}  {summary(config_folder() / f'{one}.py')}")
        return
    click.echo(find_config(name).read_text(), nl=False)


def summary(path: Path) -> str:
    """What the head of a config says of it, after the command that runs it."""
    lines = [line.removeprefix("# ") for line in path.read_text().splitlines() if line.startswith("# ")]
    return lines[1] if len(lines) > 1 else ""
