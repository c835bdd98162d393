"""mmengine's checkpoint hook, which removes a checkpoint only when one that replaces it is in place."""

from __future__ import annotations

import glob
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook

from sketchkit.declared import Count, Whole
from sketchkit.engine.checkpoint_content import KEPT
from sketchkit.engine.checkpoints import iteration_of, numbered_name
from sketchkit.engine.scores import VAL, better_end, measured_by, require_measured
from sketchkit.registry import HOOKS


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """Saves every `interval` iterations; an older checkpoint goes once the new one is on the disk, whole.

    Weights that are not finite are not saved, so that nothing goes for them.

    Args:
        interval: iterations between checkpoints; the last iteration is followed by one in any case.
        max_keep_ckpts: how many to keep; -1 keeps all.
        save_best: what a validation measures, such as 'fid' or 'l1', or several; the checkpoint that was best by it is
            kept besides, as best_val_<name>_iter_<iteration>.pth.
        rule: 'less' or 'greater', in place of the good end of the metric.
        save_begin: the first iteration that may be followed by one.

    Raises:
        ConfigError: nothing is measured by that name, or neither end of it is the good one.
    """

    def __init__(
        self,
        interval: Count = 1000,
        max_keep_ckpts: Count | Literal[-1] = -1,
        save_best: str | list[str] | None = None,
        rule: str | None = None,
        save_begin: Whole = 0,
    ) -> None:
        names = [save_best] if isinstance(save_best, str) else save_best or []
        names = [name.removeprefix(VAL) for name in names]
        rules = [rule or ("less" if better_end(name) == "lower" else "greater") for name in names]
        best = {"save_best": [VAL + name for name in names], "rule": rules} if names else {}
        options = {"interval": interval, "max_keep_ckpts": max_keep_ckpts, "save_begin": save_begin}
        super().__init__(by_epoch=False, **options, **best)

    def before_train(self, runner: Any) -> None:
        """Refuse a run whose validation does not measure what the best checkpoint is chosen by."""
        if self.save_best:
            self._check_best(measured_by(runner))
        super().before_train(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float]) -> None:
        """Keep the best; what a validation may measure, such as diversity without noise, it may also leave out."""
        self._check_best(metrics)
        # Of all hooks that a checkpoint depends on, this is the last: the schedules have moved.
        runner.train_loop.validated = True
        if not metrics or not self.save_best:
            return
        # mmengine removes the old best before it writes the new one: it is not told of it.
        self.best_ckpt_path = None
        self.best_ckpt_path_dict = dict.fromkeys(self.save_best)
        super().after_val_epoch(runner, metrics)
        if is_main_process():
            for name in self.save_best:
                _remove_beaten(Path(self.out_dir), name, runner.iter)

    def _check_best(self, measured: Collection[str]) -> None:
        for name in self.save_best or ():
            require_measured("save_best", name, measured)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        # mmengine would remove the oldest file before it asks for the new one.
        kept = runner.message_hub.runtime_info.get(KEPT, [])
        if self.max_keep_ckpts > 0:
            # The new file itself says which are to go after it: a resumed run makes up for what a kill has left.
            runner.message_hub.update_info(KEPT, [*(one for one in kept if one != step), step])
        self.last_ckpt = Path(self.out_dir) / numbered_name(step)  # what mmengine saves again after a new best
        if not runner.write_checkpoint(self.last_ckpt, step):
            runner.message_hub.update_info(KEPT, kept)
        elif self.max_keep_ckpts > 0:
            self._remove_old(runner)

    def _remove_old(self, runner: Any) -> None:
        kept = runner.message_hub.get_info(KEPT)
        for step in kept[: -self.max_keep_ckpts]:
            if is_main_process():
                (Path(self.out_dir) / numbered_name(step)).unlink(missing_ok=True)
        runner.message_hub.update_info(KEPT, kept[-self.max_keep_ckpts :])


def _remove_beaten(folder: Path, name: str, iteration: int) -> None:
    """Remove the checkpoints that were best by a metric before that of this iteration, where that has been written."""
    start = f"best_{name}_".replace("/", "_")
    if (folder / f"{start}{numbered_name(iteration)}").is_file():
        for file in folder.glob(f"{glob.escape(start)}iter_*.pth"):
            if iteration_of(file.name.removeprefix(start)) not in (None, iteration):
                file.unlink(missing_ok=True)
