"""mmengine's checkpoint hook, which forgets no good checkpoint for one that cannot be written."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import CheckpointHook

from sketchkit.engine.checkpoints import is_finite
from sketchkit.registry import HOOKS


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """Saves every `interval` iterations; weights that are not finite replace no older checkpoint."""

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        # mmengine removes the oldest file before it asks the runner, which refuses such weights, to write the new one.
        if is_finite(runner.model.state_dict()):
            super()._save_checkpoint_with_step(runner, step, meta)
        else:
            runner.logger.warning(f"no checkpoint at iteration {step}: the weights are not finite")
