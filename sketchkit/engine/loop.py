"""The training loop by iterations: resumes without walking the data, judges without touching the run's randomness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, broadcast, get_world_size
from mmengine.runner import BaseLoop
from torch import nn

from sketchkit.declared import Count, Whole
from sketchkit.engine import interruption
from sketchkit.errors import DataError
from sketchkit.registry import LOOPS


@LOOPS.register_module()
class TrainLoop(BaseLoop):
    """Trains for `max_iters` iterations, with a validation every `val_interval` and, if asked to, before the first.

    Args:
        runner, dataloader: given by the runner; the data loader's sampler never ends.
        max_iters: iterations in all, those before a resume included.
        val_interval: iterations between validations.
        val_begin: the first iteration that may be followed by one; the last is followed by one in any case.
        val_at_start: validate the untrained networks too, to see what training moved.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        max_iters: Count,
        val_interval: Count = 1000,
        val_begin: Whole = 1,
        val_at_start: bool = False,
    ) -> None:
        super().__init__(runner, dataloader)
        self._max_iters = max_iters
        self._iter = self._epoch = 0
        self._max_epochs = 1
        self.val_interval, self.val_begin = val_interval, val_begin
        self.val_at_start = val_at_start
        self.stop_training = False
        # On the host whatever the backend: asking the other processes must not make the device wait.
        self._host_group = torch.distributed.new_group(backend="gloo") if get_world_size() > 1 else None

    @property
    def max_epochs(self) -> int:
        """One: mmengine's hooks see the whole run as an epoch."""
        return self._max_epochs

    @property
    def max_iters(self) -> int:
        """Iterations in all."""
        return self._max_iters

    @property
    def epoch(self) -> int:
        """Zero; see `max_epochs`."""
        return self._epoch

    @property
    def iter(self) -> int:
        """Iterations done."""
        return self._iter

    def run(self) -> nn.Module:
        """Train to the end, or until a signal asks for it; a signal saves a checkpoint first."""
        with interruption.watch_signals():
            self.runner.call_hook("before_train")
            self.runner.call_hook("before_train_epoch")
            try:
                self._train()
            finally:
                # Curves and reports are wanted most when a run has gone wrong.
                self.runner.call_hook("after_train_epoch")
                self.runner.call_hook("after_train")
        return self.runner.model

    def _train(self) -> None:
        # A checkpoint is written before the validation of its iteration, on which a plateau schedule may rest.
        resumed = 0 < self._iter < self._max_iters and self._due()
        if resumed or (self.val_at_start and self._iter == 0):
            self._validate()
        batches = self._batches()
        self.runner.model.iteration = self._iter
        self.runner.restore_randomness()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(self._next(batches))
            if self._due() or self._iter == self._max_iters:
                self._validate()
            if self._interrupted():
                self.runner.save_between_iterations(interruption.requested() or "another process was stopped")
                break

    def run_iter(self, data_batch: Sequence[dict]) -> None:
        """One iteration between its hooks."""
        self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=data_batch)
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        self.runner.call_hook("after_train_iter", batch_idx=self._iter, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _batches(self) -> Iterator:
        # The sampler must know where to start before the iterator, whose workers read ahead, is made.
        self.dataloader.sampler.skip(self._iter * self.dataloader.batch_size)
        with _neutral_randomness():
            return iter(self.dataloader)

    def _next(self, batches: Iterator) -> Any:
        try:
            return next(batches)
        except DataError:
            # Data that fails late must not cost the iterations before it. A process among several cannot save alone.
            if self._iter and get_world_size() == 1:
                self.runner.save_between_iterations("the data failed")
            raise

    def _due(self) -> bool:
        return self._iter % self.val_interval == 0 and self._iter >= self.val_begin

    def _validate(self) -> None:
        if self.runner.val_loop is not None:
            if get_world_size() > 1:
                # Running statistics are each process's own: what is judged is what the first one's checkpoint holds.
                for buffer in self.runner.model.buffers():
                    broadcast(buffer, src=0)
            with _neutral_randomness():
                self.runner.val_loop.run()

    def _interrupted(self) -> bool:
        asked = torch.tensor(float(interruption.requested() is not None))
        if get_world_size() > 1:
            # All ranks must leave in the same iteration, whichever of them was signalled.
            all_reduce(asked, op="max", group=self._host_group)
        return bool(asked)


def _neutral_randomness() -> Any:
    # Data loaders draw their seed from torch's generator, and a resumed run makes them at other moments.
    return torch.random.fork_rng(devices=[torch.cuda.current_device()] if torch.cuda.is_available() else [])
