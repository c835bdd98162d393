"""Whole runs: build, train, save, kill, resume, several processes."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
import torch
from PIL import Image

from sketchkit.config.load import load_config
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.engine.train import train
from sketchkit.errors import CheckpointError, ConfigError, DataError, TrainingStopped
from sketchkit.memory import kept_when_freed
from tests.conftest import NARROW, ROOT, TINY, drawing_curves, tiny_overrides
from tests.forks import succeeded, training

EMA = "translator.ema={'type': 'MomentumAnnealingEMA', 'momentum': 0.01, 'gamma': 10}"
SCHEDULE = "param_scheduler=[{'type': 'LinearLR', 'by_epoch': False, 'start_factor': 1.0, 'end_factor': 0.1, 'end': 6}]"


def losses(folder):
    return [
        {k: v for k, v in row.items() if k != "images_per_second"} for row in read_scalars(folder / "scalars.jsonl")
    ]


def assert_same_state(a, b):
    assert a.keys() == b.keys()
    for key in a:
        if isinstance(a[key], dict):
            assert_same_state(a[key], b[key])
        elif isinstance(a[key], torch.Tensor):
            assert torch.equal(a[key], b[key]), key


@pytest.fixture(scope="module")
def finished(sample_root, tmp_path_factory):
    """A run of six iterations with everything that has a state: dropout, batch norm, EMA, Adam, a schedule, workers."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    overrides = tiny_overrides(sample_root, EMA, SCHEDULE, "num_workers=1")
    config = load_config(NARROW, overrides, [TINY])
    keeping = mock.patch("sketchkit.engine.train.kept_when_freed", wraps=kept_when_freed)
    with drawing_curves(), keeping as kept:
        train(config, folder)
    assert kept.called is not torch.cuda.is_available()
    return folder, config


@pytest.mark.slow
def test_a_run_folder_describes_itself(finished):
    folder, _ = finished
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["data"]["samples"] > 0
    assert len(environment["data"]["fingerprint"]) == 64
    assert json.loads((folder / "config.json").read_text())["backbone"]["type"] == "TinyBackbone"
    checkpoint = read_checkpoint(folder / "iter_6.pth")
    assert json.loads(checkpoint["config"])["image_size"] == 16
    assert len(checkpoint["classes"]) == 3
    for picture in ("grids/iter_000000.png", "grids/iter_000006.png", "curves.png"):
        with Image.open(folder / picture) as image:
            assert image.width > 50
    rows = losses(folder)
    assert [row["iter"] for row in rows if "G/total" in row] == [1, 2, 3, 4, 5, 6]
    assert [row["iter"] for row in rows if "val/l1" in row] == [0, 3, 6]


@pytest.mark.slow
def test_the_learning_rate_follows_its_schedule(finished):
    rows = [row for row in losses(finished[0]) if "lr/generator" in row]
    # mmengine's linear schedule reaches its end after end - 1 steps.
    expected = [1e-3 * (1 - 0.9 * i / 5) for i in range(6)]
    assert [row["lr/generator"] for row in rows] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_a_resumed_run_equals_one_never_stopped_bit_for_bit(finished, tmp_path):
    folder, config = finished
    resumed = tmp_path / "resumed"
    shutil.copytree(folder, resumed)
    (resumed / "iter_6.pth").unlink()
    torch.manual_seed(99)
    train(config, resumed, resume=True)
    first, second = (read_checkpoint(path / "iter_6.pth") for path in (folder, resumed))
    assert_same_state(first["model"], second["model"])
    assert_same_state(first["optimizers"], second["optimizers"])
    assert losses(resumed) == losses(folder)


@pytest.mark.slow
def test_the_config_in_a_run_folder_trains_the_same_run(finished, tmp_path):
    folder, _ = finished
    train(load_config(folder / "config.json"), tmp_path / "again")
    assert losses(tmp_path / "again") == losses(folder)
    assert (tmp_path / "again" / "config.json").read_text() == (folder / "config.json").read_text()


@pytest.mark.slow
def test_the_best_checkpoint_is_kept_with_its_iteration(tiny_config, tmp_path):
    best = "+default_hooks.checkpoint.save_best='val/l1'"
    folder = train(tiny_config(best, "+default_hooks.checkpoint.rule=less"), tmp_path / "best")
    (path,) = folder.glob("best_*.pth")
    rows = {row["iter"]: row["val/l1"] for row in losses(folder) if "val/l1" in row and row["iter"]}
    assert read_checkpoint(path)["iter"] == min(rows, key=rows.get)


