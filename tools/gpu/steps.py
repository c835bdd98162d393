"""Steps, each in a process of its own: one that fails, hangs or breaks the GPU's context costs the others nothing."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

Row = dict[str, Any]
# Forked, so that torch is imported once. A fork cannot use a GPU that its parent has used: the parent uses none.
FORK = multiprocessing.get_context("fork")
LONGEST = 1e6  # seconds that a wait may be told


@dataclass(frozen=True)
class Setting:
    """What all steps are run with.

    Attributes:
        folder: for what they make, and nobody keeps.
        out: for the report, its log and its pictures.
        device: 'cuda', or 'cpu' in a rehearsal.
        tiny: small networks and pictures, and few turns.
        data: the facades, or None.
        deadline: of all, on the clock of `time.monotonic`.
        workers: how many systems are compared at the same time, in a process each.
    """

    folder: Path
    out: Path
    device: str = "cpu"
    tiny: bool = True
    data: Path | None = None
    deadline: float = float("inf")
    workers: int = 2

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Step:
    """A named generator of rows. `part` is 'make', 'right', 'cost' or 'train'."""

    name: str
    part: str
    rows: Callable[[Setting], Iterator[Row]]


@dataclass
class Result:
    """What a step gave: `error` is None when it came to its end."""

    name: str
    part: str
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it ended with an error, or a check of it did not pass."""
        return self.error is not None or any(row.get("passed") is False for row in self.rows)


def verdict(what: str, measured: float, allowed: float, note: str = "") -> Row:
    """A row that passes when `measured` is `within` what is allowed."""
    passed = within(measured, allowed)
    return {"what": what, "measured": shown(measured), "allowed": shown(allowed), "passed": passed, "note": note}


def within(measured: float, allowed: float) -> bool:
    """Whether it is at most `allowed`; never where one of the two is not finite, as there nothing was compared."""
    return math.isfinite(measured) and math.isfinite(allowed) and measured <= allowed


def worst(values: Iterable[float]) -> float:
    """The largest, or the first that is not finite, which `max` would pass over; 0 of none."""
    found = list(values)
    return next((value for value in found if not math.isfinite(value)), max(found, default=0.0))


def shown(value: float) -> float | str:
    """The number, or its name where JSON has no such number."""
    return value if math.isfinite(value) else str(value)


def run_step(step: Step, setting: Setting, tell: Callable[[Result], Any] = lambda result: None) -> Result:
    """Run a step until it ends, fails, or the deadline passes; what it prints goes to `out`/log.txt.

    `tell` is called after each row, and at the end.
    """
    result, started = Result(step.name, step.part), time.monotonic()
    reader, writer = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_work, args=(step, setting, writer))
    sys.stdout.flush()
    sys.stderr.flush()
    process.start()
    writer.close()
    try:
        for row in _collect(reader, result, setting, process):
            result.rows.append(row)
            result.seconds = time.monotonic() - started
            tell(result)
    finally:
        _end(process)
        result.seconds = time.monotonic() - started
    tell(result)
    return result


def rows_of_each(function: Callable[..., list[Row]], items: Iterable[Any], setting: Setting) -> Iterator[Row]:
    """The rows that `function(item, setting)` gives of each item, in their order; several at a time."""
    threads = max(1, (os.cpu_count() or 1) // setting.workers)
    with ProcessPoolExecutor(setting.workers, FORK, torch.set_num_threads, (threads,)) as pool:
        for rows in pool.map(function, items, repeat(setting)):
            yield from rows


def in_child(function: Callable[..., Any], *args: Any) -> Any:
    """A started process that calls the function; `exitcode` is 0 when it returned."""
    process = FORK.Process(target=function, args=args)
    process.start()
    return process


def _collect(reader: Connection, result: Result, setting: Setting, process: Any) -> Iterator[Row]:
    """The rows until the process is done; what went wrong is the result's `error`."""
    while reader.poll(max(0.0, min(setting.seconds_left, LONGEST))):
        try:
            kind, content = reader.recv()
        except EOFError:
            process.join()
            result.error = f"its process ended with code {process.exitcode}, see its log"
            return
        if kind == "end":
            result.error = content
            return
        yield content
    result.error = "out of time"


def _end(process: Any) -> None:
    """End it with all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.join()


def _work(step: Step, setting: Setting, pipe: Connection) -> None:
    os.setsid()
    with (setting.out / "log.txt").open("a") as file:
        # Both what Python prints and what libraries print below it.
        sys.stdout = sys.stderr = file
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        print(f"\n===== {step.name}", flush=True)
        error = _say_rows(step, setting, pipe)
        file.flush()
        # After this the process is ended.
        pipe.send(("end", error))


def _say_rows(step: Step, setting: Setting, pipe: Connection) -> str | None:
    try:
        for row in step.rows(setting):
            pipe.send(("row", row))
    except BaseException as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    return None
