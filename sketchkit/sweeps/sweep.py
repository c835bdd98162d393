"""One config with several values of some keys: a run each, and a table and a picture to compare them by.

A sweep's folder holds a run folder a setting (`tv.weight=1e-4`), `sweep.json`, `table.csv` and `sweep.png`.
"""

from __future__ import annotations

import csv
import gc
import itertools
import json
import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch.nn import functional as F

from sketchkit.atomic import write_whole
from sketchkit.config.leaves import PLACES, leaves
from sketchkit.config.load import load_config
from sketchkit.config.parts import model_config
from sketchkit.engine import interruption
from sketchkit.engine.checkpoints import latest_checkpoint
from sketchkit.engine.hooks.progress import SCALARS, read_scalars
from sketchkit.engine.plots import draw_columns
from sketchkit.engine.scores import VAL
from sketchkit.engine.showcase import Showcase
from sketchkit.engine.train import check, train
from sketchkit.errors import ConfigError, DataError, SketchkitError
from sketchkit.files import read_json
from sketchkit.inference.trained import TrainedTranslator
from sketchkit.registry import DATASETS, MODELS, SCOPE
from sketchkit.sweeps.words import file_name, parse_words, plain_keys, short_key

RECORD, TABLE, PICTURE = "sweep.json", "table.csv", "sweep.png"
COMPARED = (VAL, "G/")


@dataclass(frozen=True)
class Setting:
    """One choice of values: its run folder, what it is called, key -> value as written, and its resolved config."""

    folder: Path
    label: str
    values: dict[str, str]
    config: Config

    @property
    def is_trained(self) -> bool:
        """Whether a checkpoint of its last iteration is there."""
        latest = latest_checkpoint(self.folder)
        return latest is not None and int(latest.stem[5:]) >= self.config["train_cfg"]["max_iters"]


@dataclass
class Result:
    """What became of a setting: 'done', 'failed' for a `reason`, or 'interrupted'; and the last value of each scalar
    under `val/` and `G/`, after so many iterations."""

    setting: Setting
    state: str
    reason: str = ""
    iterations: int = field(init=False)
    scalars: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        rows = read_scalars(self.setting.folder / SCALARS)
        self.iterations = int(max((row["iter"] for row in rows), default=0))
        self.scalars = {name: value for row in rows for name, value in row.items() if name.startswith(COMPARED)}


