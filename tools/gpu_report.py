"""Is everything right on a GPU, and what does it cost? `python tools/gpu_report.py -o DIR`

`--tiny` rehearses on a CPU. The steps are in `tools/gpu/`.

Every step runs in a process of its own and leaves its rows in DIR/report.md and DIR/report.json as soon as it has them,
so that a step that fails or the end of the time costs only what it would have said. See docs/gpu.md.
"""

from __future__ import annotations

import datetime
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
if "--tiny" in sys.argv:
    # Small networks gain nothing from threads, and runs at the same time get in each other's way.
    os.environ.update(CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="1")
# The steps are forked, and a fork has no GPU whose parent has asked CUDA for one: NVML answers without CUDA.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"

PARTS = ("right", "cost", "train")


@click.command()
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="The report's folder."
)
@click.option("--minutes", default=8.0, show_default=True, type=click.FloatRange(min=0.1), help="Stop after so many.")
@click.option("--tiny", is_flag=True, help="Rehearse every step on a CPU, with small networks and pictures.")
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The CMP facades, to train."
)
@click.option(
    "--workers", default=4, show_default=True, type=click.IntRange(min=1), help="Systems compared at the same time."
)
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only this part; may be given twice.")
@click.option("--step", "steps", multiple=True, metavar="NAME", help="Only the step of this name; may be given again.")
def command(
    output: Path,
    minutes: float,
    tiny: bool,
    data: Path | None,
    workers: int,
    parts: tuple[str, ...],
    steps: tuple[str, ...],
) -> None:
    """Check on a GPU what must be right, then measure what it costs; exit code 1 when something is not right."""
    deadline = time.monotonic() + 60 * minutes
    from tools.gpu.steps import Setting

    if not tiny and not has_gpu():
        raise click.UsageError("no GPU here: rehearse with --tiny")
    chosen = choose_steps(parts or PARTS, steps)
    output.mkdir(parents=True, exist_ok=True)
    (output / "log.txt").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        data = data and data.resolve()
        setting = Setting(Path(scratch), output, "cpu" if tiny else "cuda", tiny, data, deadline, workers)
        if not report(setting, chosen):
            raise SystemExit(1)


def has_gpu() -> bool:
    """Whether PyTorch sees one."""
    import torch

    return torch.cuda.is_available()


def choose_steps(parts: tuple[str, ...], names: tuple[str, ...]) -> list[Any]:
    """The steps of these parts, and of these names where any are given, after those that make what they need."""
    steps = all_steps()
    unknown = set(names) - {step.name for step in steps}
    if unknown:
        known = ", ".join(step.name for step in steps)
        raise click.UsageError(f"no step is named {', '.join(sorted(unknown))}; there are: {known}")
    return [step for step in steps if step.part == "make" or (step.part in parts and (not names or step.name in names))]


def report(setting: Any, left: list[Any]) -> bool:
    """Run the steps, writing the report after each row; whether nothing failed."""
    from tools.gpu.steps import Result, run_step
    from tools.gpu.table import write_report

    about = describe(setting)
    results: list[Result] = []

    def write(current: Any) -> None:
        write_report(setting.out, about, [*results, current], [step.name for step in left])

    while left and setting.seconds_left > 0:
        click.echo(f"{left[0].name} ...", nl=False)
        done = run_step(left.pop(0), setting, write)
        results.append(done)
        click.echo(f" {done.seconds:.0f} s, {len(done.rows)} rows" + (", FAILED" if done.has_failed else ""))
    click.echo(f"see {setting.out / 'report.md'}")
    return not any(result.has_failed for result in results)


def describe(setting: Any) -> dict[str, Any]:
    """What the report says of itself."""
    from sketchkit.engine.checkpoints import versions

    about = {"title": "Rehearsal on a CPU" if setting.tiny else "GPU report"}
    about["date"] = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return {**about, "python": platform.python_version(), **versions()}


def describe_machine(setting: Any) -> Iterator[dict[str, Any]]:
    """The card and what drives it."""
    import torch

    yield {"what": "processor", "value": f"{platform.machine()}, {os.cpu_count()} cores"}
    if setting.device == "cuda":
        card = torch.cuda.get_device_properties(0)
        yield {"what": "card", "value": card.name}
        yield {"what": "memory", "value": f"{card.total_memory / 2**30:.1f} GiB"}
        yield {"what": "CUDA, cuDNN", "value": f"{torch.version.cuda}, {torch.backends.cudnn.version()}"}


def all_steps() -> list[Any]:
    """Every step, in order: what must be right before what it costs, the longest last."""
    from tools.gpu import (
        cost_training,
        cost_use,
        counting,
        facades,
        right_networks,
        right_parts,
        right_runs,
        right_training,
        systems,
    )
    from tools.gpu.steps import Step

    return [
        Step("machine", "make", describe_machine),
        Step("samples", "make", systems.draw_samples),
        Step("networks", "right", right_networks.compare_networks),
        Step("evaluation", "right", right_networks.compare_evaluation),
        Step("training steps", "right", right_training.compare_training),
        Step("watched runs", "right", right_runs.compare_watched),
        Step("parts of a step", "right", right_parts.compare_parts),
        Step("waits", "right", right_runs.compare_waits),
        Step("to a CPU", "right", right_runs.compare_taken),
        Step("killed and resumed", "right", right_runs.compare_resumed),
        Step("ceilings", "cost", counting.measure_ceilings),
        Step("translating", "cost", cost_use.measure_translating),
        Step("features", "cost", cost_use.measure_features),
        Step("loading", "cost", cost_use.measure_loading),
        Step("a compiled step", "cost", cost_training.measure_compiled),
        Step("a training step", "cost", cost_training.measure_training),
        Step("facades", "train", facades.train_facades),
    ]


if __name__ == "__main__":
    command()
