"""The command line: one file a command, imported when it is called, so that `--help` answers at once."""

from __future__ import annotations

import io
import sys
import warnings
from typing import Any

import click

from sketchkit import __version__
from sketchkit.cli.groups import LazyGroup
from sketchkit.cli.options import INTERRUPTED, example, say
from sketchkit.errors import ConfigError, SketchkitError
from sketchkit.file_names import printable
from sketchkit.memory import in_words

COMMANDS = {
    "configs": "List the configs that come with sketchkit, or show one.",
    "data": "Make, check and prepare data sets.",
    "eval": "Measure pictures, or a trained run: FID, KID, LPIPS and more.",
    "info": "Networks, parameters, FLOPs and objective of a config.",
    "plugins": "List translators, networks, losses and metrics, and what failed to load.",
    "stylize": "Paint a picture in the style of others.",
    "sweep": "Train a config with several values of some keys and compare.",
    "train": "Train a translator.",
    "translate": "Translate pictures with a trained run.",
}


@click.command(
    cls=LazyGroup,
    package=__name__,
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("train sketchygan_demo --help"),
)
@click.version_option(__version__, "-V", "--version", prog_name="sketchkit")
def cli() -> None:
    """Turn sketches into pictures: train, judge, draw with and extend image translators."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command; exits with 0 done, 1 the work failed, 2 the call was wrong."""
    run(cli, arguments, "sketchkit")


def run(command: click.Command, arguments: list[str] | None, name: str) -> None:
    """Run `command`; an error that a person can mend is one line, without a traceback, and so is a warning."""
    warnings.formatwarning = _warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text
    try:
        if "" in (sys.argv[1:] if arguments is None else arguments):
            raise ConfigError(
                "an empty word is given, which stands for nothing: leave it out, or write what it is to be"
            )
        sys.exit(command.main(args=arguments, prog_name=name, standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        place = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else name
        say(f"error: {_mend(error)} (see {place} --help)", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(INTERRUPTED)
    except SketchkitError as error:
        say(f"error: {_line(error)}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        line = in_words(error) or _systems(error)
        if line is None:
            raise
        say(f"error: {line}", err=True)
        sys.exit(1)


def _warning(message: Warning | str, *_: Any, **__: Any) -> str:
    # Those of other libraries may have several lines.
    return "\n".join(map(printable, f"warning: {message}".split("\n"))) + "\n"


def _mend(error: click.ClickException) -> str:
    """click's own words in a line, which ends without a stop as others do."""
    return " ".join(error.format_message().split()).rstrip(".")


def _systems(error: Exception) -> str | None:
    """A folder that may not be written to, and its like: the system's own words say it."""
    if not isinstance(error, OSError):
        return None
    return f"{error.filename or 'input or output'}: {error.strerror or _line(error)}"


def _line(error: Exception) -> str:
    """The error's own line, also where a data worker has wrapped it into its traceback."""
    text = str(error)
    return text.rstrip().splitlines()[-1].partition(": ")[2] if "Original Traceback" in text else text
