"""One progress line an interval, the same numbers to `scalars.jsonl` and to whatever visualiser is configured."""

from __future__ import annotations

import json
import time
import warnings
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from torch import Tensor

from sketchkit.atomic import write_whole
from sketchkit.declared import Count
from sketchkit.files import regular_file
from sketchkit.registry import HOOKS

SCALARS = "scalars.jsonl"


@HOOKS.register_module()
class ProgressHook(Hook):
    """Averages what `train_step` returns over `interval` iterations, then prints and keeps it.

    Values stay on the device until then: fetching them every iteration would make the device wait.
    """

    priority = "BELOW_NORMAL"

    def __init__(self, interval: Count = 50) -> None:
        self.interval = interval
        self._resumed: dict[str, Any] | None = None

    def before_save_own_state(self, runner: Any, state: dict[str, Any]) -> None:
        """Keep this process's interval under way: a resumed run reports the same averages as one never stopped."""
        sums = {name: torch.as_tensor(value).cpu() for name, value in self._sums.items()}
        state["progress"] = {"sums": sums, "counts": dict(self._counts)}

    def after_load_own_state(self, runner: Any, state: Mapping[str, Any]) -> None:
        """See `before_save_own_state`."""
        self._resumed = state.get("progress")

    def before_train(self, runner: Any) -> None:
        """Go on with the interval of a resumed run; drop the rows that it is about to write again."""
        self._clear()
        if runner.iter and self._resumed:
            self._sums.update(self._resumed["sums"])
            self._counts.update(self._resumed["counts"])
        self._start_clock()
        if is_main_process():
            path = runner.folder / SCALARS
            rows = [row for row in read_scalars(path) if row["iter"] <= runner.iter]
            write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))

    def before_val(self, runner: Any) -> None:
        """Stop the clock: the rate is that of training."""
        self._elapsed += time.perf_counter() - self._started

    def after_val(self, runner: Any) -> None:
        """Start the clock again."""
        self._started = time.perf_counter()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Tensor] | None = None
    ) -> None:
        """Add one iteration's values; report at the interval and at the end."""
        for name, value in (outputs or {}).items():
            self._sums[name] = self._sums[name] + value
            self._counts[name] += 1
        self._iterations += 1
        if self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner):
            self._report(runner)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Print and keep what the validation measured."""
        if metrics and is_main_process():
            row = {name: float(value) for name, value in metrics.items()}
            print(
                f"[{runner.iter}/{runner.max_iters}] " + "  ".join(f"{k} {v:.4f}" for k, v in row.items()), flush=True
            )
            # A resumed run validates its first iteration again; it has been written down already.
            known = read_scalars(runner.folder / SCALARS)
            if not any(old["iter"] == runner.iter and row.keys() <= old.keys() for old in known):
                self._keep(runner, runner.iter, row)

    def _report(self, runner: Any) -> None:
        elapsed = self._elapsed + time.perf_counter() - self._started
        row = self._averages()
        rate = self._iterations * runner.train_dataloader.batch_size * get_world_size() / elapsed
        left = (runner.max_iters - runner.iter - 1) * elapsed / self._iterations
        rates = {f"lr/{side}": _base_rate(wrapper) for side, wrapper in runner.optim_wrapper.items()}
        if is_main_process():
            width = len(str(runner.max_iters))
            head = f"[{runner.iter + 1:{width}}/{runner.max_iters}] {rate:.1f} images/s, {_clock(left)} left"
            print("  ".join([head, *_grouped(row)]), flush=True)
            self._keep(runner, runner.iter + 1, {**row, **rates, "images_per_second": rate})
        self._clear()
        self._start_clock()

    def _averages(self) -> dict[str, float]:
        names = list(self._sums)
        if not names:
            return {}
        means = torch.stack([torch.as_tensor(self._sums[name]).float() / self._counts[name] for name in names])
        if get_world_size() > 1:
            all_reduce(means, op="mean")
        return dict(zip(names, means.tolist(), strict=True))

    def _keep(self, runner: Any, iteration: int, row: dict[str, float]) -> None:
        with (runner.folder / SCALARS).open("a") as file:
            file.write(json.dumps({"iter": iteration, **row}) + "\n")
        runner.visualizer.add_scalars(row, step=iteration)

    def _clear(self) -> None:
        self._sums: dict[str, Any] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)
        self._iterations = 0

    def _start_clock(self) -> None:
        self._elapsed, self._started = 0.0, time.perf_counter()


def read_scalars(path: Path) -> list[dict[str, float]]:
    """The rows kept so far; a line cut by a kill is left out, and others that are no rows are warned of."""
    if not path.exists():
        return []
    *lines, last = regular_file(path).read_text(encoding="utf-8", errors="replace").split("\n")
    rows = [_row(line) for line in lines]
    odd = [number for number, row in enumerate(rows, 1) if row is None]
    if odd:
        many = (
            f"{len(odd)} lines are no rows of scalars and are" if len(odd) > 1 else "a line is no row of scalars and is"
        )
        warnings.warn(f"{path}: {many} left out, first line {odd[0]}", stacklevel=2)
    return [row for row in (*rows, _row(last)) if row is not None]


def _row(line: str) -> dict[str, float] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_row = isinstance(row, dict) and type(row.get("iter")) is int
    return row if is_row and all(type(value) in (int, float) for value in row.values()) else None


def _grouped(row: Mapping[str, float]) -> list[str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, value in row.items():
        side, _, term = name.rpartition("/")
        groups[side].append(f"{term} {value:.3f}")
    return [f"{side}: {' '.join(terms)}".removeprefix(": ") for side, terms in groups.items()]


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _base_rate(wrapper: OptimWrapper) -> float:
    """The learning rate that the parameters have without a multiplier."""
    rates = wrapper.get_lr()
    return rates.get("base_lr", rates["lr"])[0]
