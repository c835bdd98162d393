"""`sketchkit sweep`: what its words mean, what it says, and how it ends."""

import json
import re
import signal
import time

import pytest

from sketchkit.cli import main
from sketchkit.cli.options import spread
from tests.conftest import NARROW, ROOT, TINY, tiny_overrides
from tests.forks import sketchkit, succeeded

pytestmark = pytest.mark.slow  # whole runs

DEMO = str(NARROW)
KEY = "generator_losses.pixel.weight"


def run(*words, code=0):
    with pytest.raises(SystemExit) as end:
        main(["sweep", *map(str, words)])
    assert end.value.code == code


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("c a=1 --cfg-options b=2 d=3 -o o", "c a=1 --cfg-options b=2 --cfg-options d=3 -o o"),
        ("--cfg-options b=2 d=3 c a=1", "--cfg-options b=2 --cfg-options d=3 c a=1"),
        ("c --cfg-options=b=2 d=3 -o o a=1", "c --cfg-options=b=2 --cfg-options d=3 -o o a=1"),
        ("c a=1 --cfg-options b=2 --cfg-options d=3", "c a=1 --cfg-options b=2 --cfg-options d=3"),
        ("c a=1 --cfg-options", "c a=1 --cfg-options"),
    ],
)
def test_words_behind_cfg_options_are_fixed_and_those_in_front_swept(words, expected):
    assert list(spread(words.split())) == expected.split()


def test_a_sweep_says_what_it_does_and_marks_the_best(sample_root, tmp_path, capsys):
    short = tiny_overrides(sample_root, "train_cfg.max_iters=3")
    run(DEMO, f"{KEY}=0,100", "--plugin", TINY, "--samples", 2, "-o", tmp_path / "out", "--cfg-options", *short)
    out = capsys.readouterr().out
    assert "[1/2] pixel.weight=0\n" in out and "[2/2] pixel.weight=100\n" in out
    assert f"picture: {tmp_path}/out/sweep.png" in out and f"table: {tmp_path}/out/table.csv" in out
    lines = out.splitlines()
    (start,) = [i for i, line in enumerate(lines) if line.startswith("setting ")]
    head, *rows = (re.split(r" {2,}", line.strip()) for line in lines[start : start + 3])
    kept = json.loads((tmp_path / "out" / "sweep.json").read_text())["settings"]
    assert head[:2] == ["setting", "iterations"] and head[2:4] == ["val/l1", "val/diversity"]
    for row, one in zip(rows, kept, strict=True):
        assert row[:2] == [one["run"], "3"]
        assert [cell.rstrip("*") for cell in row[2:]] == [f"{one['scalars'][name]:.4g}" for name in head[2:]]
    for column, name, best in ((2, "val/l1", min), (3, "val/diversity", max)):
        values = [one["scalars"][name] for one in kept]
        assert values[0] != values[1]
        assert [row[column].endswith("*") for row in rows] == [value == best(values) for value in values]
    assert not any(cell.endswith("*") for row in rows for cell in row[4:])


def test_a_failed_setting_makes_the_exit_code_one(sample_root, tmp_path, capsys):
    words = [DEMO, "generator_losses.bad.at=2,100", "--plugin", TINY, "-o", tmp_path / "out", "--cfg-options"]
    more = ["+generator_losses.bad=dict(type='FailsOnce')", "default_hooks.watchdog.interval=1"]
    run(*words, *tiny_overrides(sample_root, "train_cfg.max_iters=3", *more), code=1)
    out, error = capsys.readouterr()
    assert "failed: bad.at=2 after 1 iterations: watchdog at iteration 2: non_finite" in out
    assert re.search(r"^bad\.at=2 +failed ", out, re.M) and re.search(r"^bad\.at=100 +3 ", out, re.M)
    assert "*" not in re.search(r"^bad\.at=.*$", out, re.M)[0]
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["configs/sketchygan_demo.py"], "no key to sweep"),
        (["configs/sketchygan_demo.py", "--cfg-options", f"{KEY}=1,2"], "no key to sweep"),
        (["configs/sketchygan_demo.py", f"{KEY}="], "lacks a value"),
        (["configs/sketchygan_demo.py", f"{KEY}=1", f"{KEY}=2"], "is given twice"),
        (["configs/sketchygan_dmo.py", f"{KEY}=1"], "did you mean 'configs/sketchygan_demo.py'"),
        (["configs/sketchygan_demo.py", "generator_losses.pixl.weight=1"], "did you mean 'pixel'"),
        (["configs/sketchygan_demo.py", f"{KEY}=1", "-o", str(TINY)], "is a file"),
    ],
)
def test_a_mistake_is_one_line(words, message, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    run(*words, code=2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(sample_root, tmp_path):
    out, end = tmp_path / "out", 60
    many = [f"train_cfg.max_iters={end}", "train_cfg.val_interval=1000", "default_hooks.checkpoint.interval=1000"]
    words = ["sweep", DEMO, f"{KEY}=1,2", "--plugin", str(TINY), "-o", str(out), "--cfg-options"]
    words += tiny_overrides(sample_root, *many, "default_hooks.grids.interval=1000")
    call = sketchkit(*words)
    scalars = out / "pixel.weight=1" / "scalars.jsonl"
    for _ in range(600):
        if scalars.is_file() and '"iter": 5,' in scalars.read_text():
            break
        time.sleep(0.05)
    call.send_signal(signal.SIGINT)
    done = call.result(timeout=60)
    assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    assert "stopped: 0 of 2 settings are trained; the same sweep command goes on" in done.stdout
    (saved,) = (out / "pixel.weight=1").glob("iter_*.pth")
    assert 5 <= int(saved.stem[5:]) < end
    assert not (out / "pixel.weight=2").exists() and not (out / "table.csv").exists()
    succeeded(sketchkit(*words))
    iterations = [json.loads(line)["iter"] for line in scalars.read_text().splitlines() if "G/total" in line]
    assert iterations == list(range(1, end + 1))
    assert (out / "pixel.weight=2" / f"iter_{end}.pth").is_file() and (out / "sweep.png").is_file()
