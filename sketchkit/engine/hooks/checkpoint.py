"""mmengine's checkpoint hook, which forgets no good checkpoint for one that cannot be written."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mmengine.hooks import CheckpointHook

from sketchkit.engine.checkpoints import is_finite
from sketchkit.engine.scores import VAL, better_end
from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean
from sketchkit.registry import HOOKS


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """Saves every `interval` iterations; weights that are not finite replace no older checkpoint.

    Args:
        save_best: what a validation measures, such as 'fid' or 'l1', or several; the checkpoint that was best by it is
            kept besides, as best_val_<name>_iter_<iteration>.pth.
        options: mmengine's; a `rule` among them, 'less' or 'greater', goes before the good end of the metric.

    Raises:
        ConfigError: nothing is measured by that name, or neither end of it is the good one.
    """

    def __init__(self, *, save_best: str | list[str] | None = None, **options: Any) -> None:
        names = [save_best] if isinstance(save_best, str) else save_best or []
        names = [name.removeprefix(VAL) for name in names]
        rules = ["less" if better_end(name) == "lower" else "greater" for name in names]
        best = {"save_best": [VAL + name for name in names], "rule": rules} if names else {}
        super().__init__(**{**best, **options})

    def before_train(self, runner: Any) -> None:
        """Refuse a run whose validation does not measure what the best checkpoint is chosen by."""
        if self.save_best:
            metrics = [] if runner.val_loop is None else runner.val_evaluator.metrics
            self._check_best([VAL + name for metric in metrics for name in metric.measured])
        super().before_train(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float]) -> None:
        """Keep the best; what a validation may measure, such as diversity without noise, it may also leave out."""
        self._check_best(metrics)
        if metrics:
            super().after_val_epoch(runner, metrics)

    def _check_best(self, measured: Collection[str]) -> None:
        for name in self.save_best or ():
            if name not in measured:
                raise ConfigError(f"save_best={name!r} is not measured: {did_you_mean(name, measured)}")

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        # mmengine removes the oldest file before it asks the runner, which refuses such weights, to write the new one.
        if is_finite(runner.model.state_dict()):
            super()._save_checkpoint_with_step(runner, step, meta)
        else:
            runner.logger.warning(f"no checkpoint at iteration {step}: the weights are not finite")
