"""Resizing against Pillow's, which the reference of pix2pix and CycleGAN resizes with."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from sketchkit.config.load import load_config
from sketchkit.data.image_io import read_image
from sketchkit.data.transforms.build import build_pipeline, build_transform
from sketchkit.errors import ConfigError
from tests.conftest import ROOT

FACADES = Path(os.environ.get("SKETCHKIT_TEST_DATA", ROOT.parent / "shared" / "data")) / "facades"
WAYS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def pictures():
    """Noise, hard edges and thin lines; and real pictures where there are some."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (256, 256, 3), np.uint8)
    edges = np.kron(rng.integers(0, 2, (32, 40, 3)), np.ones((8, 8, 1))).astype(np.uint8) * 255
    lines = np.full((200, 300, 3), 255, np.uint8)
    lines[::7] = lines[:, ::11] = 0
    real = [read_image(file)[:, :256] for file in sorted(FACADES.rglob("*.jpg"))[:3]]
    return [noise, edges, lines, *real]


def pillow(picture, size, way):
    return np.asarray(Image.fromarray(picture).resize(size, WAYS[way])).astype(int)


def as_sample(picture):
    planes = torch.from_numpy(picture.transpose(2, 0, 1).copy())
    return {"source": tv_tensors.Image(planes), "target": tv_tensors.Image(planes)}


def windows(load, size, seed):
    """Where each pixel of a crop comes from, by the same random numbers."""
    places = torch.stack(torch.meshgrid(torch.arange(load), torch.arange(load), indexing="ij"))
    torch.manual_seed(seed)
    return v2.Compose([v2.RandomCrop(size), v2.RandomHorizontalFlip()])(tv_tensors.Image(places)).numpy()


def pipeline_of(name, loader, *overrides):
    dataset = load_config(ROOT / f"configs/{name}.py", overrides)[loader]["dataset"]
    return build_pipeline(dataset["pipeline"])


@pytest.mark.parametrize("way", WAYS)
def test_training_pictures_are_pillows_resized_cropped_and_mirrored(way):
    pipeline = pipeline_of("pix2pix_facades", "train_dataloader", f"interpolation={way}")
    mirrored = set()
    for seed, picture in enumerate(pictures()):
        rows, columns = windows(286, 256, seed)
        torch.manual_seed(seed)
        out = pipeline(as_sample(picture))
        expected = pillow(picture, (286, 286), way)[rows, columns]
        assert np.abs(out["source"].permute(1, 2, 0).numpy() - expected).max() <= 2
        assert torch.equal(out["source"], out["target"])
        mirrored.add(bool(columns[0, 0] > columns[0, -1]))
    assert mirrored == {True, False}


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("pix2pix_facades", "bicubic"), ("cyclegan_apple2orange", "bicubic"),
        ("recolor_normal", "bicubic"),  ("autopainter_anime_hints", "bilinear"),
        ("sketchygan_sketchy", "bilinear"),
    ],
)  # fmt: skip
def test_held_out_pictures_are_pillows_by_the_config(name, way):
    for picture in pictures():
        out = pipeline_of(name, "val_dataloader", "image_size=64")(as_sample(picture))["target"]
        assert np.abs(out.permute(1, 2, 0).numpy() - pillow(picture, (64, 64), way)).max() <= 2


def test_one_key_changes_every_resizing():
    for name in ("pix2pix_facades", "cyclegan_apple2orange", "cut_apple2orange", "recolor_normal"):
        config = load_config(ROOT / f"configs/{name}.py", ["interpolation=bilinear"])
        steps = str([config[f"{part}_dataloader"]["dataset"]["pipeline"] for part in ("train", "val")])
        assert "bicubic" not in steps and steps.count("'bilinear'") == steps.count("'type': 'Resize")


def test_a_width_and_torchvisions_own_are_resized_by_the_word():
    for picture in pictures():
        for step, size in [
            (dict(type="ResizeWidth", width=100), (100, round(picture.shape[0] * 100 / picture.shape[1]))),
            (dict(type="Resize", size=[90, 80]), (80, 90)),
        ]:
            out = build_transform({**step, "interpolation": "bicubic"})(as_sample(picture))["source"]
            assert np.abs(out.permute(1, 2, 0).numpy() - pillow(picture, size, "bicubic")).max() <= 2


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (
            dict(type="Resize", size=8, interpolation="cubic"),
            "interpolation='cubic': give 'nearest' or 'nearest-exact'",
        ),
        (dict(type="ResizeAndCrop", interpolation="lanczos"), "interpolation='lanczos': give 'nearest' or"),
        (dict(type="ResizeWidth", interpolation=2), "interpolation=2: give 'nearest' or"),
        (dict(type="RandomRotation", degrees=9, interpolation="bicubic"), "give 'nearest' or 'bilinear'$"),
    ],
)
def test_other_words_are_a_line(step, line):
    with pytest.raises(ConfigError, match=line):
        build_transform(step)


def test_a_wrong_word_in_a_config_is_a_line_by_the_key_that_it_was_written_under():
    line = "^interpolation='cubic': give 'nearest' or 'nearest-exact' or 'bilinear' or 'bicubic'$"
    with pytest.raises(ConfigError, match=line):
        load_config(ROOT / "configs/pix2pix_facades.py", ["interpolation=cubic"])
