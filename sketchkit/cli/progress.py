"""How far long work is: a bar on a terminal, else a line at each tenth, both on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

T = TypeVar("T")


class Tenths:
    """A line each time that another tenth of the work is done."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self.done, self.told = 0, 0
        self.began = time.monotonic()

    def update(self, steps: int) -> None:
        """So many more are done."""
        self.done += steps
        tenth = 10 * self.done // max(1, self.total)
        if tenth == self.told:
            return
        self.told = tenth
        rate = self.done / max(1e-9, time.monotonic() - self.began)
        left = (self.total - self.done) / rate
        click.echo(f"{self.title}: {self.done} of {self.total}, {rate:.1f} a second, {_clock(left)} left", err=True)


@contextmanager
def shown(title: str, total: int, hidden: bool = False) -> Iterator[object]:
    """Something whose `update(steps)` is told of each step; one step alone is shown nowhere."""
    if hidden or total < 2 or not sys.stderr.isatty():
        yield _Nothing() if hidden or total < 2 else Tenths(title, total)
        return
    with click.progressbar(
        length=total, label=title, show_eta=True, show_pos=True, file=sys.stderr,
        item_show_func=lambda rate: None if rate is None else f"{rate:.1f} a second",
    ) as bar:  # fmt: skip
        yield _Rated(bar)


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class _Nothing:
    def update(self, steps: int) -> None:
        """Shown nowhere."""


class _Rated:
    """click's bar, with the rate beside it."""

    def __init__(self, bar: click._termui_impl.ProgressBar) -> None:  # type: ignore[name-defined]
        self.bar, self.began, self.done = bar, time.monotonic(), 0

    def update(self, steps: int) -> None:
        self.done += steps
        self.bar.update(steps, self.done / max(1e-9, time.monotonic() - self.began))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
