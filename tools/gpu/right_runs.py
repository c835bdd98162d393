"""Whole runs on the device: killed and resumed, taken to a CPU, watched, and never waiting where they need not."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from sketchkit.engine.checkpoints import latest_checkpoint, read_checkpoint
from sketchkit.engine.train import train
from sketchkit.errors import TrainingStopped
from sketchkit.inference import TrainedTranslator
from sketchkit.registry import DATASETS
from tools.gpu.hooks import WaitHook
from tools.gpu.steps import Row, Setting, in_child, rows_of_each, shown, verdict, worst
from tools.gpu.systems import precision, system_config

ITERATIONS = 6
BRIEF = (
    "batch_size=2", f"train_cfg.max_iters={ITERATIONS}", f"train_cfg.val_interval={ITERATIONS}",
    "default_hooks.logger.interval=50", "default_hooks.grids.interval=50", "default_hooks.grids.samples=2",
    "val_dataloader.dataset.max_samples=2", "default_hooks.checkpoint.interval=3", "default_hooks.watchdog.interval=50",
    "+visualizer=dict(type='Visualizer',vis_backends=[])", "default_hooks.record=None",
)  # fmt: skip
EMA = "translator.ema={'type': 'MomentumAnnealingEMA', 'momentum': 0.01, 'gamma': 10}"
REPEATABLE = ("+randomness.deterministic=True", "env_cfg.cudnn_benchmark=False")
RESUMED = {
    "sketchygan_demo": (EMA, "num_workers=1"),
    "pix2pix_facades": (),
    "cyclegan_apple2orange": ("translator.pool_size=2",),
}
TAKEN = ("sketchygan_demo", "pix2pix_facades", "cyclegan_apple2orange", "recolor_complex")
LISTENED = {
    # fp16 reads at each step whether a gradient overflowed: PyTorch's own wait.
    "sketchygan_sketchy": ("optim_wrapper.amp=bf16", "optim_wrapper.allow_slow_amp=True"),
    "sketchygan_demo": (EMA, "+optim_wrapper.clip_grad=dict(max_norm=1.0)"),
    "autopainter_lineart": (),
    "cyclegan_apple2orange": (),
    "recolor_wgan": (),
}


def compare_resumed(setting: Setting) -> Iterator[Row]:
    """Runs killed by SIGKILL and resumed, against runs never stopped: bit for bit, and how far without the option."""
    return rows_of_each(_resumed_rows, [*((name, True) for name in RESUMED), ("sketchygan_demo", False)], setting)


def compare_taken(setting: Setting) -> Iterator[Row]:
    """Pictures of a checkpoint from the device, there and on the CPU, in grey levels."""
    return rows_of_each(_taken_rows, TAKEN, setting)


def compare_watched(setting: Setting) -> Iterator[Row]:
    """A run that overflows is stopped, with its evidence; a run that goes well leaves grids and an average."""
    broken = ("optim_wrapper.generator.optimizer.lr=1e38", "default_hooks.watchdog.interval=1")
    try:
        train(run_config("sketchygan_demo", setting, *broken), setting.folder / "watched")
        stopped = "it was not stopped"
    except TrainingStopped as error:
        stopped = str(error)
    evidence = list((setting.folder / "watched" / "watchdog").glob("*_non_finite/batch.png"))
    yield {"what": "watchdog", "passed": bool(evidence) and "non_finite" in stopped, "note": stopped}
    folder = setting.folder / "averaged"
    each = ("default_hooks.checkpoint.interval=1", "default_hooks.checkpoint.max_keep_ckpts=-1")
    train(run_config("sketchygan_demo", setting, EMA, *each), folder)
    yield verdict("averaged generator, against its formula", average_error(folder, 0.01, 10), 1e-6)
    grids = sorted((folder / "grids").glob("*.png"))
    yield {"what": "grids", "passed": len(grids) == 2, "note": ", ".join(grid.name for grid in grids)}


def compare_waits(setting: Setting) -> Iterator[Row]:
    """How often an iteration between two reports and checkpoints makes the host wait for the device."""
    return rows_of_each(_wait_rows, LISTENED, setting)


def run_config(name: str, setting: Setting, *more: str) -> Config:
    """A shipped config as a run of a few iterations."""
    return system_config(name, setting, *BRIEF, *more)


def average_error(folder: Path, momentum: float, gamma: int) -> float:
    """How far averages in checkpoints are from a_k = (1 - m) a_(k-1) + m w_k with m = max(momentum, g / (g + k))."""
    states = [read_checkpoint(folder / f"iter_{i}.pth")["model"] for i in range(1, ITERATIONS + 1)]
    names = [key.removeprefix("ema.module.") for key in states[0] if key.startswith("ema.module.")]
    floats = [name for name in names if states[0][f"backbone.{name}"].is_floating_point()]
    average = {name: states[0][f"backbone.{name}"].double() for name in floats if _is_trained(name)}
    distances = []
    for k, state in enumerate(states[1:], start=1):
        m = max(momentum, gamma / (gamma + k))
        average = {name: (1 - m) * old + m * state[f"backbone.{name}"].double() for name, old in average.items()}
        far = [(state[f"ema.module.{name}"].double() - new).abs().max() for name, new in average.items()]
        distances.append(float(torch.stack(far).max()))
    return worst(distances)


def _is_trained(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "_u", "_v"))


def _resumed_rows(item: tuple[str, bool], setting: Setting) -> list[Row]:
    name, is_repeatable = item
    if is_repeatable:
        far = _resumed_distance(name, setting, "repeatable", *RESUMED[name], *REPEATABLE)
        return [verdict(f"{name}, --deterministic", far, 0.0, "killed after iteration 5 of 6, resumed from 3")]
    far = _resumed_distance(name, setting, "plain", *RESUMED[name])
    return [{"what": f"{name}, without", "measured": shown(far), "note": "largest difference of a weight or a moment"}]


def _taken_rows(name: str, setting: Setting) -> list[Row]:
    folder, rows = setting.folder / "taken" / name, []
    train(run_config(name, setting), folder)
    for kind, allowed in (("fp32", 1.0), ("tf32", None)):
        with precision(kind):
            far = _gray_levels(folder, setting.device)
        row = {"what": f"{name}, {kind}", "measured": shown(far), "note": "as PyTorch has it by default"}
        rows.append(row if allowed is None else verdict(f"{name}, {kind}", far, allowed, "grey levels"))
    return rows


def _wait_rows(name: str, setting: Setting) -> list[Row]:
    WaitHook.waits.clear()
    listening = ("custom_hooks=[dict(type='WaitHook')]", f"default_hooks.checkpoint.interval={ITERATIONS}")
    train(run_config(name, setting, *listening, *LISTENED[name]), setting.folder / "waits" / name)
    note = ", ".join(dict.fromkeys(WaitHook.waits)) or ("" if setting.device == "cuda" else "a CPU has none")
    return [verdict(name, float(len(WaitHook.waits)), 0.0, note)]


def _resumed_distance(name: str, setting: Setting, kind: str, *more: str) -> float:
    whole, cut = (setting.folder / "resumed" / f"{name}_{kind}_{end}" for end in ("whole", "cut"))
    shutil.rmtree(cut, ignore_errors=True)
    config = run_config(name, setting, *more)
    killed = run_config(name, setting, *more, "custom_hooks=[dict(type='KillHook',at=5)]")
    _train_in_children({whole: (config, False, 0), cut: (killed, False, -9)})
    _train_in_children({cut: (config, True, 0)})
    ends = [read_checkpoint(folder / f"iter_{ITERATIONS}.pth") for folder in (whole, cut)]
    return worst(distance(*(end[part] for end in ends)) for part in ("model", "optimizers"))


def _train_in_children(runs: Mapping[Path, tuple[Config, bool, int]]) -> None:
    """Train (config, resume, exit code to come) at once, in processes that each start CUDA anew, as users' runs do."""
    processes = {folder: in_child(train, config, folder, resume) for folder, (config, resume, _) in runs.items()}
    for folder, process in processes.items():
        process.join()
        if process.exitcode != runs[folder][2]:
            raise RuntimeError(f"the run in {folder} ended with code {process.exitcode}: see the log")


