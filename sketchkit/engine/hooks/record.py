"""What makes a run folder describe itself: environment, data, curves, and what could not be read."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook, RuntimeInfoHook

from sketchkit.atomic import write_whole
from sketchkit.config.inference import inference_options
from sketchkit.config.plugins import DESCRIBED, keep, kept_codes
from sketchkit.data.base import FileDataset, spread
from sketchkit.data.drawings import measure_drawings
from sketchkit.data.image_io import UnusablePicture
from sketchkit.engine.checkpoints import versions
from sketchkit.engine.hooks.progress import SCALARS, read_scalars
from sketchkit.engine.plots import draw_curves
from sketchkit.errors import DataError
from sketchkit.file_names import printable
from sketchkit.files import read_json
from sketchkit.loading import distributions
from sketchkit.registry import HOOKS

ENVIRONMENT = "environment.json"
LOOKED_AT = 64  # drawings, to say what those of the data look like


@HOOKS.register_module()
class RuntimeHook(RuntimeInfoHook):
    """mmengine's counters without its scalars, which it fetches from the device and copies whole every iteration."""

    def before_run(self, runner: Any) -> None:
        """Start outside any loop."""
        self.last_loop_stage = None

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Count the iteration."""
        runner.message_hub.update_info("iter", runner.iter)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Leave the values to `ProgressHook`."""


@HOOKS.register_module()
class RunRecordHook(Hook):
    """Writes `environment.json` before, the curves and the list of unreadable files after."""

    priority = "HIGH"
    _before: Mapping[str, Any] | None = None

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Keep what the data were: a run resumed on others says so, and people's drawings are brought to their look."""
        checkpoint["data"] = self._data
        checkpoint["drawings"], checkpoint["source_half"] = self._drawings, self._half

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """See `before_save_checkpoint`."""
        self._before = checkpoint.get("data")

    def before_train(self, runner: Any) -> None:
        """Write down what the run is made with."""
        dataset = runner.train_dataloader.dataset
        self._data = {"samples": len(dataset), "fingerprint": dataset.fingerprint()}
        self._half = dataset.source_half
        is_measured = is_main_process() and inference_options(runner.cfg).is_drawing
        self._drawings = _look_of(dataset) if is_measured else None
        if is_main_process():
            self._say_what_changed(runner)
            record = {
                "command": sys.argv,
                "config": _config_name(runner.cfg.filename),
                "python": platform.python_version(),
                "platform": platform.platform(),
                "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
                "cores": os.cpu_count(),
                "threads": torch.get_num_threads(),
                "processes": get_world_size(),
                "versions": versions(),
                "plugin_code": [code.to_dict() for code in kept_codes(runner.cfg)],
                "plugin_packages": distributions(),
                "seed": runner.seed,
                "data": {**self._data, **dataset.record()},
                "drawings": self._drawings,
            }
            keep(runner.cfg, runner.folder)
            write_whole(runner.folder / ENVIRONMENT, json.dumps(record, indent=2) + "\n")
            _list_dropped(runner.folder / "dropped.txt", dataset.dropped())

    def _say_what_changed(self, runner: Any) -> None:
        before, now = self._before, self._data
        if runner.iter and before and before != now:
            counts = f"{now['samples']} samples, {before['samples']} before"
            print(f"note: the data have changed since iteration {runner.iter} ({counts})", flush=True)

    def after_train(self, runner: Any) -> None:
        """Draw the curves; list the files that were replaced because they could not be read."""
        if not is_main_process():
            return
        draw_curves(read_scalars(runner.folder / SCALARS), runner.folder / "curves.png")
        loaders = [runner.train_dataloader, *([runner.val_dataloader] if runner.val_loop is not None else [])]
        bad = sorted({file for loader in loaders for file in loader.dataset.unreadable()})
        if bad:
            (runner.folder / "unreadable.txt").write_text(_lines((file,) for file in bad))
            print(f"{len(bad)} unreadable files were left out; see {runner.folder / 'unreadable.txt'}")


def _config_name(file: str | None) -> str | None:
    """The name of the config that a run was begun with; one that goes on from a run's config.json keeps its name."""
    if not file or Path(file).name != DESCRIBED:
        return Path(file).stem if file else None
    with suppress(DataError):
        return read_json(Path(file).with_name(ENVIRONMENT)).get("config")
    return None


def _look_of(dataset: FileDataset) -> dict[str, Any] | None:
    """What the drawings of the data look like, by some of them."""
    profile = measure_drawings(_drawings(dataset))
    if profile is None:
        print("note: the sources are no line drawings, though inference.source='drawing' says so", flush=True)
    return profile.to_dict() if profile else None


def _drawings(dataset: FileDataset) -> Iterator[np.ndarray]:
    for index in spread(list(range(len(dataset))), LOOKED_AT):
        with suppress(UnusablePicture):  # the training says so, when it comes to it
            yield dataset.drawing(index)


def _lines(rows: Iterable[Sequence[object]]) -> str:
    """A line for each, with tabs between what it is of, whatever is in the names of files."""
    return "".join("\t".join(printable(str(word)) for word in words) + "\n" for words in rows)


def _list_dropped(path: Path, dropped: Mapping[Path, str]) -> None:
    """Write down the files that an option of the data set leaves out, and say so."""
    if dropped:
        path.write_text(_lines(sorted(dropped.items())))
        print(f"{len(dropped)} files are left out; see {path}", flush=True)
