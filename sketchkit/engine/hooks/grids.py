"""Sample grids: the same held-out sketches, every so often, as one picture."""

from __future__ import annotations

from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from sketchkit.declared import Count
from sketchkit.engine.plots import draw_grid
from sketchkit.engine.showcase import Showcase
from sketchkit.registry import HOOKS


@HOOKS.register_module()
class SampleGridHook(Hook):
    """Saves `grids/iter_*.png` (source | target | output | ...) at the start, every `interval`, and at the end.

    Args:
        interval: iterations between pictures.
        samples: how many held-out samples, spread evenly over the data set; without held-out data, training samples.
    """

    def __init__(self, interval: Count = 1000, samples: Count = 12) -> None:
        self.interval, self.samples = interval, samples

    def before_train(self, runner: Any) -> None:
        """Choose the samples; show what the untrained generator makes of them."""
        if is_main_process():
            (runner.folder / "grids").mkdir(exist_ok=True)
            loader = runner.train_dataloader if runner.val_loop is None else runner.val_dataloader
            self._showcase = Showcase(loader.dataset, self.samples)
            if runner.iter == 0:
                self._draw(runner, 0)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Draw when due."""
        due = self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner)
        if due and is_main_process():
            self._draw(runner, runner.iter + 1)

    def _draw(self, runner: Any, iteration: int) -> None:
        model = runner.model
        was_training = model.training
        model.eval()
        shown = self._showcase.shown_by(model)
        model.train(was_training)
        columns = {caption: shown[key] for key, caption in model.captions.items() if key in shown}
        draw_grid(columns, runner.folder / "grids" / f"iter_{iteration:06d}.png")
