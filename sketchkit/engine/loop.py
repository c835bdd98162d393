"""The training loop by iterations: resumes without walking the data, judges without touching the run's randomness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dist import all_reduce, broadcast, get_world_size, is_main_process
from mmengine.runner import BaseLoop
from torch import nn

from sketchkit.data.statistics import image_statistics
from sketchkit.declared import Count, Whole
from sketchkit.engine import interruption
from sketchkit.engine.checkpoints import random_state, restore_random_state
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
        # Whether the iterations done have been validated; checkpoints hold it, as a plateau schedule rests on it.
        self.validated = False
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
            take_statistics(self.runner.model, self.dataloader.dataset, self.dataloader.num_workers)
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
        # A checkpoint is written before the validation of its iteration, and an end by signal may be before it too.
        resumed = self._iter > 0 and self._due() and not self.validated
        if resumed or (self.val_at_start and self._iter == 0 and not self.validated):
            self._validate()
        batches = self._batches()
        self.runner.model.iteration = self._iter
        self.runner.restore_randomness()
        ended = self._end_if_asked()
        while self._iter < self._max_iters and not self.stop_training and not ended:
            self.runner.model.train()
            self.run_iter(self._next(batches))
            ended = self._end_if_asked()
            if self._due() and not ended:
                self._validate()
                # At the end of the run nothing is left to save.
                ended = self._iter < self._max_iters and self._end_if_asked()
        if self.stop_training and not ended and self._iter < self._max_iters:
            self.runner.save_between_iterations("stopped early")

    def run_iter(self, data_batch: Sequence[dict]) -> None:
        """One iteration between its hooks."""
        self.validated = False
        self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=data_batch)
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        self.runner.call_hook("after_train_iter", batch_idx=self._iter, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _batches(self) -> Iterator:
        # Sampler and data must know where and how long the run is before the iterator, whose workers read ahead, is
        # made.
        self.dataloader.dataset.total_draws = self._max_iters * self.dataloader.batch_size * get_world_size()
        self.dataloader.sampler.skip(self._iter * self.dataloader.batch_size)
        with _neutral_randomness():
            return iter(self.dataloader)

    def _next(self, batches: Iterator) -> Any:
        with self._saving_where_data_fail():
            return next(batches)

    @contextmanager
    def _saving_where_data_fail(self) -> Iterator[None]:
        try:
            yield
        except DataError:
            # Data that fails late must not cost the iterations before it. A process among several cannot save alone.
            if self._iter and get_world_size() == 1:
                self.runner.save_between_iterations("the data failed")
            raise

    def _due(self) -> bool:
        regular = self._iter % self.val_interval == 0 and self._iter >= self.val_begin
        return regular or self._iter == self._max_iters

    def _validate(self) -> None:
        if self.runner.val_loop is None:
            return
        if get_world_size() > 1:
            # Running statistics are each process's own: what is judged is what the first one's checkpoint holds.
            for buffer in self.runner.model.buffers():
                broadcast(buffer, src=0)
        with self._saving_where_data_fail(), _neutral_randomness():
            self.runner.val_loop.run()
        self.validated = True

    def _end_if_asked(self) -> bool:
        """Save and say so where a signal has asked for the end; whether it has."""
        asked = torch.tensor(float(interruption.requested() is not None))
        if get_world_size() > 1:
            # All ranks must leave in the same iteration, whichever of them was signalled.
            all_reduce(asked, op="max", group=self._host_group)
        if asked:
            self.runner.save_between_iterations(interruption.requested() or "another process was stopped")
        return bool(asked)


def take_statistics(model: Any, dataset: Any, num_workers: int = 0) -> None:
    """What a training's first step needs, where the model's normalization rests on the data: their statistics.

    Once: a resumed run has them from its checkpoint.

    Raises:
        DataError: the data set is empty, or an image is not uint8.
    """
    preprocessor = model.data_preprocessor
    if preprocessor.needs_statistics:
        if is_main_process():
            print(f"taking the statistics of {len(dataset)} samples, once", flush=True)
        preprocessor.use_statistics(image_statistics(dataset, num_workers=num_workers))


@contextmanager
def _neutral_randomness() -> Iterator[None]:
    # Data loaders draw their seed from torch's generator, and a resumed run makes them at other moments; a metric may
    # draw from any.
    state = random_state()
    try:
        yield
    finally:
        restore_random_state(state)
