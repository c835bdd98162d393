"""The benchmark's verdict is honest: two iterations reach no goal, and the numbers are those of the run."""

import json
import math
import subprocess

import numpy as np
import pytest

from sketchkit.cli import run
from sketchkit.data.image_io import write_image
from sketchkit.data.sample import write_sample
from sketchkit.engine.hooks.progress import read_scalars
from tests.conftest import ROOT
from tools import benchmark as tool

evaluation, translating = tool.benchmark_eval, tool.benchmark_translate

pytestmark = pytest.mark.slow  # whole runs

NARROW = ["backbone.width=4", "heads.discriminator.width=4", "batch_size=2"]
CASES = [
    ("overfit", "pairs", ("val/l1",), "pix2pix_facades"),
    ("cycle", "unpaired", ("val/cycle_A", "val/cycle_B"), "cyclegan_apple2orange"),
]


def call(*words):
    with pytest.raises(SystemExit) as end:
        run(tool.benchmark, [*map(str, words)], "benchmark.py")
    return end.value.code or 0


@pytest.mark.parametrize(("name", "kind", "metrics", "config"), CASES, ids=lambda case: str(case))
def test_two_iterations_reach_no_goal_and_say_so(tmp_path, capsys, name, kind, metrics, config):
    write_sample(kind, tmp_path / "data", photos_per_class=1, size=64)
    options = [word for change in NARROW for word in ("--cfg-options", change)]
    words = [name, "--data", tmp_path / "data", "--iterations", 2, "--json", tmp_path / "out.json", *options]
    assert call(*words, "--work-dir", tmp_path / "run") == 1
    output = capsys.readouterr().out
    assert "failed: the goal was not reached" in output and "at iterations 0 and 2 of 2" in output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["passed"] is False and found["config"] == config and found["done"] == found["iterations"] == 2
    rows = {row["iter"]: row for row in read_scalars(tmp_path / "run" / "scalars.jsonl") if metrics[0] in row}
    for key in metrics:
        assert (found["start"][key], found["end"][key]) == (rows[0][key], rows[2][key])
        assert f"{found['start'][key]:.4f}" in output and f"{found['end'][key]:.4f}" in output
    assert set(found["start"]) == set(metrics)
    assert "backbone.width=4" in found["settings"] and found["seconds"] > 0
    environment = found["environment"]
    assert {"torch", "sketchkit"} <= set(environment["versions"]) and len(environment["data"]["fingerprint"]) == 64
    assert environment["cores"] >= 1 and environment["platform"]


def result(start, end, done=5):
    names = ("a", "b")[: len(start)]
    return tool.Run("", [], 5, done, 1.0, dict(zip(names, start, strict=True)), dict(zip(names, end, strict=True)), {})


@pytest.mark.parametrize(
    ("start", "end", "done", "expected"),
    [
        ([0.9], [0.29], 5, True),
        ([0.9], [0.31], 5, False),
        ([0.9, 0.3], [0.2, 0.2], 5, False),  # every metric must
        ([0.9, 0.9], [0.2, 0.2], 5, True),
        ([0.9], [0.2], 4, False),  # stopped early
        ([0.9], [math.nan], 5, False),
        ([math.inf], [0.2], 5, False),
    ],
)
def test_the_criterion(start, end, done, expected):
    assert result(start, end, done).passes(lambda start, end: end < start / 3) is expected


def test_the_exit_code_is_the_verdict(tmp_path, capsys):
    tool.conclude(result([0.9], [0.2]), "a goal", True, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["passed"] is True
    assert "passed" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        tool.conclude(result([0.9], [0.8]), "a goal", False, None)
    assert end.value.code == 1


@pytest.mark.parametrize("name", ["overfit", "cycle"])
def test_missing_data_is_one_line(tmp_path, capsys, name):
    assert call(name, "--data", tmp_path / "nowhere", "--iterations", 1) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: no data at")


def test_the_eight_pairs_learnt_are_the_eight_judged(tmp_path):
    """Without jitter: train and val of the settings give the same pictures."""
    import torch

    from sketchkit.config.load import load_config
    from sketchkit.registry import DATASETS

    write_sample("pairs", tmp_path / "data", photos_per_class=1, size=64)
    config = load_config(ROOT / "configs/pix2pix_facades.py", [f"data_root={tmp_path / 'data'}", *tool.OVERFIT])
    learnt, extracted = (DATASETS.build(config[f"{part}_dataloader"].dataset) for part in ("train", "val"))
    assert len(learnt) == len(extracted) == 8
    for index in range(8):
        for draw in range(3):
            a, b = learnt[(index, draw)], extracted[index]
            assert a["key"] == b["key"] and torch.equal(a["source"], b["source"])
            assert torch.equal(a["target"], b["target"])


@pytest.fixture
def two_sets(tmp_path):
    """Two folders of three pictures."""
    rng = np.random.default_rng(0)
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
        for number in range(3):
            write_image(tmp_path / name / f"{number}.png", rng.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    return tmp_path / "real", tmp_path / "fake"


def test_both_programs_measure_the_same(two_sets, tmp_path):
    weights = evaluation._random_weights(tmp_path / "inception.pth")
    theirs = evaluation.theirs(*two_sets, weights)
    assert evaluation.ours(*two_sets, weights) == pytest.approx(theirs, rel=1e-3) and theirs > 0


@pytest.mark.parametrize(("seconds", "value", "code"), [(2.0, 5.0, 0), (1.9, 5.0, 1), (9.0, 5.01, 1)])
def test_the_verdict_is_of_speed_and_value(two_sets, tmp_path, monkeypatch, capsys, seconds, value, code):
    found = {"ours": {"value": 5.0, "seconds": 1.0}, "torch-fidelity": {"value": value, "seconds": seconds}}
    monkeypatch.setattr(evaluation, "timed", lambda name, *places: found[name])
    words = ["eval", *two_sets, "--weights", "given.pth", "--json", tmp_path / "out.json"]
    assert call(*words) == code
    assert f"6 pictures, 1 turns each: {seconds:.2f} times as fast" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["ratio"] == seconds


def test_a_program_that_fails_is_told_of(two_sets, monkeypatch, capsys):
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="Traceback\nValueError: bad weights\n")
    monkeypatch.setattr(evaluation.subprocess, "run", lambda *words, **options: failed)
    assert call("eval", *two_sets, "--weights", "given.pth") == 1
    assert "ours failed: ValueError: bad weights" in capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "code"), [(1.69, 0), (1.71, 1)])
def test_the_start_of_a_translation_is_held_against_torchs(runs, tmp_path, monkeypatch, capsys, seconds, code):
    write_image(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    calls = []
    monkeypatch.setattr(translating, "cpu_seconds", lambda words: calls.append(words) or [1.0, seconds][len(words) > 3])
    assert call("start", runs("pix2pix"), tmp_path / "a.png", "--rounds", 2) == code
    assert f"{seconds:.2f} times" in capsys.readouterr().out
    assert len(calls) == 4 and "translate" in calls[1] and "import torch" in calls[0]


def test_batches_are_compared_with_pictures_one_by_one(tmp_path, capsys):
    words = ["batches", "--preset", "recolor_simple", "--preset", "sketchygan_demo", "--side", 32, "--rounds", 1]
    assert call(*words, "--json", tmp_path / "out.json") == 0
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert second["bytes"] == 16 * 3 * 32 * 32 and second["differ"]["1"] == 0
    assert max(second["differ"].values()) < second["bytes"] / 100
    assert set(first["images_per_second"]) == {"1", "4", "16"} and "bytes that differ" in capsys.readouterr().out
