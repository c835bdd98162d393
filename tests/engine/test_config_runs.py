"""Up to sixty iterations of every config, made small, on sample data of its kind; resuming, and several processes."""

import json
import shutil

import pytest
import torch

from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.engine.train import train
from tests.conftest import drawing_curves
from tests.engine.test_runs import assert_same_state, losses
from tests.forks import succeeded, training_together
from tools.gpu.systems import system_config, trained_configs

QUICK = ["num_workers=0", "default_hooks.logger.interval=20", "default_hooks.grids.interval=60",
         "default_hooks.grids.samples=2", "batch_size=2"]  # fmt: skip
FASTER = ["optim_wrapper.generator.optimizer.lr=2e-3"]
# What the generator is seen to learn in sixty iterations; the others are too slow for that, by their learning rates.
LEARNT = {"autopainter": ["tv"], "autopainter_official_anime": ["pixel"], "autopainter_lineart": ["pixel"],
          "pix2pix": ["pixel"], "cyclegan": ["cycle", "cycle_BtoA"], "recolor": ["pixel"], "cut": ["nce"],
          "fastcut": ["nce"]}  # fmt: skip
SLOW = ["recolor_wgan"]


@pytest.fixture
def small(setting):
    """`small(config's name, *overrides)`: the config with small networks, on sample data of its kind."""
    return lambda name, *more: system_config(name, setting, *QUICK, *more)


@pytest.mark.slow
@pytest.mark.parametrize("name", trained_configs())
def test_sixty_iterations_or_half_as_many_where_learning_is_not_seen(name, small, tmp_path):
    learnt = LEARNT.get(name, LEARNT.get(name.partition("_")[0], [])) if name not in SLOW else []
    end = 60 if learnt else 30
    changes = [f"train_cfg.max_iters={end}", f"train_cfg.val_interval={end}", f"default_hooks.grids.interval={end}",
               f"default_hooks.logger.interval={end // 3}"]  # fmt: skip
    with drawing_curves():
        folder = train(small(name, *changes, *(FASTER if name.startswith("autopainter") else [])), tmp_path / "run")
    rows = read_scalars(folder / "scalars.jsonl")
    assert [row["iter"] for row in rows if "G/total" in row] == [end // 3, 2 * end // 3, end]
    checkpoint = read_checkpoint(folder / f"iter_{end}.pth")
    assert all(value.isfinite().all() for value in checkpoint["model"].values() if isinstance(value, torch.Tensor))
    assert (folder / "grids" / f"iter_{end:06d}.png").is_file() and (folder / "curves.png").is_file()
    # Pictures that belong to none, translated one way, are compared with nothing.
    measured = [] if "cut" in name else [end]
    assert [row["iter"] for row in rows if any(key.startswith("val/") for key in row)][-1:] == measured
    for term in learnt:
        first, *_, last = (row[f"G/{term}"] for row in rows if "G/total" in row)
        assert last < 0.97 * first, term


@pytest.mark.slow
def test_a_wasserstein_critic_keeps_its_weights_clipped_and_steps_five_times(small, tmp_path):
    folder = train(small("recolor_wgan", "train_cfg.max_iters=4", "train_cfg.val_interval=4"), tmp_path / "run")
    state = read_checkpoint(folder / "iter_4.pth")
    weights = [value for name, value in state["model"].items() if name.startswith("heads.") and "running" not in name]
    assert max(value.abs().max() for value in weights if value.is_floating_point()) <= 0.01 + 1e-9
    steps = {
        side: {int(one["step"]) for one in optimizer["state"].values()}
        for side, optimizer in state["optimizers"].items()
    }
    assert steps == {"generator": set(), "discriminator": {4}}


@pytest.mark.slow
def test_a_cyclegan_resumes_bit_for_bit_with_its_pools(small, tmp_path):
    more = ["train_cfg.max_iters=8", "train_cfg.val_interval=4", "default_hooks.checkpoint.interval=4",
            "translator.pool_size=2", "default_hooks.logger.interval=1"]  # fmt: skip
    config = small("cyclegan_sketch2color", *more)
    whole, cut = train(config, tmp_path / "whole"), tmp_path / "cut"
    shutil.copytree(whole, cut)
    (cut / "iter_8.pth").unlink()
    pools = read_checkpoint(cut / "iter_4.pth")["random_states"][0]["model"]["pools"]
    assert [len(pools[way]) for way in ("AtoB", "BtoA")] == [2, 2]
    torch.manual_seed(5)
    train(config, cut, resume=True)
    first, second = (read_checkpoint(folder / "iter_8.pth") for folder in (whole, cut))
    assert_same_state(first["model"], second["model"])
    assert_same_state(first["optimizers"], second["optimizers"])
    assert losses(whole) == losses(cut)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "more"),
    [
        (
            "cyclegan_sketch2color",
            ["+translator.pool_size=0", "serial=True", "backbone.norm=None", "heads.discriminator.norm=None"],
        ),
        (
            "pix2pix_facades",
            [
                "backbone.num_downs=5",
                "backbone.norm=instance",
                "backbone.dropout=0",
                "heads.discriminator.norm=instance",
            ],
        ),
    ],
)
def test_two_processes_equal_one(name, more, small, tmp_path):
    """Without batch norm, dropout and pool the weights after ten steps are those of a single process.

    The deep ResNet goes without instance norm too, as it blows up rounding where pictures are flat; the UNet goes down
    to one pixel, where it has none, as over four it does the same.

    By SGD: Adam would blow up the rounding error that is all the gradient of a bias before an instance norm.
    """
    sgd = [f"optim_wrapper.{side}.optimizer=dict(type='SGD',lr=0.001)" for side in ("generator", "discriminator")]
    config = small(name, *more, *sgd, "train_cfg.max_iters=10", "train_cfg.val_interval=10", "image_size=32",
                   "default_hooks.checkpoint.interval=10", "batch_size=2")  # fmt: skip
    for processes, batch in ((1, 2), (2, 1)):
        config.batch_size = config.train_dataloader.batch_size = batch
        path = tmp_path / f"config_{processes}.json"
        path.write_text(json.dumps(config.to_dict()))
        for fork in training_together(processes, path, "--trust-code", "--work-dir", tmp_path / f"run_{processes}"):
            succeeded(fork)
    one, two = (read_checkpoint(tmp_path / f"run_{count}" / "iter_10.pth")["model"] for count in (1, 2))
    for key, value in one.items():
        assert torch.allclose(value, two[key], atol=1e-6), key
