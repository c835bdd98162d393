"""pix2pix on the facades for the minutes that are left: how far it comes, and at what rate."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from mmengine.config import Config

from sketchkit.config.load import load_config
from sketchkit.engine.hooks.progress import SCALARS, read_scalars
from sketchkit.engine.train import train
from sketchkit.evaluation.evaluate import EvaluationCall
from sketchkit.evaluation.metric import Setup
from tools.gpu.counting import seconds
from tools.gpu.steps import Row, Setting
from tools.gpu.systems import ROOT, build, system_config

NAME = "pix2pix_facades"
# Of the time left: the rest is for loading, grids, translating the test split and measuring it.
SHARE, RESERVE = 0.6, 30.0


def train_facades(setting: Setting) -> Iterator[Row]:
    """Train for most of the time left, measure the test split, keep the last grid; sample pairs in a rehearsal."""
    if setting.data is None and not setting.tiny:
        yield {"what": "not trained", "note": "give --data FACADES"}
        return
    iterations = 4 if setting.tiny else _affordable(setting)
    folder = train(_config(setting, iterations), setting.folder / "facades")
    rates = [row["images_per_second"] for row in read_scalars(folder / SCALARS) if "images_per_second" in row]
    yield {"what": "iterations", "value": iterations, "note": f"{max(rates):.1f} images/s in the best interval"}
    outcome = EvaluationCall(Setup(setting.device)).run(folder)
    for name, metric in outcome.result["metrics"].items():
        yield {"what": name, "value": metric["value"]}
    shutil.copy(sorted((folder / "grids").glob("*.png"))[-1], setting.out / "facades.png")
    yield {"what": "the grid", "note": "facades.png"}


def _affordable(setting: Setting) -> int:
    """How many iterations of the published batch of one the time left allows."""
    each = seconds(build(_config(setting, 1), setting.device, samples=1).step, setting.device, 20)
    return max(1, int((setting.seconds_left - RESERVE) * SHARE / each))


def _config(setting: Setting, iterations: int) -> Config:
    brief = [f"train_cfg.max_iters={iterations}", f"train_cfg.val_interval={iterations}"]
    brief += [f"default_hooks.grids.interval={iterations}", "default_hooks.grids.samples=6"]
    if setting.data is None:
        return system_config(NAME, setting, *brief)
    return load_config(ROOT / f"configs/{NAME}.py", [f"data_root={setting.data}", "num_workers=4", *brief])