HARD = [
    # Parts, turns, and an interval that a checkpoint cuts.
    ["translator.accumulate=2", "translator.discriminator_steps=2", "default_hooks.logger.interval=4"],
    # The real networks, with spectral norm and conditional batch norm.
    ["backbone={'type': 'MRUGenerator', 'image_size': 16, 'num_classes': 3, 'width': 4}",
     "heads={'discriminator': {'type': 'MRUDiscriminator', 'image_size': 16, 'num_classes': 3, 'width': 4}}"],
    ["optim_wrapper.generator.optimizer={'type': 'SGD', 'lr': 0.01, 'momentum': 0.9}"],
    # A term that remembers, in parts.
    ["translator.accumulate=2", "+discriminator_losses.lecam={'type': 'LeCamLoss', 'weight': 0.3}"],
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("overrides", HARD, ids=["parts", "networks", "momentum", "averages"])
def test_other_runs_resume_bit_for_bit_too(overrides, tiny_config, tmp_path):
    config = tiny_config(EMA, *overrides)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(config, whole)
    shutil.copytree(whole, cut)
    (cut / "iter_6.pth").unlink()
    train(config, cut, resume=True)
    first, second = (read_checkpoint(path / "iter_6.pth") for path in (whole, cut))
    assert_same_state(first["model"], second["model"])
    assert_same_state(first["optimizers"], second["optimizers"])
    assert losses(whole) == losses(cut)


@pytest.mark.slow
def test_a_resume_goes_on_with_its_own_checkpoint_not_with_what_it_started_from(finished, tiny_config, tmp_path):
    start = f"load_from={finished[0] / 'iter_6.pth'}"
    train(tiny_config(EMA, start, "train_cfg.max_iters=3"), tmp_path / "fine")
    train(tiny_config(EMA, start, "train_cfg.max_iters=4"), tmp_path / "fine", resume=True)
    assert [row["iter"] for row in losses(tmp_path / "fine") if "G/total" in row] == [1, 2, 3, 4]


@pytest.mark.slow
def test_a_schedule_may_be_added_on_resume(tiny_config, tmp_path):
    train(tiny_config("train_cfg.max_iters=3"), tmp_path / "run")
    train(tiny_config(SCHEDULE), tmp_path / "run", resume=True)
    rows = {row["iter"]: row["lr/generator"] for row in losses(tmp_path / "run") if "lr/generator" in row}
    assert rows[6] == pytest.approx(1e-3 * (1 - 0.9 * 5 / 5), abs=1.1e-4)


@pytest.mark.slow
def test_a_plateau_schedule_is_restored(tiny_config, tmp_path):
    plateau = (
        "param_scheduler=[{'type': 'ReduceOnPlateauLR', 'monitor': 'val/l1', 'patience': 0, 'factor': 0.5, "
        "'threshold': 10.0, 'rule': 'less', 'by_epoch': True}]"
    )
    slow = ["train_cfg.val_interval=1", "default_hooks.checkpoint.interval=1", plateau]
    rates = []
    for name in ("whole", "cut"):
        if name == "cut":
            train(tiny_config(*slow, "train_cfg.max_iters=3"), tmp_path / name)
        train(tiny_config(*slow), tmp_path / name, resume="auto")
        rates.append([row["lr/generator"] for row in losses(tmp_path / name) if "lr/generator" in row])
    assert rates[0] == rates[1]
    assert rates[0][-1] < rates[0][0] / 4


def test_a_schedule_by_epochs_is_refused(tiny_config, tmp_path):
    with pytest.raises(ConfigError, match="LinearLR counts epochs: give it by_epoch=False"):
        train(tiny_config("param_scheduler=[{'type': 'LinearLR', 'end': 6}]"), tmp_path / "run")


@pytest.mark.slow
def test_a_run_that_has_no_checkpoint_yet_is_not_overwritten_either(tiny_config, tmp_path):
    config = tiny_config()
    train(config, tmp_path / "run")
    for path in (tmp_path / "run").glob("iter_*.pth"):
        path.unlink()
    with pytest.raises(ConfigError, match=r"already holds a run \(scalars\.jsonl\)"):
        train(config, tmp_path / "run")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("batch_size=abc", "batch_size='abc': give a whole number of 1 or more"),
        ("batch_size=0", "batch_size=0: give"),
        ("num_workers=-1", "num_workers=-1: give a whole number of 0 or more"),
        ("image_size=0", "image_size=0: give"),
        ("train_cfg.max_iters=abc", r"train_cfg\.max_iters='abc': give"),
        ("translator={'type': 'StyleTranslator'}", "sketchkit stylize"),
        ("train_dataloader=None", "train_dataloader=None: give a dict"),
        ("generator_losses=None", "has no generator_losses"),
    ],
)
def test_a_config_that_cannot_work_is_refused_first(tiny_config, tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        train(tiny_config(override), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_rate_that_no_optimiser_takes_is_one_line(tiny_config, tmp_path):
    with pytest.raises(ConfigError, match=r"optim_wrapper\.generator\.optimizer: .*Invalid learning rate: -1"):
        train(tiny_config("optim_wrapper.generator.optimizer.lr=-1"), tmp_path / "run")


@pytest.mark.slow
def test_a_run_that_is_done_says_so(finished, tmp_path, capsys):
    folder, config = finished
    shutil.copytree(folder, tmp_path / "done")
    train(config, tmp_path / "done", resume=True)
    assert "is trained to iteration 6 already: raise train_cfg.max_iters to go on" in capsys.readouterr().out


def test_running_statistics_that_are_not_finite_stop_a_run(tiny_config, tmp_path):
    """Such a run would end without a checkpoint."""
    with pytest.raises(TrainingStopped, match=r"non_finite \(.*backbone"):
        train(
            tiny_config("optim_wrapper.generator.optimizer.lr=1e38", "default_hooks.watchdog.interval=1"),
            tmp_path / "r",
        )


@pytest.mark.slow
def test_a_longer_resume_follows_its_own_schedule(finished, tmp_path, tiny_config):
    folder, _ = finished
    resumed = tmp_path / "longer"
    shutil.copytree(folder, resumed)
    longer = SCHEDULE.replace("'end': 6", "'end': 12")
    train(tiny_config(EMA, longer, "train_cfg.max_iters=8"), resumed, resume=True)
    rows = {row["iter"]: row["lr/generator"] for row in losses(resumed) if "lr/generator" in row}
    assert rows[8] == pytest.approx(1e-3 * (1 - 0.9 * 7 / 11), rel=1e-5)


@pytest.mark.slow
def test_the_data_of_a_run_do_not_depend_on_its_workers(finished, tiny_config, tmp_path):
    train(tiny_config(EMA, SCHEDULE, "num_workers=0"), tmp_path / "none")
    assert losses(tmp_path / "none") == losses(finished[0])


@pytest.mark.slow
def test_a_folder_with_a_run_is_not_overwritten(finished):
    folder, config = finished
    before = (folder / "scalars.jsonl").read_text()
    with pytest.raises(ConfigError, match=r"already holds a run \(iter_6.pth\): go on with --resume"):
        train(config, folder)
    assert (folder / "scalars.jsonl").read_text() == before


def test_nothing_to_resume_is_said(tiny_config, tmp_path):
    with pytest.raises(CheckpointError, match="nothing to resume in"):
        train(tiny_config(), tmp_path / "empty", resume=True)


@pytest.mark.slow
def test_auto_resume_starts_and_goes_on(tiny_config, tmp_path):
    train(tiny_config("train_cfg.max_iters=3"), tmp_path / "auto", resume="auto")
    train(tiny_config(), tmp_path / "auto", resume="auto")
    assert [row["iter"] for row in losses(tmp_path / "auto") if "G/total" in row] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_a_checkpoint_of_another_architecture_is_refused(finished, tiny_config, tmp_path):
    folder, _ = finished
    shutil.copytree(folder, tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"iter_6\.pth is of another architecture, keys .*of another shape"):
        train(tiny_config(EMA, "backbone={'type': 'TinyBackbone', 'width': 5}"), tmp_path / "other", resume=True)


@pytest.mark.slow
def test_load_from_takes_over_the_weights_only(finished, tiny_config, tmp_path):
    folder, _ = finished
    train(tiny_config(EMA, f"load_from={folder / 'iter_6.pth'}", "train_cfg.max_iters=1"), tmp_path / "fine")
    assert [row["iter"] for row in losses(tmp_path / "fine") if "G/total" in row] == [1]


def test_missing_data_is_one_line(tiny_config, tmp_path):
    with pytest.raises(DataError, match="nowhere") as caught:
        train(tiny_config("data_root=nowhere"), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert "sketchkit data sample" in str(caught.value)


@pytest.mark.slow
def test_centered_normalisation_trains_and_resumes(tiny_config, tmp_path):
    config = tiny_config("translator.data_preprocessor=dict(type='TranslationPreprocessor', normalization='centered')")
    folder = train(config, tmp_path / "centered")
    state = read_checkpoint(folder / "iter_6.pth")["model"]
    assert state["data_preprocessor.source_mean"].isfinite().all()
    (folder / "iter_6.pth").unlink()
    train(config, folder, resume=True)


@pytest.mark.slow
def test_several_losses_change_what_is_learnt(finished, tiny_config, tmp_path):
    train(tiny_config(EMA, SCHEDULE, "generator_losses.pixel.weight=1"), tmp_path / "weight")
    assert losses(tmp_path / "weight")[2]["G/pixel"] != losses(finished[0])[2]["G/pixel"]


@pytest.mark.slow
@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_trains_and_resumes(tiny_config, tmp_path, amp):
    config = tiny_config(f"optim_wrapper.amp={amp}", "optim_wrapper.allow_slow_amp=True", EMA)
    folder = train(config, tmp_path / amp)
    last = read_checkpoint(folder / "iter_6.pth")
    assert (last["optimizers"]["generator"]["scaler"] != {}) == (amp == "fp16")
    (folder / "iter_6.pth").unlink()
    train(config, folder, resume=True)
    assert_same_state(read_checkpoint(folder / "iter_6.pth")["model"], last["model"])


@pytest.mark.slow
def test_a_damaged_picture_is_named_and_the_run_goes_on(sample_root, tiny_config, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(sample_root, root)
    tests = (root / "info" / "testset.txt").read_text()
    photo = next(p for p in sorted(root.glob("photo/*/*/*.jpg")) if p.name not in tests)
    photo.write_bytes(photo.read_bytes()[:300])
    with pytest.warns(UserWarning, match=photo.name):
        folder = train(tiny_config(f"data_root={root}", "train_cfg.max_iters=12"), tmp_path / "run")
    assert photo.name in (folder / "unreadable.txt").read_text()


@pytest.mark.slow
def test_scalars_go_to_tensorboard(finished):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = finished[0].rglob("events.out.tfevents.*")
    accumulator = EventAccumulator(str(events))
    accumulator.Reload()
    kept = {row["iter"]: row["G/pixel"] for row in losses(finished[0]) if "G/pixel" in row}
    assert {event.step: event.value for event in accumulator.Scalars("G/pixel")} == pytest.approx(kept)


def words(sample_root, folder, *more):
    first = [NARROW, "--work-dir", folder, "--plugin", TINY, "--cfg-options"]
    return [*first, *tiny_overrides(sample_root, *more)]


def wait_for_iteration(folder, iteration):
    for _ in range(1200):
        rows = read_scalars(Path(folder) / "scalars.jsonl")
        if any("G/total" in row and row["iter"] >= iteration for row in rows):
            return
        time.sleep(0.1)
    raise AssertionError(f"iteration {iteration} was not reached")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_cleanly(sample_root, tmp_path, number):
    run = training(*words(sample_root, tmp_path / "run", "train_cfg.max_iters=100000", "num_workers=1",
                          "default_hooks.checkpoint.interval=100000"))  # fmt: skip
    wait_for_iteration(tmp_path / "run", 5)
    run.send_signal(number)
    done = run.result(timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert f"{number.name}: saved" in done.stdout
    (saved,) = (tmp_path / "run").glob("iter_*.pth")
    assert read_checkpoint(saved)["iter"] == int(saved.stem[5:]) >= 5


@pytest.mark.slow
def test_a_killed_run_resumes_as_if_it_had_not_been(finished, sample_root, tmp_path):
    folder = tmp_path / "run"
    keep_all = "default_hooks.checkpoint.max_keep_ckpts=-1"
    run = training(*words(sample_root, folder, EMA, SCHEDULE, "train_cfg.max_iters=100000", keep_all))
    wait_for_iteration(folder, 4)
    run.send_signal(signal.SIGKILL)
    assert run.result().returncode == -signal.SIGKILL
    for extra in folder.glob("iter_*.pth"):
        if extra.name != "iter_3.pth":
            extra.unlink()
    succeeded(training(*words(sample_root, folder, EMA, SCHEDULE), "--resume"))
    assert_same_state(*(read_checkpoint(f / "iter_6.pth")["model"] for f in (folder, finished[0])))


@pytest.mark.slow
def test_two_processes_of_half_the_batch_equal_one_of_the_whole(sample_root, tmp_path):
    """No batch norm, dropout or noise: weights after ten steps agree with a single process."""
    plain = [
        "backbone={'type': 'TinyBackbone', 'noise': False}",
        "generator_losses.diversity=None",
        "discriminator_losses.dragan=None",
        "train_cfg.max_iters=10",
        "default_hooks.checkpoint.interval=10",
        "drop=[]",
    ]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "tools/train.py"]
    command = [*launcher, *map(str, words(sample_root, tmp_path / "two", *plain, "batch_size=2"))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    succeeded(training(*words(sample_root, tmp_path / "one", *plain, "batch_size=4")))
    single, double = (read_checkpoint(tmp_path / name / "iter_10.pth") for name in ("one", "two"))
    assert len(double["random_states"]) == 2
    for key, value in single["model"].items():
        assert torch.allclose(value, double["model"][key], atol=2e-5), key
