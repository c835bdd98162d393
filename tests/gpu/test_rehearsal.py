"""The whole report, rehearsed on a CPU as a person would start it."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from sketchkit.registry import BACKBONES, HEADS
from tests.conftest import ROOT
from tools import gpu_report
from tools.gpu.right_training import BANDS
from tools.gpu.systems import trained_configs


@pytest.mark.slow
def test_every_step_is_rehearsed(tmp_path):
    words = [sys.executable, str(ROOT / "tools/gpu_report.py"), "-o", str(tmp_path / "out"), "--tiny", "--workers", "2"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "out" / "log.txt").read_text()[-4000:]
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    steps = {step["name"]: step for step in content["steps"]}
    assert list(steps) == [step.name for step in gpu_report.all_steps()] and content["not_begun"] == []
    assert not [name for name, step in steps.items() if step["error"]]
    rows = {name: {row["what"]: row for row in step["rows"]} for name, step in steps.items()}
    assert set(rows["training steps"]) == {f"{name}, {kind}" for name in trained_configs() for kind in BANDS}
    # Other tests of this process may have registered more.
    ours = {name for entries in (BACKBONES, HEADS) for name, entry in entries.module_dict.items()
            if entry.__module__.startswith("sketchkit_plugins.")}  # fmt: skip
    assert set(rows["networks"]) == ours and len(ours) > 10
    # Off a GPU float32 is the same to the bit, and half precision is seen to be another.
    assert rows["training steps"]["pix2pix_facades, fp32"]["three steps"] == 0.0
    assert rows["training steps"]["pix2pix_facades, bf16"]["first step"] > 0.0
    assert rows["killed and resumed"]["cyclegan_apple2orange, --deterministic"]["passed"] is True
    assert {row["step"] for row in steps["a training step"]["rows"]} == {"textbook", "ours", "ours, CUDA graph"}
    assert all(row["floor ms"] > 0 for row in steps["a training step"]["rows"] if row["step"] == "ours")
    assert rows["facades"]["l1"]["value"] > 0 and (tmp_path / "out" / "facades.png").stat().st_size > 1000
    assert "not finite" not in json.dumps(steps) and "Infinity" not in json.dumps(steps)
    page = (tmp_path / "out" / "report.md").read_text()
    assert page.startswith("# Rehearsal on a CPU") and "- failed: nothing\n" in page
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.json",
        "report.md",
        "log.txt",
        "facades.png",
    }


def test_without_a_gpu_it_says_how_to_rehearse(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_report, "has_gpu", lambda: False)
    result = CliRunner().invoke(gpu_report.command, ["-o", str(tmp_path / "out")])
    assert result.exit_code == 2 and "no GPU here: rehearse with --tiny" in result.output
    assert not (tmp_path / "out").exists()
