"""What the README says is run: every command, and the plugin example."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from sketchkit.engine.checkpoints import read_checkpoint
from tests import forks
from tests.conftest import ROOT, TINY, tiny_overrides
from tests.forks import succeeded

README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^    ((?:make|pip|python|sketchkit) .*?)(?:  +#.*)?$", README, re.MULTILINE)
INLINE = re.findall(r"`(sketchkit [^`]+)`", README)
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
BIN = Path(sys.executable).parent


def run(command, cwd):
    """What a command prints, which starts as its words say."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def called(command, cwd):
    """The same of `sketchkit ...` or `python tools/train.py ...`, without a new interpreter."""
    words = command.split() if isinstance(command, str) else command
    if words[0] == "sketchkit":
        return succeeded(forks.sketchkit(*words[1:], cwd=cwd))
    assert words[:2] == ["python", "tools/train.py"]
    return succeeded(forks.training(*words[2:], cwd=cwd))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the repository whose `.venv` is the environment that runs these tests."""
    monkeypatch.setenv("SKETCHKIT_CACHE", str(tmp_path / "cache"))
    names = ["sketchkit", "plugins", "configs", "tools", "Makefile", "setup.py", "pyproject.toml", "README.md"]
    for name in names:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(BIN)
    (tmp_path / ".venv" / ".installed").touch()
    return tmp_path


def test_every_command_is_tested_here():
    """Each command of the README, and the test, or the step of CI, that runs it."""
    tested = {
        "make demo": test_make_demo,
        "make test": "CI calls it",
        "pip install -e .": "the Makefile's environment is made by it",
        "sketchkit data sample data/sample": test_the_plain_way,
        "sketchkit train sketchygan_demo": test_a_drawing_of_ones_own,
        "sketchkit translate runs/sketchygan_demo drawing.jpg --label apple -o apple.png": test_a_drawing_of_ones_own,
        "python tools/train.py configs/sketchygan_sketchy.py --cfg-options data_root=data/sample categories=13 "
        "generator_losses.perceptual=None": test_the_plain_way,
        "python tools/train.py configs/sketchygan_sketchy.py --cfg-options data_root=PATH": test_the_plain_way,
        "sketchkit data sample data/pairs --kind pairs": test_a_painter,
        "sketchkit train configs/autopainter_lineart.py --cfg-options data_root=data/pairs": test_a_painter,
        "sketchkit eval runs/autopainter_lineart": test_a_painter,
        "sketchkit eval REAL FAKE --metric fid --metric lpips -o metrics.json --report report.html": test_a_painter,
        "sketchkit translate runs/autopainter_lineart drawing.png -o painted.png": test_a_painter,
        "sketchkit stylize photo.png painting.png -o stylized.png": test_a_painter,
        "python tools/train.py my_config.py": test_a_loss_outside_the_repository_changes_training,
    }
    assert set(COMMANDS) == set(tested)
    inline = {
        "sketchkit train my_config.py",
        "sketchkit info CONFIG",
        "sketchkit plugins list",
        "sketchkit data check ROOT",
    }
    assert set(INLINE) == {*inline, "sketchkit data sketch PHOTOS OUT", "sketchkit sweep"}


@pytest.mark.slow
def test_make_demo(checkout):
    quick = "--cfg-options train_cfg.max_iters=2 batch_size=2 num_workers=0 default_hooks.grids.samples=2"
    make = ["make", "demo", f"OPTIONS={quick}", "SAMPLE=--photos 5 --sketches 1 --size 48"]
    first = run(make, checkout)
    # A second call finds the run and does not spoil it.
    lines = run([*make, "--dry-run", "--no-print-directory"], checkout).splitlines()
    assert [line.split()[:2] for line in lines] == [[".venv/bin/sketchkit", word] for word in ("data", "train")]
    second = "".join(called(line.removeprefix(".venv/bin/"), checkout) for line in lines)
    for output in (first, second):
        assert "sample grids: runs/sketchygan_demo/grids" in output
        assert re.search(r"held out, iteration 0 -> 2: l1 [\d.]+ -> [\d.]+, diversity [\d.]+ -> [\d.]+", output)


@pytest.mark.slow
def test_the_plain_way(checkout):
    called("sketchkit data sample data/sample --photos 5 --sketches 1 --size 48", checkout)
    (command,) = [c for c in COMMANDS if "data_root=data/sample" in c]
    narrow = ["backbone.width=4", "heads.discriminator.width=4", "train_cfg.max_iters=1", "num_workers=0"]
    output = called([*command.split(), *narrow], checkout)
    assert "[1/1]" in output
    assert "sample grids: runs/sketchygan_sketchy/grids" in output
    (command,) = [c for c in COMMANDS if c.endswith("data_root=PATH")]
    less = ["categories=13", "generator_losses.perceptual=None", *narrow]
    words = [*command.replace("PATH", "data/sample").split(), *less]
    assert "[1/1]" in called([*words, "--work-dir", "runs/whole"], checkout)
    called("sketchkit data check data/sample", checkout)
    called("sketchkit info configs/sketchygan_demo.py", checkout)
    assert "AdversarialLoss" in called("sketchkit plugins list", checkout)


@pytest.mark.slow
def test_a_drawing_of_ones_own(checkout, monkeypatch):
    called("sketchkit data sample data/sample --photos 5 --sketches 1 --size 48", checkout)
    training, translation = (command for command in COMMANDS if "sketchygan_demo" in command)
    brief = ["train_cfg.max_iters=1", "train_cfg.val_at_start=False", "batch_size=2", "default_hooks.grids.samples=2"]
    called([*training.split(), *brief], checkout)
    drawing = Image.new("L", (150, 120), 255)
    ImageDraw.Draw(drawing).ellipse((30, 20, 120, 100), outline=0, width=3)
    drawing.save(checkout / "drawing.jpg")
    called(translation, checkout)
    first = (checkout / "apple.png").read_bytes()
    monkeypatch.chdir(checkout)
    exec(BLOCKS[0], {})
    made = Image.open(checkout / "apple.png")
    assert made.size == (150, 120) and np.array_equal(np.asarray(made), np.asarray(Image.open(io.BytesIO(first))))


@pytest.mark.slow
def test_a_painter(checkout):
    sample, training, measuring, translation, styling, judging = (
        command.split()
        for command in COMMANDS
        if any(word in command for word in ("pairs", "eval", "translate runs/autopainter", "stylize"))
    )
    called([*sample, "--photos", 1, "--size", 48], checkout)
    narrow = ["generator_losses.feature=None", "backbone.width=4", "heads.discriminator.width=4", "num_workers=0",
              "backbone.num_downs=4", "train_cfg.max_iters=2", "image_size=64"]  # fmt: skip
    assert "[2/2]" in called([*training, *narrow], checkout)
    assert "ssim" in called([*measuring, "--offline"], checkout)
    (made,) = (checkout / "runs/autopainter_lineart/eval").iterdir()
    places = {"REAL": made / "real", "FAKE": made / "fake"}
    output = called([*(places.get(word, word) for word in judging), "--allow-random-weights"], checkout)
    assert "kid_random" in output and (checkout / "report.html").is_file()
    for name, size in (("drawing", (70, 50)), ("photo", (40, 64)), ("painting", (64, 64))):
        Image.effect_noise(size, 80).convert("RGB").save(checkout / f"{name}.png")
    called(translation, checkout)
    assert Image.open(checkout / "painted.png").size == (70, 50)
    called([*styling, "--iterations", 2, "--cfg-options", "translator.weights=None"], checkout)
    assert Image.open(checkout / "stylized.png").size == (40, 64)
    called("sketchkit data sketch data/pairs/val sketched --val-ratio 0 --workers 0", checkout)
    words = ["sketchkit", "sweep", "configs/autopainter_lineart.py", "generator_losses.tv.weight=0,78", "--samples", 2]
    called([*words, "--cfg-options", "data_root=data/pairs", *narrow], checkout)
    assert (checkout / "runs/sweep_autopainter_lineart/sweep.png").is_file()


@pytest.mark.slow
def test_a_loss_outside_the_repository_changes_training(sample_root, tmp_path):
    loss, config = BLOCKS[1:]
    assert len([line for line in loss.splitlines() if line.strip()]) + len(config.splitlines()) <= 20
    (tmp_path / "my_losses.py").write_text(loss)
    (tmp_path / "my_config.py").write_text(config)
    for folder in ("configs", "tools"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    states = {}
    for name, weight in (("with", 5.0), ("without", 0.0)):
        (command,) = [c for c in COMMANDS if c.endswith("my_config.py")]
        words = [*command.split(), "--work-dir", name, "--plugin", TINY, "--cfg-options"]
        words += tiny_overrides(sample_root, f"generator_losses.brightness.weight={weight}")
        # One of the two in an interpreter of its own, which finds the loss beside the config by itself.
        short = ["sketchkit", "train", *words[2:]]
        output = run([sys.executable, *words[1:]], tmp_path) if weight else called(short, tmp_path)
        assert "brightness" in output
        states[name] = read_checkpoint(tmp_path / name / "iter_6.pth")["model"]
    key = "backbone.last.weight"
    assert not torch.equal(states["with"][key], states["without"][key])
