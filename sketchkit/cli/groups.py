"""Groups of commands: a mistyped name is answered with the closest; each is imported when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean


class Group(click.Group):
    """A group that names the closest command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names.

        Raises:
            ConfigError: there is none.
        """
        known = self.list_commands(ctx)
        # A word that looks like an option is left to click, which knows options.
        if args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise ConfigError(f"no command '{args[0]}' in {ctx.command_path}: {did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """Commands that live in modules of `package`; a module's `command` attribute is what runs.

    `--help` answers at once.

    Args:
        package: where the modules are.
        summaries: command name -> what the list of commands says of it.
    """

    def __init__(self, *args: Any, package: str, summaries: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.package, self.summaries = package, dict(summaries)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name."""
        return sorted(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported."""
        if cmd_name not in self.summaries:
            return None
        return importlib.import_module(f"{self.package}.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self.summaries.items()))
