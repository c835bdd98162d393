"""How far long work is, on standard error: a bar on a terminal, elsewhere a line at each tenth."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import click

Told: TypeAlias = Callable[[int, int], None]  # of how much is done, of how much in all


@contextmanager
def bar(title: str, hidden: bool = False) -> Iterator[Told]:
    """A bar with the rate and the time left, on a terminal only; gone when the work is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as shown:
        task = shown.add_task(title, total=None, rate="")

        def tell(done: int, total: int) -> None:
            speed = shown.tasks[0].speed
            shown.update(task, completed=done, total=total, rate=f"{speed:.1f} images/s" if speed else "")

        yield tell


@contextmanager
def bar_or_lines(title: str, hidden: bool = False) -> Iterator[Told]:
    """As `bar`, and elsewhere than on a terminal a line at each tenth of ten steps or more."""
    if hidden:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with bar(title) as tell:
            yield tell
    else:
        yield _Tenths(title)


class _Tenths:
    """Writes a line whenever another tenth is done."""

    def __init__(self, title: str) -> None:
        self.title, self.told, self.began = title, 0, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if total < 10 or tenth == self.told:
            return
        self.told = tenth
        rate = done / max(1e-9, time.monotonic() - self.began)
        click.echo(
            f"{self.title}: {done} of {total}, {rate:.1f} images/s, {_clock((total - done) / rate)} left", err=True
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
