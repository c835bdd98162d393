"""Hooks that a run under test is given."""

from __future__ import annotations

import os
import signal
import warnings
from typing import Any

import torch
from mmengine.hooks import Hook

from sketchkit.registry import HOOKS

# The first iterations choose algorithms and make what is made once; at the last one, everything reports.
SETTLED = 2


@HOOKS.register_module()
class KillHook(Hook):
    """Ends the process by SIGKILL after iteration `at`."""

    def __init__(self, at: int = 1) -> None:
        self.at = at

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Kill when due."""
        if runner.iter + 1 == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class WaitHook(Hook):
    """Lists in `waits` the places at which an iteration made the host wait for the GPU, from PyTorch's own warnings."""

    priority = "LOWEST"
    waits: list[str] = []

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Begin to listen, after the other hooks."""
        self._is_listening = torch.cuda.is_available() and SETTLED <= runner.iter < runner.max_iters - 1
        if self._is_listening:
            self._caught = warnings.catch_warnings(record=True)
            self._heard = self._caught.__enter__()
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Stop listening, after the other hooks."""
        if self._is_listening:
            torch.cuda.set_sync_debug_mode("default")
            self._caught.__exit__(None, None, None)
            told = [warning for warning in self._heard or () if "called a synchronizing" in str(warning.message)]
            self.waits.extend(f"{'/'.join(one.filename.split('/')[-3:])}:{one.lineno}" for one in told)
