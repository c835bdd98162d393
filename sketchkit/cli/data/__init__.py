"""`sketchkit data`: one file a command."""

from __future__ import annotations

import click

from sketchkit.cli.groups import LazyGroup
from sketchkit.cli.options import example

COMMANDS = {
    "check": "Count what is in a data set and list the pictures that cannot be read.",
    "colorful": "List the pictures with colour enough to learn from, and those without.",
    "sample": "Draw a small data set.",
    "sketch": "Make sketches of photos by XDoG, Canny or Sobel: a data set of pairs.",
    "split": "Divide a folder of pictures into train, val and test.",
}


@click.command(cls=LazyGroup, package=__name__, summaries=COMMANDS, epilog=example("data sample data/sample"))
def command() -> None:
    """Make, check and prepare data sets."""
