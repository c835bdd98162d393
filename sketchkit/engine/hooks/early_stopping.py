"""The end of a run whose held-out score has stopped getting better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from sketchkit.declared import Count
from sketchkit.engine.scores import VAL, better_end, measured_by, require_measured
from sketchkit.registry import HOOKS


@HOOKS.register_module()
class StopEarlyHook(Hook):
    """Ends a training after `patience` validations in a row without a new best score.

    `default_hooks.checkpoint.save_best` keeps the best checkpoint. A resumed run remembers what it has seen, which
    mmengine's EarlyStoppingHook does not.

    Args:
        by: what a validation measures, such as 'lpips' or 'l1'.
        patience: validations in a row.

    Raises:
        ConfigError: nothing is measured by that name, or neither end of it is the good one.
    """

    def __init__(self, by: str = "l1", patience: Count = 5) -> None:
        self.by, self.patience = by.removeprefix(VAL), patience
        self.sign = 1 if better_end(self.by) == "lower" else -1
        self._best: float | None = None
        self._best_at, self._waited = 0, 0

    def before_save_own_state(self, runner: Any, state: dict[str, Any]) -> None:
        """Keep what has been seen."""
        seen = {"best": self._best, "best_at": self._best_at, "waited": self._waited}
        state.setdefault("stop_early", {})[self.by] = seen

    def after_load_own_state(self, runner: Any, state: Mapping[str, Any]) -> None:
        """See `before_save_own_state`."""
        if seen := state.get("stop_early", {}).get(self.by):
            self._best, self._best_at, self._waited = seen["best"], seen["best_at"], seen["waited"]

    def before_train(self, runner: Any) -> None:
        """Refuse a run that does not measure it; end one at once that has been stopped before."""
        require_measured("custom_hooks: StopEarlyHook: by", self.by, measured_by(runner))
        self._stop_if_due(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float]) -> None:
        """Count the validations since the best one; one that measures no number is none."""
        require_measured("custom_hooks: StopEarlyHook: by", self.by, metrics)
        score = self.sign * metrics[VAL + self.by]
        if not math.isnan(score) and (self._best is None or score < self._best):
            self._best, self._best_at, self._waited = score, runner.iter, 0
        else:
            self._waited += 1
        self._stop_if_due(runner)

    def _stop_if_due(self, runner: Any) -> None:
        if self._best is None or self._waited < self.patience:
            return
        runner.train_loop.stop_training = True
        if is_main_process():
            best = f"{self.sign * self._best:.6g} after iteration {self._best_at}"
            print(f"{VAL}{self.by} was best with {best}, and has not been since: stopping", flush=True)
