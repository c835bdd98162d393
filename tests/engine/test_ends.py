"""Runs that are ended, wherever they are, and go on as if they had not been."""

import errno
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from sketchkit.config.load import load_config
from sketchkit.engine import checkpoints
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.engine.lock import held
from sketchkit.engine.runner import TranslationRunner
from sketchkit.engine.train import train
from sketchkit.errors import ConfigError, ShortageError
from tests.conftest import NARROW, TINY, tiny_overrides
from tests.forks import Fork, succeeded, training_together

PLATEAU = (
    "param_scheduler=[{'type': 'LinearLR', 'by_epoch': False, 'start_factor': 1.0, 'end_factor': 0.1, 'end': 6}, "
    "{'type': 'ReduceOnPlateauLR', 'monitor': 'val/l1', 'patience': 0, 'factor': 0.7, 'threshold': 10.0, "
    "'rule': 'less'}]"
)
# All that has a state: a schedule that rests on validations, parts, an average, a count of looks, a cut interval.
STATES = [
    PLATEAU,
    "translator.accumulate=2",
    "translator.ema={'type': 'MomentumAnnealingEMA', 'momentum': 0.01, 'gamma': 10}",
    "default_hooks.logger.interval=4",
    "default_hooks.watchdog.interval=1",
    "default_hooks.checkpoint.interval=100",
    "+default_hooks.checkpoint.save_best=l1",
]


@pytest.fixture(scope="module")
def config(sample_root):
    return load_config(NARROW, tiny_overrides(sample_root, *STATES), [TINY])


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    return train(config, tmp_path_factory.mktemp("ends") / "whole")


def rows(folder):
    return [
        {k: v for k, v in row.items() if k != "images_per_second"} for row in read_scalars(folder / "scalars.jsonl")
    ]


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def assert_same_run(first, second):
    one, two = (read_checkpoint(folder / "iter_6.pth") for folder in (first, second))
    for key in ("model", "optimizers", "schedulers", "random_states"):
        assert same(one[key], two[key]), key
    assert rows(first) == rows(second)
    assert {f.name for f in first.glob("*.pth")} - {"iter_3.pth"} <= {f.name for f in second.glob("*.pth")}


# What is under way when the signal comes, and how many iterations the run counts then.
POINTS = [
    ("before_train", 0), ("before_val_iter", 0), ("before_train_iter", 1), ("after_train_iter", 2), ("before_val", 3),
    ("after_val_epoch", 3), ("before_train_iter", 3), ("after_train_iter", 5), ("before_val_iter", 6),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("point", "iteration"), POINTS, ids=[f"{point}-{at}" for point, at in POINTS])
def test_an_end_by_signal_anywhere_resumes_to_the_bit(point, iteration, config, whole, tmp_path, monkeypatch, capsys):
    call, sent = TranslationRunner.call_hook, []

    def call_hook(runner, name, **options):
        if name == point and not sent and runner.iter == iteration:
            sent.append(name)
            os.kill(os.getpid(), signal.SIGTERM)
        call(runner, name, **options)

    monkeypatch.setattr(TranslationRunner, "call_hook", call_hook)
    train(config, tmp_path / "cut")
    assert sent
    assert ("SIGTERM: saved" in capsys.readouterr().out) == (iteration < 6)
    train(config, tmp_path / "cut", resume=True)
    assert_same_run(whole, tmp_path / "cut")