class Sweep:
    """Every combination of the values given; loaded and checked when made, before anything is trained or written.

    Args:
        path: the config.
        words: `KEY=VALUE1,VALUE2,...` each; values are split at commas outside brackets and quotes.
        out: the sweep's folder; default: `runs/sweep_` and the config's name.
        fixed: `key=value` overrides of all runs.
        plugin_files: Python files that register plugins.

    Raises:
        ConfigError: a key or a value is missing, given twice, unknown or cannot be built; or `out` is a file, or holds
            runs of another config or of other fixed options.
    """

    def __init__(
        self,
        path: str | Path,
        words: Sequence[str],
        out: str | Path | None = None,
        fixed: Sequence[str] = (),
        plugin_files: Sequence[str] = (),
    ) -> None:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise ConfigError("a sweep trains in one process: start it without torchrun")
        grid = parse_words(words, fixed)
        base = load_config(path, fixed, plugin_files).to_dict()
        base = json.loads(json.dumps({key: base[key] for key in base if key not in PLACES}, default=str))
        self.folder = Path(out or Path("runs") / f"sweep_{Path(path).stem}")
        self._record = {"config": str(path), "fixed": list(fixed), "base": base}
        self._refuse_other_runs()
        short = {key: short_key(key, base) for key in grid}
        self.settings = []
        for combination in itertools.product(*grid.values()):
            values = dict(zip(grid, combination, strict=True))
            label = ",".join(f"{short[key]}={value}" for key, value in values.items())
            changes = [f"{key}={value}" for key, value in values.items()]
            config = load_config(path, [*fixed, *changes], plugin_files)
            self.settings.append(Setting(self.folder / file_name(label), label, values, config))
        for setting in self.settings:
            _build_once(setting)

    def train(self, say: Callable[[str], None]) -> list[Result]:
        """Train what is not trained yet, going on from checkpoints; `say` is told of each setting.

        Returns a result a setting; after an interruption they end with the interrupted one.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / RECORD).is_file():
            self._write_record([])
        results: list[Result] = []
        for number, setting in enumerate(self.settings, 1):
            trained = setting.is_trained
            say(f"[{number}/{len(self.settings)}] {setting.label}{': already trained' if trained else ''}")
            results.append(Result(setting, "done") if trained else train_setting(setting))
            if results[-1].state == "interrupted":
                break
            if results[-1].state == "failed":
                say(f"failed: {results[-1].reason}")
        return results

    def write(self, results: Sequence[Result]) -> None:
        """Write `table.csv`, and the same to `sweep.json`, in which a value that is not finite is null."""
        names = scalar_names(results)
        with (self.folder / TABLE).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*plain_keys(results[0].setting.values), "state", "iterations", *names, "reason"])
            for one in results:
                numbers = [one.scalars.get(name, "") for name in names]
                writer.writerow([*one.setting.values.values(), one.state, one.iterations, *numbers, one.reason])
        self._write_record(
            [
                {
                    "run": one.setting.folder.name, "values": plain_keys(one.setting.values), "state": one.state,
                    "reason": one.reason, "iterations": one.iterations,
                    "scalars": {name: value if math.isfinite(value) else None for name, value in one.scalars.items()},
                }
                for one in results
            ]
        )  # fmt: skip

    def draw(self, results: Sequence[Result], samples: int = 6) -> Path | None:
        """Draw `sweep.png`: a row a held-out sample, a column a setting, from the last checkpoint of each.

        Returns its path; None when no setting has a checkpoint.

        Raises:
            DataError: the settings hold out different samples.
        """
        columns: list[tuple[str, torch.Tensor]] = []
        keys: list[str] = []
        for one in results:
            if latest_checkpoint(one.setting.folder) is None:
                continue
            translator = TrainedTranslator(one.setting.folder)
            showcase = _held_out(translator.config, samples)
            shown = showcase.shown_by(translator.model)
            if not columns:
                # Pictures of two kinds that do not belong to each other have no truth.
                kinds = ("source", "target") if showcase.is_paired else ("source",)
                columns, keys = [(kind, shown[kind]) for kind in kinds], shown["key"]
            if shown["key"] != keys:
                raise DataError(f"no {PICTURE}: the settings hold out different samples; compare the runs' own grids")
            failed = "\n(failed)" if one.state == "failed" else ""
            columns.append((one.setting.label + failed, shown["fake"]))
        if not columns:
            return None
        size = columns[-1][1].shape[-2:]
        draw_columns([(caption, F.interpolate(image.cpu(), size)) for caption, image in columns], self.folder / PICTURE)
        return self.folder / PICTURE

    def _refuse_other_runs(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"{self.folder} is a file: name a folder with -o")
        if not (self.folder / RECORD).is_file():
            if [*self.folder.glob("config.json"), *self.folder.glob("*/config.json")]:
                raise ConfigError(f"{self.folder} holds runs that no sweep has made: name another folder with -o")
            return
        try:
            mend = "name another folder with -o"
            before = dict(leaves(read_json(self.folder / RECORD, error=ConfigError, mend=mend)["base"]))
        except KeyError as error:
            raise ConfigError(f"{self.folder / RECORD} is damaged (it has no 'base'): {mend}") from error
        now = dict(leaves(self._record["base"]))
        other = [key for key in before.keys() | now.keys() if before.get(key, ...) != now.get(key, ...)]
        if other:
            names = [".".join(key) for key in sorted(other, key=lambda key: (len(key), key))]
            more = ", ..." if len(names) > 3 else ""
            raise ConfigError(
                f"{self.folder} holds a sweep of another config or other fixed options: {', '.join(names[:3])}{more} "
                "differ; name another folder with -o"
            )

    def _write_record(self, settings: list[dict[str, Any]]) -> None:
        write_whole(self.folder / RECORD, json.dumps({**self._record, "settings": settings}, indent=2) + "\n")


def train_setting(setting: Setting) -> Result:
    """Train one setting from its latest checkpoint, where there is one; a run that fails is a result too."""
    # A runner refers to itself: until it is collected, the last run's networks are kept beside this one's.
    gc.collect()
    try:
        train(setting.config, setting.folder, resume="auto")
    except KeyboardInterrupt:
        return Result(setting, "interrupted")
    except SketchkitError as error:
        # An error from a data worker carries its traceback in front.
        return Result(setting, "failed", str(error).strip().splitlines()[-1])
    except Exception as error:
        # Memory that runs out, a plugin that fails: the others may well do better.
        return Result(setting, "failed", f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[-1]}")
    return Result(setting, "interrupted" if interruption.requested() else "done")


def scalar_names(results: Sequence[Result]) -> list[str]:
    """Every scalar that some result has, what was held out first."""
    names = dict.fromkeys(name for one in results for name in one.scalars)
    return sorted(names, key=lambda name: name.startswith("G/"))


def _build_once(setting: Setting) -> None:
    """Build what a run is made of, so that a value that does not work costs no training."""
    if setting.config.get("train_cfg") and setting.is_trained:
        return
    check(setting.config, setting.folder, None, resume=True)
    try:
        with warnings.catch_warnings(), DefaultScope.overwrite_default_scope(SCOPE):
            warnings.simplefilter("ignore")  # the run builds them again, and then they are heard
            model = MODELS.build(model_config(setting.config)).to(get_device())
            build_optim_wrapper(model, setting.config["optim_wrapper"])
    except ConfigError as error:
        raise ConfigError(f"{setting.label}: {error}") from error
    except SketchkitError:
        raise
    except Exception as error:
        raise ConfigError(f"{setting.label} cannot be built: {' '.join(str(error).split())}") from error


def _held_out(config: Config, samples: int) -> Showcase:
    """Samples of the held-out data; without any, of the training data."""
    return Showcase(DATASETS.build((config.get("val_dataloader") or config["train_dataloader"])["dataset"]), samples)
