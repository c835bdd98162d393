"""What commands share: options that mean one thing everywhere; what they name is looked for before all work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from sketchkit.config.names import config_names, find_config
from sketchkit.errors import CheckpointError, DataError, PluginError
from sketchkit.file_names import printable
from sketchkit.files import regular_file

INTERRUPTED = 130  # what shells give a command that Ctrl-C has ended
OVERRIDES = "--cfg-options"
# More than anyone can mean: of pictures to make, of processes, and of a picture's side in pixels.
MOST, MOST_WORKERS, LARGEST_SIDE = 10_000, 512, 16_384
Decorator = Callable[[Any], Any]


class ConfigPath(click.ParamType):
    """A config's file, or the bare name of one that comes with sketchkit."""

    name = "config"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The file's path.

        Raises:
            ConfigError: there is none; names the closest.
        """
        return str(find_config(value))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that go on from `incomplete`, and files."""
        names = [CompletionItem(name) for name in config_names() if name.startswith(incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


class RunPath(click.ParamType):
    """A run folder, or a checkpoint."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            CheckpointError: nothing is there.
        """
        require_run(value)
        return Path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Folders and files."""
        return [CompletionItem(incomplete, type="file")]


class PluginFile(click.ParamType):
    """A Python file."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path.

        Raises:
            PluginError: there is none.
        """
        if not Path(value).is_file():
            raise PluginError(f"no plugin file at {value}: check the path given to --plugin")
        return str(value)


class PicturePath(click.ParamType):
    """A folder of pictures; with `file`, a picture too."""

    name = "path"

    def __init__(self, file: bool = False) -> None:
        self.file = file

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            DataError: nothing is there, or neither a folder nor a file.
        """
        path = Path(value)
        if self.file and path.exists() and not path.is_dir():
            regular_file(path)
        if not path.is_dir() and not (self.file and path.is_file()):
            raise DataError(f"no {'picture or folder' if self.file else 'folder'} at {value}: check the path")
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Folders and, with `file`, files."""
        return [CompletionItem(incomplete, type="file" if self.file else "dir")]


class ConfigCommand(click.Command):
    """A command with overrides: the KEY=VALUE words behind one `--cfg-options` all belong to it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its words, as click wants it."""
        return super().parse_args(ctx, list(spread(args)))


def spread(args: Sequence[str]) -> Iterator[str]:
    """The words of a call, with `--cfg-options` before each KEY=VALUE word that follows one."""
    before, inside = "", False
    for word in args:
        is_pair = "=" in word and not word.startswith("-")
        if inside and is_pair and before != OVERRIDES:
            yield OVERRIDES
        yield word
        inside = word.partition("=")[0] == OVERRIDES or (inside and is_pair)
        before = word


def require_run(run: str | Path) -> None:
    """Refuse a run that is not there.

    Raises:
        CheckpointError: says so.
    """
    if not Path(run).exists():
        raise CheckpointError(f"no run at {run}: name a run folder or a checkpoint")


def say(line: str, err: bool = False) -> None:
    """Print a line that may hold the names of files, which are shown escaped where they would move the cursor."""
    click.echo(printable(line), err=err)


def example(words: str) -> str:
    """How every help ends: with a call that works."""
    return f"\b\nExample:\n  sketchkit {words}"


overrides_option = click.option(
    OVERRIDES,
    "overrides",
    multiple=True,
    metavar="KEY=VALUE...",
    help="Change keys of the config; '+KEY=VALUE' adds one.",
)
plugin_option = click.option(
    "--plugin", "plugin_files", multiple=True, type=PluginFile(), help="A Python file that registers plugins."
)
trust_option = click.option(
    "--trust-code",
    is_flag=True,
    help="Run plugin code of the run that was not trained with here; see docs/security.md.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Show no progress; results and errors only.")
test_norm_option = click.option(
    "--test-norm",
    type=click.Choice(["running", "batch"]),
    help="Norms by running statistics, or by each picture's own; default: as the run's config says.",
)
test_dropout_option = click.option(
    "--test-dropout",
    type=click.Choice(["on", "off"]),
    help="Whether dropout drops, by each picture's name; default: as the run's config says.",
)
device_option = click.option("--device", help="cpu, cuda, cuda:1, ...; default: a GPU when there is one.")


def protocol_from(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `--test-norm` and `--test-dropout` say, as `TrainedTranslator` takes it."""
    is_on = {"on": True, "off": False, None: None}[options["test_dropout"]]
    return {"test_norm": options["test_norm"], "test_dropout": is_on}


def output_option(written: str, *, required: bool = False, **kind: Any) -> Decorator:
    """`-o/--output`, where a command writes what it makes; `written` says what that is, `kind` is click's of paths."""
    path = click.Path(path_type=Path, **kind)
    return click.option("-o", "--output", required=required, type=path, help=written)


def seed_option(default: int = 0) -> Decorator:
    """`--seed`, of all that a command draws at random."""
    is_seed = click.IntRange(min=0)
    return click.option("--seed", type=is_seed, default=default, show_default=True, help="Same seed, same result.")


def on_error_option(default: str) -> Decorator:
    """`--on-error`, about pictures."""
    choice = click.Choice(["fail", "skip"])
    what = "What to do about pictures that cannot be used."
    return click.option("--on-error", type=choice, default=default, show_default=True, help=what)