# What a kill comes before, in the order of a save.
STAGES = {
    "before": (checkpoints, "digest"),
    "writing": (torch, "save"),
    "renaming": (Path, "replace"),
    "removing": (Path, "unlink"),
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_at_any_stage_of_a_save_leaves_a_checkpoint(stage, sample_root, tmp_path):
    """One file is kept, as many times as there are saves; the run killed in its second save goes on."""
    kept = ["default_hooks.checkpoint.interval=2", "default_hooks.checkpoint.max_keep_ckpts=1"]
    config = load_config(NARROW, tiny_overrides(sample_root, *kept), [TINY])
    folder = tmp_path / "run"

    def run():
        place, name = STAGES[stage]
        real = getattr(place, name)

        def killed(*args, **options):
            if (folder / "iter_2.pth").exists() and (stage != "removing" or args[0].name == "iter_2.pth"):
                if stage == "writing":
                    args[1].write(b"half")
                    args[1].flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        setattr(place, name, killed)
        train(config, folder)

    assert Fork(run).result().returncode == -signal.SIGKILL
    left = sorted(path.name for path in folder.glob("iter_*.pth"))
    assert left == (["iter_2.pth", "iter_4.pth"] if stage == "removing" else ["iter_2.pth"])
    assert bool([*folder.glob(".*.part")]) == (stage != "removing")
    train(config, folder, resume=True)
    assert [path.name for path in folder.glob("iter_*.pth")] == ["iter_6.pth"]
    assert not [*folder.rglob(".*.part")]


@pytest.mark.slow
def test_a_full_disk_costs_no_checkpoint(sample_root, tmp_path, monkeypatch):
    kept = ["default_hooks.checkpoint.interval=2", "default_hooks.checkpoint.max_keep_ckpts=1"]
    config = load_config(NARROW, tiny_overrides(sample_root, *kept), [TINY])
    save = torch.save

    def full(content, file):
        if content["iter"] < 4:
            return save(content, file)
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos 22208 vs 22160")  # as torch does

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ShortageError, match=r"iter_4\.pth cannot be written: the disk is full \(\d+ MiB free\)"):
        train(config, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").glob("*iter_*")] == ["iter_2.pth"]


@pytest.mark.slow
def test_two_processes_stopped_within_an_interval_report_the_same_averages(sample_root, tmp_path):
    together = ["batch_size=2", "default_hooks.logger.interval=4", "train_cfg.val_interval=100"]
    words = [NARROW, "--plugin", TINY, "--cfg-options",
             *tiny_overrides(sample_root, *together)]  # fmt: skip
    for run in training_together(2, *words, "--work-dir", tmp_path / "whole"):
        succeeded(run)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    (tmp_path / "cut" / "iter_6.pth").unlink()
    for run in training_together(2, *words, "--work-dir", tmp_path / "cut", "--resume"):
        succeeded(run)
    assert rows(tmp_path / "whole") == rows(tmp_path / "cut")


def test_a_folder_has_one_writer(config, tmp_path):
    def hold():
        with held(tmp_path):
            os.write(ready, b".")
            time.sleep(60)

    heard, ready = os.pipe()
    other = Fork(hold)
    os.read(heard, 1)
    with pytest.raises(ConfigError, match=rf"is being written by process {other.pid} on .*: wait for it"):
        train(config, tmp_path)
    other.send_signal(signal.SIGKILL)
    other.result()
    with held(tmp_path), pytest.raises(ConfigError, match="by this very process"), held(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == ""


def test_what_another_machine_has_left_is_for_people_to_judge(tmp_path):
    (tmp_path / ".lock").write_text('{"pid": 1, "host": "elsewhere", "since": "2026-01-01"}')
    with pytest.raises(ConfigError, match=r"process 1 on elsewhere, .* remove .*\.lock"), held(tmp_path):
        pass
    (tmp_path / ".lock").write_text('{"pid": 1, "ho')
    with held(tmp_path):
        pass
    (tmp_path / "own").write_text("mine")
    (tmp_path / ".lock").unlink()
    (tmp_path / ".lock").symlink_to(tmp_path / "own")
    with pytest.raises(ConfigError, match=r"\.lock is no regular file: remove it"), held(tmp_path):
        pass
    assert (tmp_path / "own").read_text() == "mine"


@pytest.mark.slow
def test_a_resume_says_that_data_and_config_have_changed(sample_root, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(sample_root, data)
    words = tiny_overrides(data, "train_cfg.max_iters=3")
    train(load_config(NARROW, words, [TINY]), tmp_path / "run")
    photo = next(iter(sorted(data.glob("photo/*/*/*.jpg"))))
    photo.write_bytes(photo.read_bytes() + b" ")
    again = load_config(NARROW, [*words, "train_cfg.max_iters=4"], [TINY])
    train(again, tmp_path / "run", resume="auto")
    said = capsys.readouterr().out
    assert "note: the config has changed since iter_3.pth: train_cfg.max_iters=4 (was 3)\n" in said
    assert "note: the data have changed since iteration 3 (" in said
    train(again, tmp_path / "run", resume="auto")
    assert "changed" not in capsys.readouterr().out
