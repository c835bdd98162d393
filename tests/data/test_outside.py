"""A data set and a line method from one file outside: checked, trained on, drawn with, and no file of ours changed."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from sketchkit.cli import cli
from sketchkit.data.image_io import read_image, write_image
from sketchkit.data.prepare.checking import find_kind
from sketchkit.data.sample import write_sample
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.face import train
from tests.conftest import TINY

PLUGIN = '''
from pathlib import Path

from torch import Tensor, nn

from sketchkit.data.base import FileDataset
from sketchkit.data.listing import pictures_in
from sketchkit.registry import DATASETS, LINE_METHODS


@DATASETS.register_module()
class MirrorDataset(FileDataset):
    """A picture and its mirror image, from a folder called glass."""

    kind = "mirrors"

    @classmethod
    def recognize(cls, root):
        return 1.0 if (root / "glass").is_dir() else 0.0

    def __init__(self, data_root="data", pipeline=(), seed=0, max_unreadable=10):
        self.pictures = pictures_in(Path(data_root) / "glass")
        super().__init__(Path(data_root), len(self.pictures), self.pictures, pipeline, seed, max_unreadable)

    def parts(self, index, draw):
        return (self.pictures[index],)

    def compose(self, index, pictures):
        return {"source": pictures[0].flip(-1), "target": pictures[0]}


@LINE_METHODS.register_module(name="threshold")
class Threshold(nn.Module):
    def __init__(self, level: float = 0.5) -> None:
        super().__init__()
        self.level = level

    def forward(self, gray: Tensor) -> Tensor:
        return (gray > self.level).to(gray.dtype)
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugin") / "mirrors.py"
    file.write_text(PLUGIN)
    return file


@pytest.fixture
def outside(plugin, tmp_path):
    """The plugin's file and a folder of six pictures of its kind."""
    (tmp_path / "data/glass").mkdir(parents=True)
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        write_image(tmp_path / f"data/glass/{number}.png", pixels)
    return plugin, tmp_path / "data"


def call(*words):
    result = CliRunner().invoke(cli, list(map(str, words)))
    assert result.exit_code in (0, 1), result.output
    return result


def test_a_folder_is_known_and_checked(outside):
    plugin, data = outside
    (data / "glass/bad.png").write_bytes(b"no picture")
    found = json.loads(call("data", "check", data, "--plugin", plugin, "--json").stdout)
    assert found["kind"] == "mirrors" and found["all"] == 7
    (line,) = found["unreadable"]
    assert "bad.png" in line


def test_it_is_trained_on(outside, tmp_path):
    plugin, data = outside
    dataset = {"type": "MirrorDataset", "data_root": data, "pipeline": []}
    options = {
        "image_size": 16, "num_workers": 0, "train_cfg.max_iters": 2, "train_cfg.val_interval": 2,
        "backbone": {"type": "TinyBackbone"}, "heads": {"discriminator": {"type": "TinyHead"}},
        "train_dataloader.dataset": dataset, "val_dataloader.dataset": dataset,
    }  # fmt: skip
    folder = train("pix2pix_facades", options, tmp_path / "run", plugin_files=[plugin, TINY])
    assert "backbone.first.weight" in read_checkpoint(folder / "iter_2.pth")["model"]


def test_lines_are_drawn_by_it(outside, tmp_path):
    plugin, data = outside
    words = ("--method", "threshold", "--option", "level=0.25", "--lines-only", "--plugin", plugin)
    call("data", "sketch", data / "glass", tmp_path / "lines", *words, "--workers", 0)
    drawn = sorted((tmp_path / "lines").rglob("*.png"))
    assert len(drawn) == 6 and all({*np.unique(read_image(file))} == {0, 255} for file in drawn)


@pytest.mark.parametrize("kind", ["sketchy", "pairs", "unpaired", "color"])
def test_every_sample_set_is_known_by_its_layout(kind, tmp_path, sample_root):
    if kind == "sketchy":
        assert find_kind(sample_root) == kind
    else:
        write_sample(kind, tmp_path, photos_per_class=1, size=16)
        assert find_kind(tmp_path) == kind


def test_what_is_broken_hides_no_layout(tmp_path):
    for number in range(3):
        write_image(tmp_path / f"{number}.png", np.zeros((8, 16, 3), np.uint8))
    (tmp_path / "0.png").write_bytes(b"no picture")
    assert find_kind(tmp_path) == "pairs"


@pytest.mark.parametrize("layout", ["trainA", "train/A", "A/train"])
def test_every_layout_that_is_trained_on_is_checked(layout, tmp_path):
    for name in (layout, layout.replace("A", "B")):
        (tmp_path / name).mkdir(parents=True)
        write_image(tmp_path / name / "a.png", np.zeros((8, 8, 3), np.uint8))
    found = json.loads(call("data", "check", tmp_path, "--kind", "unpaired", "--json").stdout)
    assert found["train"] == 1 and not found["unreadable"]
