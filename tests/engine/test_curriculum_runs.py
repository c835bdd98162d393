"""A whole run on edge maps and sketches: stopped and resumed it is the run that was never stopped."""

import shutil

import pytest
import torch

from sketchkit.config.load import load_config
from sketchkit.data.datasets.curriculum import SketchyCurriculum
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.engine.train import train
from tests.conftest import ROOT, TINY, tiny_overrides

TERMS = "generator_losses={'pixel': {'type': 'PixelLoss'}, 'gan': {'type': 'AdversarialLoss'}}"
JUDGED = (
    "discriminator_losses={'gan': {'type': 'AdversarialLoss'}, 'classes': {'type': 'AuxiliaryClassificationLoss'}, "
    "'r1': {'type': 'R1Penalty'}}"
)


def values(folder):
    return [
        {k: v for k, v in row.items() if k != "images_per_second"} for row in read_scalars(folder / "scalars.jsonl")
    ]


@pytest.mark.slow
def test_a_resumed_curriculum_equals_one_never_stopped(sample_root, tmp_path, monkeypatch):
    own, told = SketchyCurriculum.share_at, tmp_path / "shares.txt"

    def share_at(self, draw):
        share = own(self, draw)
        with told.open("a") as file:
            file.write(f"{draw} {share}\n")
        return share

    monkeypatch.setattr(SketchyCurriculum, "share_at", share_at)
    photos = tmp_path / "photos"
    shutil.copytree(next((sample_root / "photo").rglob("apple")).parent, photos)
    more = [f"photo_root={photos}", "drop=['error']", "share=[0.0,1.0]", TERMS, JUDGED, "num_workers=2",
            "train_cfg.max_iters=8", "train_cfg.val_interval=8", "default_hooks.checkpoint.interval=4",
            "train_dataloader.dataset.photo_size=32", "default_hooks.watchdog=None", "translator.ema=None",
            "optim_wrapper.generator.paramwise_cfg=None", "optim_wrapper.discriminator.paramwise_cfg=None"]  # fmt: skip
    config = load_config(ROOT / "configs/sketchygan_official_sketchy.py", tiny_overrides(sample_root, *more), [TINY])
    with pytest.warns(UserWarning, match="left out"):
        folder = train(config, tmp_path / "whole")
    shares = [line.split() for line in told.read_text().splitlines()]
    told.unlink()
    # Eight iterations of four draws, and those that the workers have read ahead.
    assert {*range(32)} <= {int(draw) for draw, _ in shares}
    assert all(float(share) == pytest.approx(min(int(draw) / 32, 1)) for draw, share in shares)
    resumed = tmp_path / "resumed"
    shutil.copytree(folder, resumed)
    (resumed / "iter_8.pth").unlink()
    torch.manual_seed(99)
    with pytest.warns(UserWarning, match="left out"):
        train(config, resumed, resume=True)
    assert min(int(line.split()[0]) for line in told.read_text().splitlines()) == 16
    first, second = (read_checkpoint(path / "iter_8.pth")["model"] for path in (folder, resumed))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert values(resumed) == values(folder)
