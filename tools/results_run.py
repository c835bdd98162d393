"""What a run folder says of itself, read as data: nothing in it is run, and what is missing or odd is None."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from sketchkit.config.leaves import leaves
from sketchkit.config.load import apply_override, config_of, read_config, resolve
from sketchkit.config.names import config_folder, config_names
from sketchkit.config.validation import validate
from sketchkit.engine.hooks.progress import SCALARS, read_scalars
from sketchkit.engine.scores import VAL
from sketchkit.engine.uninitialized import shapes_alone
from sketchkit.errors import DataError, SketchkitError
from sketchkit.evaluation.report.results import FORMAT
from sketchkit.files import read_json
from sketchkit.options import explained
from sketchkit.registry import BACKBONES, HEADS
from tools.published import SYSTEMS, System

T = TypeVar("T")
OTHER = System("Other", "training.md")
# Where things lie, which plugin code a run brings along, and what the trainer adds: none says how it was trained.
UNTOLD = ("data_root", "work_dir", "plugin_code", "visualizer")
EXACT = 2**53  # whole numbers up to here are floats without loss


def told(record: Any, *path: str, kind: type[T]) -> T | None:
    """What stands at a path of nested dicts, where it is of that very type."""
    for key in path:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record if type(record) is kind else None


def number(record: Any, *path: str) -> float | int | None:
    """A finite number at a path of nested dicts."""
    value = told(record, *path, kind=int)
    found: float | int | None = told(record, *path, kind=float) if value is None else value
    return found if found is not None and abs(found) < EXACT and math.isfinite(found) else None


def count(record: Any, *path: str) -> int | None:
    """A whole number above 0 at a path of nested dicts."""
    value = number(record, *path)
    return value if isinstance(value, int) and value > 0 else None


@dataclass(frozen=True)
class Score:
    """One measured number: `seen_by` is the network, its resizing and its weights."""

    name: str
    value: float | str
    pictures: dict[str, int]
    seen_by: str
    note: str | None


@dataclass(frozen=True)
class RunRecord:
    """A run folder's own files.

    Attributes:
        folder: the run's.
        config, environment: as `config.json` and `environment.json` hold them; the latter may be empty.
        rows: of `scalars.jsonl`.
        measured: `metrics.json`, or None.
        unmeasured: why there is none; empty where there is.
    """

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    rows: Sequence[Mapping[str, float]]
    measured: dict[str, Any] | None
    unmeasured: str

    @cached_property
    def name(self) -> str:
        """The name of the config: as the record says, else the first one that comes with sketchkit in its command."""
        said = told(self.environment, "config", kind=str)
        words = [word for word in told(self.environment, "command", kind=list) or [] if isinstance(word, str)]
        known = [Path(word).stem for word in words[1:] if Path(word).suffix in ("", ".py")]
        return said or next((word for word in known if word in config_names()), "unknown")

    @property
    def system(self) -> System:
        """What the config is one of, by the first word of its name."""
        return SYSTEMS.get(self.name.partition("_")[0], OTHER)

    @property
    def iterations(self) -> int:
        """Those done, as far as rows tell."""
        return max((count(row, "iter") or 0 for row in self.rows), default=0)

    @property
    def batch(self) -> int:
        """Pictures an iteration, of all processes together; 0 where it is not said."""
        processes = count(self.environment, "processes") or 1
        return (count(self.config, "train_dataloader", "batch_size") or 0) * processes

    @property
    def seconds(self) -> float | None:
        """How long the iterations took that led to the weights, without validations.

        Each row has the rate of its interval, from whichever start of the run it is; what a killed run did after the
        checkpoint that it goes on from is not counted, as its rows are dropped.
        """
        total, last = 0.0, 0
        for row in self.rows:
            rate, iteration = number(row, "images_per_second"), count(row, "iter")
            if rate and rate > 0 and iteration and iteration > last:
                total, last = total + (iteration - last) * self.batch / rate, iteration
        return total or None

    @property
    def validated(self) -> tuple[int, Mapping[str, float]]:
        """The iteration of the last validation, and what it measured; nothing where there was none."""
        found = [(count(row, "iter") or 0, {k: v for k, v in row.items() if k.startswith(VAL)}) for row in self.rows]
        return next((one for one in reversed(found) if one[1]), (0, {}))

    @property
    def is_held_out(self) -> bool | None:
        """Whether the pictures measured are of another split than those of the training; None: it is not said."""
        trained = told(self.config, "train_dataloader", "dataset", "split", kind=str)
        judged = told(self.measured, "generator", "split", kind=str)
        return None if trained is None or judged is None else trained != judged

    @property
    def measured_at(self) -> int:
        """The iteration of the checkpoint that was measured; 0 where it is not said."""
        return count(self.measured, "generator", "iteration") or 0

    @cached_property
    def scores(self) -> list[Score]:
        """The numbers of `metrics.json`, in its order."""
        metrics = told(self.measured, "metrics", kind=dict) or {}
        return [score for name, one in metrics.items() if (score := _score(name, one)) is not None]

    @property
    def grid(self) -> Path | None:
        """The last grid; a link is none, as what it shows may be of anywhere."""
        folder = self.folder / "grids"
        if folder.is_symlink() or not folder.is_dir():
            return None
        files = [file for file in folder.glob("iter_*.png") if file.stem.removeprefix("iter_").isdecimal()]
        last = max(files, key=lambda file: int(file.stem.removeprefix("iter_")), default=None)
        return last if last is not None and last.is_file() and not last.is_symlink() else None


def read_run(folder: Path) -> RunRecord:
    """Read a run folder.

    Raises:
        DataError: it is none, or one of its files is damaged.
    """
    if not (folder / "config.json").exists():
        raise DataError("no run folder: there is no config.json in it")
    config = read_json(folder / "config.json")
    if not told(config, "train_dataloader", kind=dict):
        raise DataError("no run of this format: its config.json describes no training")
    environment = folder / "environment.json"
    measured, unmeasured = _measured(folder / "metrics.json")
    return RunRecord(
        folder,
        config,
        read_json(environment) if environment.exists() else {},
        read_scalars(folder / SCALARS),
        measured,
        unmeasured,
    )


def overrides(run: RunRecord) -> list[str] | None:
    """Where a run's config differs from the one of its name that comes with sketchkit: `key=value` each.

    A top-level value that others refer to is told once. None: no such config, or none that it can be compared with.
    """
    if run.name not in config_names():
        return None
    shipped = read_config(config_folder() / f"{run.name}.py")
    changed = [key for key in shipped if key not in UNTOLD and _is_plain(shipped[key]) and key in run.config]
    changed = [key for key in changed if _is_plain(run.config[key]) and run.config[key] != _as_json(shipped[key])]
    try:
        for key in changed:
            apply_override(shipped, (key, run.config[key]))
        before = dict(leaves(_as_json(resolve(shipped).to_dict())))
    except SketchkitError:
        return None
    now = dict(leaves(run.config))
    top = [f"{key}={_shown(run.config[key])}" for key in changed]
    return top + [
        f"{'.'.join(path)}={_shown(now[path])}" if path in now else f"{'.'.join(path)} not set"
        for path in {**before, **now}
        if before.get(path, ...) != now.get(path, ...) and path[0] not in UNTOLD and path[-1] not in UNTOLD
    ]


def parameters(run: RunRecord) -> dict[str, int] | None:
    """The weights of each network, counted without building any of them in memory; None where they cannot be."""
    heads = {f"heads.{name}": (HEADS, head) for name, head in (told(run.config, "heads", kind=dict) or {}).items()}
    try:
        validate(config_of(run.config, "config").to_dict())
        return dict(_counted({"backbone": (BACKBONES, run.config.get("backbone")), **heads}))
    except SketchkitError:
        return None


def _counted(networks: Mapping[str, tuple[Any, Any]]) -> Iterator[tuple[str, int]]:
    for key, (entries, cfg) in networks.items():
        if cfg:
            with shapes_alone(), explained(key):
                yield key, sum(weight.numel() for weight in entries.build(cfg).parameters())


def _measured(path: Path) -> tuple[dict[str, Any] | None, str]:
    """What `sketchkit eval RUN` wrote, or why there is nothing of it."""
    if not path.exists():
        return None, "not measured"
    try:
        content = read_json(path)
    except DataError:
        return None, "not measured: metrics.json is damaged"
    if told(content, "format", kind=str) != FORMAT or told(content, "generator", kind=dict) is None:
        return None, "not measured: metrics.json is not what `sketchkit eval RUN` writes"
    return content, ""


def _score(name: str, one: Any) -> Score | None:
    """None: no number of the form that is written."""
    value: float | str | None = number(one, "value")
    if value is None:
        value = told(one, "value", kind=str)  # an infinity, which JSON has not
    if value is None:
        return None
    counts = {role: many for role in told(one, "n", kind=dict) or {} if (many := count(one, "n", role))}
    extractor = {key: told(one, "extractor", key, kind=str) for key in ("network", "resize", "weights")}
    words = [extractor["network"], f"resize {extractor['resize']}" if extractor["resize"] else None]
    words.append(f"weights {extractor['weights'][:8]}" if extractor["weights"] else None)
    return Score(name, value, counts, ", ".join(filter(None, words)) or "pixels", told(one, "note", kind=str))


def _is_plain(value: Any) -> bool:
    """Whether a value is one that others refer to by `$name`: no dict, and no reference itself."""
    return not isinstance(value, Mapping) and not (isinstance(value, str) and value.startswith("$"))


def _as_json(value: Any) -> Any:
    """As it is read back from the config.json of a run."""
    return json.loads(json.dumps(value))


def _shown(value: Any) -> str:
    """A value of a config; of a path, which is of one machine alone, its last part."""
    is_path = isinstance(value, str) and Path(value).is_absolute()
    return f".../{Path(value).name}" if is_path else value if isinstance(value, str) else json.dumps(value)
