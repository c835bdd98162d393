"""Ctrl-C and SIGTERM ask a run to save and end after its iteration; a second one ends it at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked: list[int] = []
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def requested() -> str | None:
    """The name of the signal that asked for the end; None while nothing has."""
    return signal.Signals(_asked[0]).name if _asked else None


@contextmanager
def watch_signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a request for as long as the block runs."""
    _asked.clear()
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        # A data worker inherits this handler: it outlives Ctrl-C, which is its parent's to answer, and obeys SIGTERM.
        if os.getpid() != owner:
            if number == signal.SIGTERM:
                os._exit(0)
            return
        if _asked:
            raise KeyboardInterrupt
        _asked.append(number)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
