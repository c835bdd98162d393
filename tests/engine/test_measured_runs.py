"""Metrics inside training: the numbers of `sketchkit eval`, the best checkpoint by them, and two processes."""

import json

import pytest

from sketchkit.cli import main
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.engine.train import train
from sketchkit.errors import ConfigError
from tests.conftest import NARROW, TINY, tiny_overrides
from tests.forks import succeeded, training_together
from tests.small_runs import small_run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_of_this_machine")]  # whole runs

NETWORK = "timm:test_resnet.r160_in1k"
FID = {"type": "fid", "feature_extractor": NETWORK}
RANDOM = "val_evaluator.allow_random_weights=True"


def held_out(folder):
    """iteration -> name -> what was measured."""
    rows = {}
    for row in read_scalars(folder / "scalars.jsonl"):
        measured = {name.removeprefix("val/"): row[name] for name in row if name.startswith("val/")}
        if measured:
            rows[row["iter"]] = measured
    return rows


def evaluated(capsys, *words):
    """metric -> number, by the command line; its metrics are those of the run's config."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["eval", *map(str, words), "--workers", "0", "--device", "cpu", "--json"])
    assert not end.value.code, capsys.readouterr().err
    result = json.loads(capsys.readouterr().out)
    more = ("kid_std", "colorfulness_real", "colorfulness_fake", "checkerboard_real", "classification_top5")
    numbers = {name: score["value"] for name, score in result["metrics"].items()}
    return numbers | {name: s[name] for s in result["metrics"].values() for name in more if name in s}


CLASSIFIER = {"type": "classification", "classifier": NETWORK, "classes": ["apple", "banana", "cabin"]}
MEASURED = {
    "pix2pix": (["l1", "psnr", "ssim", "lpips", FID, "colorfulness", "checkerboard"], ()),
    "classes": (
        ["psnr", "lpips-diversity", FID, CLASSIFIER],
        ("val_dataloader.dataset.split=all", "val_dataloader.dataset.max_samples=5"),
    ),
    # Five sources meet six targets, so that one source is seen twice.
    "cycle": ([FID, "colorfulness"], ("val_split=train", "val_dataloader.dataset.max_samples=None")),
}


@pytest.mark.parametrize("kind", MEASURED)
def test_a_validation_measures_what_the_command_measures(kind, tmp_path, made_alexnet, capsys):
    metrics, changes = MEASURED[kind]
    weights = f"val_evaluator.weights={{'alexnet': '{made_alexnet}'}}"
    run = small_run(kind, tmp_path, f"metrics={metrics}", RANDOM, weights, *changes)
    numbers = evaluated(capsys, run, "--allow-random-weights", "--weights", f"alexnet={made_alexnet}")
    assert {"fid_random", "kid_random"} <= set(numbers) and len(numbers) > len(metrics)
    measured = held_out(run)[3]
    assert {name: measured[name] for name in numbers} == pytest.approx(numbers, rel=1e-6)
    assert set(measured) - set(numbers) <= {"l1", "diversity", "cycle_A", "cycle_B"}


def test_pictures_of_pairs_are_not_measured_without_pairs(tmp_path):
    with pytest.raises(ConfigError, match="metrics: lpips_random compares pairs, and unpaired pictures are none"):
        small_run("cycle", tmp_path, "metrics=['lpips']", RANDOM)


def stopped(tiny_config, folder, patience, **options):
    # Steps so long that only the start is good.
    changes = ["metrics=['l1']", "default_hooks.checkpoint.save_best=l1", "optim_wrapper.generator.optimizer.lr=1000.0"]
    hook = f"custom_hooks=[dict(type='StopEarlyHook',by='l1',patience={patience})]"
    return train(tiny_config(*changes, hook, "train_cfg.val_interval=1"), folder, **options)


def test_a_run_ends_when_its_score_has_stopped_getting_better(tiny_config, tmp_path, capsys):
    folder = stopped(tiny_config, tmp_path / "run", 2)
    rows = {iteration: row["l1"] for iteration, row in held_out(folder).items()}
    last = max(rows)
    first_best = min(rows, key=lambda iteration: rows[iteration])
    assert last == first_best + 2 < 6
    assert (folder / f"iter_{last}.pth").is_file()
    said = capsys.readouterr().out
    assert f"after iteration {first_best}, and has not been since: stopping" in said and "stopped early: saved" in said
    # It stays stopped, and goes on where more patience is asked for.
    stopped(tiny_config, tmp_path / "run", 2, resume=True)
    assert max(held_out(folder)) == last
    stopped(tiny_config, tmp_path / "run", 3, resume=True)
    assert max(held_out(folder)) == last + 1


def test_stopping_early_by_what_is_not_measured_is_refused(tiny_config, tmp_path):
    hook = "custom_hooks=[dict(type='StopEarlyHook',by='psnr')]"
    with pytest.raises(ConfigError, match="StopEarlyHook: by='val/psnr' is not measured"):
        train(tiny_config(hook), tmp_path / "run")


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (
            "'lpips-diversity'",
            "lpips-diversity_random needs several outputs a source, and the generator takes no noise",
        ),
        (str(CLASSIFIER), "classification_random needs classes, and the data have none"),
    ],
)
def test_what_a_run_cannot_give_is_not_measured(tmp_path, metric, message):
    with pytest.raises(ConfigError, match=message):
        small_run("pix2pix", tmp_path, f"metrics=[{metric}]", RANDOM)


def best(folder):
    (path,) = folder.glob("best_*.pth")
    return path


def test_the_best_checkpoint_is_kept_and_is_what_was_measured(tiny_config, tmp_path, capsys):
    names = ["fid_random", "l1"]
    changes = [f"metrics=['l1', {FID}]", RANDOM, "val_dataloader.dataset.max_samples=5"]
    # Steps so long that the last is not the best.
    changes += ["optim_wrapper.generator.optimizer.lr=1000.0", "train_cfg.val_interval=2"]
    folder = train(tiny_config(*changes, f"default_hooks.checkpoint.save_best={names}"), tmp_path / "run")
    rows = held_out(folder)
    assert list(rows) == [0, 2, 4, 6]
    chosen = {name: min(rows, key=lambda iteration: rows[iteration][name]) for name in names}
    assert chosen["l1"] < 6
    found = {f"best_val_{name}_iter_{iteration}.pth" for name, iteration in chosen.items()}
    assert {path.name for path in folder.glob("best_*")} == found
    for name, iteration in chosen.items():
        path = folder / f"best_val_{name}_iter_{iteration}.pth"
        assert read_checkpoint(path)["iter"] == iteration
        assert evaluated(capsys, path, "--allow-random-weights")[name] == pytest.approx(rows[iteration][name], rel=1e-6)


BEST = ("metrics=['psnr']", "default_hooks.checkpoint.save_best=val/psnr")


def test_the_best_checkpoint_outlives_a_resume(tiny_config, tmp_path):
    def train_on(rate, iterations, **options):
        changes = [*BEST, f"optim_wrapper.generator.optimizer.lr={rate}", f"train_cfg.max_iters={iterations}"]
        folder = train(tiny_config(*changes, "train_cfg.val_at_start=False"), tmp_path / "run", **options)
        return folder, {iteration: row["psnr"] for iteration, row in held_out(folder).items()}

    folder, _ = train_on(1e-3, 3)
    first = best(folder)
    assert first.name == "best_val_psnr_iter_3.pth"
    content = first.read_bytes()
    folder, values = train_on(1000.0, 6, resume=True)
    assert values[6] < values[3]
    assert best(folder) == first and first.read_bytes() == content
    # From the third iteration again, now for the better.
    (folder / "iter_6.pth").unlink()
    folder, values = train_on(0.02, 6, resume=True)
    assert values[6] > values[3]
    assert best(folder).name == "best_val_psnr_iter_6.pth"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["default_hooks.checkpoint.save_best=psnrr"], "nothing is measured by the name 'psnrr': did you mean 'psnr'"),
        (
            ["default_hooks.checkpoint.save_best=fid"],
            "save_best='val/fid' is not measured: did you mean 'val/l1'",
        ),
        (
            ["default_hooks.checkpoint.save_best=colorfulness", "metrics=['colorfulness']"],
            "colorfulness is better at neither end",
        ),
        (
            ["default_hooks.checkpoint.save_best=l1", "val_dataloader=None", "val_evaluator=None", "val_cfg=None"],
            "save_best='val/l1' is not measured",
        ),
        (["metrics=['fidd']"], "no metric is named 'fidd': did you mean 'fid'"),
        (["metrics=[{'resize': 'tf'}]"], "metrics.0={'resize': 'tf'}: it needs a type"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(tiny_config, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        train(tiny_config(*changes), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not [row for row in read_scalars(tmp_path / "run/scalars.jsonl") if row["iter"]]


def test_what_a_validation_leaves_out_is_no_choice(tiny_config, tmp_path):
    """Diversity, where the generator takes no noise."""
    silent = "backbone={'type': 'UNetGenerator', 'width': 4, 'num_downs': 2}"
    changes = [silent, "generator_losses.diversity=None", "default_hooks.checkpoint.save_best=diversity"]
    with pytest.raises(ConfigError, match="save_best='val/diversity' is not measured: known: val/l1"):
        train(tiny_config(*changes, "train_cfg.val_at_start=True"), tmp_path / "run")


def test_two_processes_measure_what_one_does(sample_root, tmp_path, capsys):
    """Of an odd number of samples, so that one process is given a sample twice; running statistics would differ."""
    changes = ["backbone={'type': 'TinyBackbone'}", f"metrics=['psnr', {FID}]", RANDOM]
    changes += ["val_dataloader.dataset.max_samples=5", "default_hooks.checkpoint.save_best=psnr"]
    changes += ["train_cfg.max_iters=1", "train_cfg.val_interval=1", "train_cfg.val_at_start=False"]
    words = [NARROW, "--plugin", TINY, "--work-dir", tmp_path / "run", "--cfg-options"]
    for fork in training_together(2, *words, *tiny_overrides(sample_root, *changes)):
        succeeded(fork)
    measured = held_out(tmp_path / "run")[1]
    numbers = evaluated(capsys, best(tmp_path / "run"), "--allow-random-weights")
    assert set(numbers) == {"psnr", "fid_random", "kid_random"}
    assert {name: measured[name] for name in numbers} == pytest.approx(numbers, rel=1e-6)
