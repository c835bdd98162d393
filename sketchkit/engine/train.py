"""A resolved config -> a trained run folder."""

from __future__ import annotations

import importlib.util
import os
import uuid
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process

from sketchkit.atomic import remove_parts
from sketchkit.config.parts import model_config
from sketchkit.data.base import FileDataset
from sketchkit.data.splits import shared
from sketchkit.deterministic import deterministic_algorithms
from sketchkit.engine.checkpoints import latest_checkpoint
from sketchkit.engine.failures import leaving_nothing, reported
from sketchkit.engine.hooks.progress import SCALARS, read_scalars
from sketchkit.engine.lock import held
from sketchkit.engine.runner import TranslationRunner
from sketchkit.engine.scores import VAL
from sketchkit.engine.trial import try_building
from sketchkit.errors import ConfigError
from sketchkit.file_names import is_text
from sketchkit.memory import kept_when_freed, shortages
from sketchkit.options import did_you_mean
from sketchkit.registry import MODELS, translator_names
from sketchkit.sharding import bring_back
from sketchkit.translators.base import Painter, Translator

NEEDED = ("translator", "backbone", "generator_losses", "train_dataloader", "train_cfg", "optim_wrapper")
MMENGINES_OWN = ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
MEND = "lower batch_size, or split each batch with translator.accumulate=2; num_workers=0 takes least"


def train(config: Config, work_dir: str | Path | None = None, resume: bool | str = False) -> Path:
    """Train what a resolved config describes; returns the run folder.

    Args:
        config: from `sketchkit.config.load.load_config`.
        work_dir: the run folder; default: the config's, else `runs/` and the config's name.
        resume: True goes on from the folder's latest checkpoint, 'auto' does so when there is one.

    Raises:
        ConfigError: the folder already holds a run and `resume` is False, another process is writing there, or its name
            is no text.
        CheckpointError: there is nothing to resume from, or nothing that can be used.
        ShortageError: memory or room on the disk ran out; what was saved before is there.
        TrainingStopped: the watchdog ended it.
    """
    bring_back()
    folder = Path(work_dir or config.get("work_dir") or Path("runs") / Path(config.filename or "run").stem)
    if not is_text(str(folder)):
        raise ConfigError(f"the run folder {folder} has no name in UTF-8, which TensorBoard needs: choose another")
    existing = latest_checkpoint(folder)
    check(config, folder, existing, bool(resume))
    launcher = _start_processes()
    resuming = existing is not None if resume == "auto" else resume
    runner = _runner_config(config, folder, bool(resuming), launcher)
    try:
        repeatable = deterministic_algorithms(runner.get("randomness", {}).get("deterministic", False))
        with leaving_nothing(folder), held(folder), shortages(MEND), repeatable:
            for place in (folder, folder / "grids"):
                remove_parts(place)
            built: Any = TranslationRunner.from_cfg(runner)
            keeping = nullcontext() if torch.cuda.is_available() else kept_when_freed()
            with reported(built), shortages(MEND), keeping:
                built.train()
            if is_main_process():
                _summarize(folder)
    finally:
        # Left to the interpreter's end, gloo's threads may abort the process.
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return folder


def check(config: Config, folder: Path, existing: Path | None, resume: bool) -> None:
    """Refuse what cannot work, before the networks are built, whose pretrained weights may take a download.

    Raises:
        ConfigError: a part is missing or cannot be built, or the folder holds a run and this is no resume.
        DataError: the training data cannot be had.
    """
    kind = (config.get("translator") or {}).get("type")
    entry: Any = MODELS.get(kind) if kind else Translator
    if issubclass(entry, Painter):
        raise ConfigError(f"{config.filename}: {kind} trains nothing; `sketchkit stylize --config` takes such a config")
    if not issubclass(entry, Translator):
        raise ConfigError(f"{config.filename}: {kind} is no translator: {did_you_mean(str(kind), translator_names())}")
    for key in NEEDED:
        if not config.get(key):
            raise ConfigError(f"{config.filename} has no {key}")
    if not resume and (existing or any(row["iter"] > 0 for row in read_scalars(folder / SCALARS))):
        name = existing.name if existing else SCALARS
        raise ConfigError(f"{folder} already holds a run ({name}): go on with --resume, or choose --work-dir")
    files = [one.files() for one in try_building(config) if isinstance(one, FileDataset)]
    if len(files) == 2 and (said := shared(*files)):
        warnings.warn(said, stacklevel=2)


def _runner_config(config: Config, folder: Path, resume: bool, launcher: str) -> Config:
    runner = Config(config.to_dict(), filename=config.filename)
    # mmengine keeps one message hub and one logger a name: two runs of one process must not share them.
    name = f"{folder.name}_{uuid.uuid4().hex[:8]}"
    runner.merge_from_dict({"work_dir": str(folder), "resume": resume, "launcher": launcher, "experiment_name": name})
    runner["model"] = model_config(config)
    # mmengine takes None for its own hooks only.
    runner["default_hooks"] = {
        name: hook for name, hook in runner.get("default_hooks", {}).items() if hook or name in MMENGINES_OWN
    }
    runner["default_scope"] = "sketchkit"
    runner["visualizer"] = _visualizer(runner.get("visualizer"))
    return runner


def _visualizer(cfg: dict[str, Any] | None) -> dict[str, Any]:
    """The config's visualiser, else TensorBoard where it is installed; our own scalars are written in any case."""
    if cfg:
        return cfg
    installed = importlib.util.find_spec("tensorboard") is not None
    return {"type": "Visualizer", "vis_backends": [{"type": "TensorboardVisBackend"}] if installed else []}


def _start_processes() -> str:
    """Join the processes that torchrun started, with gloo where there is no GPU; returns mmengine's launcher name."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return "none"
    if not torch.cuda.is_available() and not torch.distributed.is_initialized():
        # mmengine's own start sets a CUDA device.
        torch.distributed.init_process_group("gloo")
    return "pytorch"


def _summarize(folder: Path) -> None:
    rows = [row for row in read_scalars(folder / SCALARS) if any(key.startswith(VAL) for key in row)]
    grids = sorted((folder / "grids").glob("iter_*.png"))
    if rows:
        ends = rows if len(rows) == 1 else [rows[0], rows[-1]]
        names = [name for name in rows[-1] if name.startswith(VAL)]
        moved = [
            f"{name.removeprefix('val/')} " + " -> ".join(f"{row[name]:.4f}" for row in ends if name in row)
            for name in names
        ]
        print(f"held out, iteration {' -> '.join(str(row['iter']) for row in ends)}: {', '.join(moved)}")
    if grids:
        print(f"sample grids: {folder / 'grids'} (last: {grids[-1].name}); curves: {folder / 'curves.png'}")
