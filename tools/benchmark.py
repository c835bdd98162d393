"""Does training work, and is what follows fast? `python tools/benchmark.py overfit|cycle|eval|hints|start|batches`.

`overfit`: pix2pix must learn eight pairs by heart. `cycle`: CycleGAN must learn to come back to where it started. Both
take minutes on two CPU cores, are the published configs made small, and go through the same door as `sketchkit train`.
`eval`: FID beside torch-fidelity; see `benchmark_eval.py`. `hints`: whether a run does as hints say; see
`benchmark_hints.py`. `start` and `batches`: translating; see `benchmark_translate.py`.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

# A bare checkout works without being installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sketchkit.cli import run
from tools import benchmark_eval, benchmark_hints, benchmark_translate

ROOT = Path(__file__).resolve().parents[1]
SMALL = (
    "num_workers=0",
    "train_cfg.val_at_start=True",
    "default_hooks.checkpoint=None",
)
# In both, the same eight pictures of each kind are learnt and judged: what is seen is whether training works, not how
# well it carries over. There is no jitter, and eight pairs need no flip and no dropout.
COUNT = 8
FIXED = (f"max_samples={COUNT}", f"val_dataloader.dataset.max_samples={COUNT}", "val_split=train")
OVERFIT = (
    *SMALL,
    *FIXED,
    "image_size=64",
    "load_size=64",
    "batch_size=8",
    "backbone.num_downs=6",
    "backbone.dropout=0",
    "train_dataloader.dataset.pipeline.1.p=0.0",
    "optim_wrapper.generator.optimizer.lr=1e-3",
)
CYCLE = (
    *SMALL,
    *FIXED,
    "image_size=32",
    "load_size=32",
    "batch_size=4",
    "backbone.width=16",
    "backbone.num_blocks=3",
    "heads.discriminator.width=16",
    "heads.discriminator.num_layers=2",
    "optim_wrapper.generator.optimizer.lr=1e-3",
)


@dataclass(frozen=True)
class Run:
    """What a small run of a config came to: each metric before the first iteration and when last measured (`done`)."""

    config: str
    settings: list[str]
    iterations: int
    done: int
    seconds: float
    start: dict[str, float]
    end: dict[str, float]
    environment: dict[str, Any]

    def passes(self, criterion: Callable[[float, float], bool]) -> bool:
        """Whether the run came to its end and every metric's (start, end) meets the criterion; no NaN does."""
        values = [*self.start.values(), *self.end.values()]
        met = all(criterion(self.start[name], self.end[name]) for name in self.start)
        return self.done == self.iterations and all(map(math.isfinite, values)) and met


def small_run(config: str, data: Path, settings: tuple[str, ...], iterations: int, folder: Path) -> Run:
    """Train `configs/<config>.py` on `data` in `folder`, validated before the first iteration and after the last."""
    import torch

    from sketchkit.config.load import load_config
    from sketchkit.engine.hooks.progress import SCALARS, read_scalars
    from sketchkit.engine.train import train

    changes = [f"data_root={data}", *settings, f"train_cfg.max_iters={iterations}"]
    changes += [f"train_cfg.val_interval={iterations}", f"default_hooks.grids.interval={iterations}"]
    started = time.perf_counter()
    train(load_config(ROOT / f"configs/{config}.py", changes), folder)
    seconds = time.perf_counter() - started
    rows = read_scalars(folder / SCALARS)
    measured = [row for row in rows if any(name.startswith("val/") for name in row)]
    start, end = ({name: row[name] for name in row if name != "iter"} for row in (measured[0], measured[-1]))
    environment = json.loads((folder / "environment.json").read_text())
    environment.update(cores=os.cpu_count(), threads=torch.get_num_threads())
    return Run(config, changes, iterations, int(measured[-1]["iter"]), seconds, start, end, environment)


def conclude(result: Run, goal: str, has_passed: bool, target: Path | None) -> None:
    """Print the table, write the JSON, and exit with 1 when the goal was not reached."""
    click.echo(f"\n{'metric':<24}{'start':>10}{'end':>10}{'end/start':>12}")
    for name, start in result.start.items():
        end = result.end[name]
        click.echo(f"{name:<24}{start:>10.4f}{end:>10.4f}{end / start if start else math.nan:>12.3f}")
    click.echo(
        f"measured at iterations 0 and {result.done} of {result.iterations}, {result.seconds:.0f} s; goal: {goal}"
    )
    click.echo("passed" if has_passed else "failed: the goal was not reached")
    if target is not None:
        content = {**vars(result), "goal": goal, "passed": has_passed}
        target.write_text(json.dumps(content, indent=2) + "\n")
    if not has_passed:
        raise SystemExit(1)


def shared(iterations: int) -> Callable[[Callable], Callable]:
    """The options of every benchmark; `iterations` is the default."""
    options = (
        click.option("--data", required=True, type=click.Path(path_type=Path), help="The data set's folder."),
        click.option("--iterations", type=click.IntRange(min=1), default=iterations, show_default=True),
        click.option("--json", "target", type=click.Path(path_type=Path), help="Write numbers, settings, versions."),
        click.option(
            "--work-dir", type=click.Path(path_type=Path), help="Keep the run folder here; default: throw it away."
        ),
        click.option("--cfg-options", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting."),
    )

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group()
def benchmark() -> None:
    """Say whether a goal was reached: exit 0 if so, 1 if not, 2 for a wrong call."""


benchmark.add_command(benchmark_eval.command)
benchmark.add_command(benchmark_hints.hints)
benchmark.add_command(benchmark_translate.start)
benchmark.add_command(benchmark_translate.batches)


@benchmark.command()
@shared(iterations=300)
def overfit(
    data: Path, iterations: int, target: Path | None, work_dir: Path | None, overrides: tuple[str, ...]
) -> None:
    """Pix2pix learns 8 pairs of facades by heart: mean |output - photo|, in [-1, 1], in eval mode, below 0.08."""
    with tempfile.TemporaryDirectory() as scratch:
        result = small_run(
            "pix2pix_facades", data, (*OVERFIT, *overrides), iterations, work_dir or Path(scratch, "run")
        )
    conclude(result, "val/l1 below 0.08", result.passes(lambda _, end: end < 0.08), target)


@benchmark.command()
@shared(iterations=400)
def cycle(data: Path, iterations: int, target: Path | None, work_dir: Path | None, overrides: tuple[str, ...]) -> None:
    """CycleGAN learns the way back: both cycle errors of 8 + 8 training pictures fall below a third of their start."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = work_dir or Path(scratch, "run")
        result = small_run("cyclegan_apple2orange", data, (*CYCLE, *overrides), iterations, folder)
    goal = "val/cycle_A and cycle_B below a third of their start"
    conclude(result, goal, result.passes(lambda start, end: end < start / 3), target)


if __name__ == "__main__":
    run(benchmark, None, "benchmark.py")
