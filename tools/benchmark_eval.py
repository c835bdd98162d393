"""Is evaluation faster than torch-fidelity, and its FID the same? Both on the same pictures, weights and CPU."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
LEAST_RATIO, MOST_DIFFERENCE = 2.0, 1e-3
Measure = Callable[[Path, Path, Path], float]


def ours(real: Path, fake: Path, weights: Path) -> float:
    """The FID by sketchkit, nothing kept from before."""
    from sketchkit.evaluation.evaluate import EvaluationCall
    from sketchkit.evaluation.metric import Setup

    setup = Setup("cpu", {"inception_fid": weights})
    return EvaluationCall(setup, metrics=["fid"]).folders(real, fake).result["metrics"]["fid"]["value"]


def theirs(real: Path, fake: Path, weights: Path) -> float:
    """The FID by torch-fidelity as it comes, nothing kept from before."""
    import torch_fidelity

    options = {"cuda": False, "fid": True, "cache": False, "verbose": False, "samples_find_deep": True}
    where = {"input1": str(real), "input2": str(fake), "feature_extractor_weights_path": str(weights)}
    return torch_fidelity.calculate_metrics(**where, **options)["frechet_inception_distance"]


MEASURES: dict[str, Measure] = {"ours": ours, "torch-fidelity": theirs}


def timed(name: str, *places: Path) -> dict[str, float]:
    """The value, and the seconds from the paths to it, in a process of its own; imports are not counted."""
    words = [sys.executable, __file__, name, *map(str, places)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    if done.returncode:
        raise click.ClickException(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


@click.command("eval")
@click.argument("real", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("fake", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--weights", type=click.Path(path_type=Path), help="Of the Inception network; default: random ones.")
@click.option("--rounds", type=click.IntRange(min=1), default=1, show_default=True, help="Turns each; medians count.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the numbers.")
def command(real: Path, fake: Path, weights: Path | None, rounds: int, target: Path | None) -> None:
    """FID of two folders by sketchkit and by torch-fidelity in turns: at least twice as fast, the value within 1e-3."""
    from sketchkit.data.listing import pictures_in

    count = len(pictures_in(real)) + len(pictures_in(fake))
    with tempfile.TemporaryDirectory() as scratch:
        file = weights or _random_weights(Path(scratch) / "inception.pth")
        turns = [{name: timed(name, real, fake, file) for name in MEASURES} for _ in range(rounds)]
    seconds = {name: statistics.median(turn[name]["seconds"] for turn in turns) for name in MEASURES}
    values = {name: turns[0][name]["value"] for name in MEASURES}
    ratio = seconds["torch-fidelity"] / seconds["ours"]
    difference = abs(values["ours"] / values["torch-fidelity"] - 1)
    click.echo(f"{'':<16}{'fid':>14}{'seconds':>10}{'images/s':>10}")
    for name in MEASURES:
        click.echo(f"{name:<16}{values[name]:>14.6f}{seconds[name]:>10.1f}{count / seconds[name]:>10.1f}")
    click.echo(f"{count} pictures, {rounds} turns each: {ratio:.2f} times as fast, values differ by {difference:.1e}")
    has_passed = ratio >= LEAST_RATIO and difference <= MOST_DIFFERENCE
    click.echo("passed" if has_passed else f"failed: the goal is {LEAST_RATIO:g} times, and {MOST_DIFFERENCE:g}")
    if target is not None:
        target.write_text(json.dumps({"turns": turns, "ratio": ratio, "difference": difference}, indent=2) + "\n")
    if not has_passed:
        raise SystemExit(1)


def _random_weights(path: Path) -> Path:
    import torch

    from sketchkit.evaluation.features.inception import inception

    torch.save(inception(None).state_dict(), path)
    return path


def _measure(name: str, *places: str) -> None:
    """What `timed` starts."""
    measure = MEASURES[name]
    import torch_fidelity  # noqa: F401  # both have all they import in memory before the clock starts

    import sketchkit.evaluation.evaluate  # noqa: F401

    started = time.perf_counter()
    value = measure(*map(Path, places))
    print(json.dumps({"value": value, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    _measure(*sys.argv[1:])
