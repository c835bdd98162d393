"""mmengine's schedules in a run by iterations: lengths as fractions of it, and what a resume must know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.optim import ReduceOnPlateauParamScheduler

from sketchkit.errors import ConfigError

SCHEDULE_COUNTS = ("begin", "end", "T_max", "step_size", "milestones")


def count_iterations(scheduler: Any, max_iters: int) -> Any:
    """The config of schedules with its counts in iterations: a float is a fraction of `max_iters`."""
    if isinstance(scheduler, list | tuple):
        return [count_iterations(one, max_iters) for one in scheduler]
    if not isinstance(scheduler, Mapping):
        return scheduler
    nested = {key: count_iterations(value, max_iters) for key, value in scheduler.items()}
    counts = {key: _count(key, scheduler[key], max_iters) for key in SCHEDULE_COUNTS if key in scheduler}
    return {**nested, **counts}


def _count(key: str, value: Any, max_iters: int) -> Any:
    if isinstance(value, list | tuple):
        return [_count(key, item, max_iters) for item in value]
    if not isinstance(value, float):
        return value
    if not 0 <= value <= 1:
        raise ConfigError(f"param_scheduler.{key}={value}: give a whole number of iterations or a fraction of the run")
    return round(value * max_iters)


def plateau_state(scheduler: Any) -> dict[str, Any]:
    """What a plateau schedule has seen, and the learning rates it has come to; nothing of other schedules."""
    if not isinstance(scheduler, ReduceOnPlateauParamScheduler):
        return {}
    plain = {key: value for key, value in scheduler.state_dict().items() if isinstance(value, int | float | str | list)}
    return {"state": plain, "lr": [group["lr"] for group in scheduler.optimizer.param_groups]}


def restore_plateau(scheduler: ReduceOnPlateauParamScheduler, kept: dict[str, Any]) -> None:
    """Take over what `plateau_state` returned."""
    # What it was given in this config's words, such as its patience, stays; what it has seen comes back.
    seen = ("best", "num_bad_epochs", "cooldown_counter", "last_step", "_global_step", "_last_value")
    scheduler.load_state_dict({key: value for key, value in kept["state"].items() if key in seen})
    for group, lr in zip(scheduler.optimizer.param_groups, kept["lr"], strict=True):
        group["lr"] = lr