def distance(one: Any, other: Any) -> float:
    """The largest difference of two states of the same form; not finite where a number of them is not."""
    if isinstance(one, Tensor):
        return float((one.double() - other.double()).abs().max()) if one.numel() else 0.0
    if isinstance(one, Mapping):
        if one.keys() != other.keys():
            raise ValueError(f"the states differ in their keys: {one.keys() ^ other.keys()}")
        return worst(distance(value, other[key]) for key, value in one.items())
    if isinstance(one, float) and not math.isfinite(one):
        return math.nan
    return 0.0 if one == other else float("inf")


def _gray_levels(folder: Path, device: str) -> float:
    """The largest difference of what a run makes of held-out pictures on the device and on the CPU; NaN where one is
    not finite."""
    translators = [TrainedTranslator(latest_checkpoint(folder) or folder, where) for where in ("cpu", device)]
    finite = [watch_pictures(one) for one in translators]
    dataset = DATASETS.build(translators[0].config["val_dataloader"]["dataset"])
    levels = []
    for index in range(len(dataset)):
        source = dataset.read_sample(index)["source"].permute(1, 2, 0).numpy()
        label = translators[0].classes[int(dataset[index].get("label", 0))] if translators[0].classes else None
        made = [one(source, label=label, name=str(index)).astype(np.int16) for one in translators]
        levels.append(float(np.abs(made[0] - made[1]).max()))
    return worst(levels) if all(map(all, finite)) else math.nan


def watch_pictures(translator: TrainedTranslator) -> list[bool]:
    """A list that gets whether each picture to come is finite, which its bytes cannot tell."""
    preprocessor, finite = translator.model.data_preprocessor, []
    to_picture = preprocessor.to_picture

    def watched(image: Tensor, *more: Any) -> Tensor:
        shown = to_picture(image, *more)
        finite.append(bool(image.isfinite().all() and shown.isfinite().all()))
        return shown

    preprocessor.to_picture = watched
    return finite
