"""What commands share: arguments that are checked before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sketchkit.config.names import find_config
from sketchkit.errors import CheckpointError


class ConfigPath(click.ParamType):
    """A config's file, or the bare name of one that comes with sketchkit."""

    name = "config"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The file's path.

        Raises:
            ConfigError: there is none; names the closest.
        """
        return str(find_config(value))


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


def require_run(run: str | Path) -> None:
    """Refuse a run that is not there.

    Raises:
        CheckpointError: says so.
    """
    if not Path(run).exists():
        raise CheckpointError(f"no run at {run}: name a run folder or a checkpoint")
