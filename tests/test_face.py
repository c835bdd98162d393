"""What sketchkit offers to Python."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import sketchkit
from sketchkit.cli import cli
from sketchkit.config import load
from sketchkit.data.image_io import write_image
from sketchkit.data.sample import write_sample
from sketchkit.errors import ConfigError, DataError
from sketchkit.face import _changes
from sketchkit.forms import as_rgb
from sketchkit.inference import TrainedTranslator
from tests.conftest import TINY
from tools.gpu.systems import small_options


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def run(runs):
    return runs("pix2pix")


def test_a_run_is_called_with_a_picture_in_any_form(run, tmp_path):
    translate, picture = sketchkit.load(run, "cpu"), noise(24, 32, 3)
    write_image(tmp_path / "a.png", picture)
    expected = TrainedTranslator(str(run), "cpu")(picture, name="a")
    for given in (str(tmp_path / "a.png"), tmp_path / "a.png", picture, Image.fromarray(picture)):
        made = translate(given)
        assert isinstance(made, Image.Image) and made.size == (32, 24)
        assert np.array_equal(np.asarray(made), expected)
    two = translate([picture, picture])
    assert [np.array_equal(np.asarray(one), expected) for one in two] == [True, True]


def test_grey_and_transparent_pictures_become_rgb():
    gray = noise(4, 5)
    assert np.array_equal(as_rgb(gray), np.dstack([gray] * 3))
    assert np.array_equal(as_rgb(Image.fromarray(gray)), np.dstack([gray] * 3))
    clear = Image.fromarray(np.zeros((2, 2, 4), np.uint8))
    assert (as_rgb(clear) == 255).all()
    palette = Image.new("P", (2, 2))
    palette.info["transparency"] = 0
    assert (as_rgb(palette) == 255).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16"])
def test_a_pillow_image_is_what_its_file_is(mode, tmp_path):
    channels = {"RGB": (9, 7, 3), "RGBA": (9, 7, 4), "LA": (9, 7, 2), "I;16": (9, 7)}[mode]
    pixels = noise(*channels) if mode != "I;16" else noise(*channels).astype(np.uint16) * 257
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(as_rgb(image), as_rgb(tmp_path / "a.png"))


@pytest.mark.parametrize(("array", "message"), [
    (np.zeros((4, 4, 3)), "an array of float64 has no range of its own: give uint8"),
    (np.zeros((4, 4, 3), np.uint16), "an array of uint16"),
    (noise(4, 4, 4), r"an array of shape \(4, 4, 4\) is no picture"),
    (noise(4), r"an array of shape \(4,\) is no picture"),
])  # fmt: skip
def test_an_array_that_may_mean_anything_is_refused(array, message):
    with pytest.raises(DataError, match=message):
        as_rgb(array)


@pytest.mark.slow
def test_training_and_measuring(sample_root, tmp_path):
    options = {
        "data_root": sample_root, "categories": 3, "image_size": 16, "batch_size": 2, "train_cfg.max_iters": 2,
        "train_cfg.val_interval": 2, "backbone": {"type": "TinyBackbone"},
        "heads": {"discriminator": {"type": "TinyHead"}},
    }  # fmt: skip
    folder = sketchkit.train("sketchygan_demo", options, tmp_path / "run", plugin_files=[TINY])
    assert (folder / "iter_2.pth").is_file()
    values = sketchkit.evaluate(folder, metrics=["l1"], device="cpu")
    assert 0 < values["l1"] < 2
    (real,) = folder.glob("eval/*/real")
    assert sketchkit.evaluate(real, real, metrics=["l1", "ssim"]) == {"l1": 0.0, "ssim": 1.0}


def test_building_by_name():
    assert sketchkit.build("UNetGenerator", num_downs=7, width=4).size_multiple == 128
    assert sketchkit.build("PixelLoss", distance="l2") and sketchkit.build("xdog", sigma=1.0).sigma == 1.0
    with pytest.raises(ConfigError, match="nothing is named 'UNetGenerater': did you mean 'UNetGenerator'"):
        sketchkit.build("UNetGenerater")
    with pytest.raises(ConfigError, match="has no option 'downs': did you mean 'num_downs'"):
        sketchkit.build("UNetGenerator", downs=7)


def test_options_are_taken_as_they_are():
    options = {"a": np.float64(2.0), "b": [Path("x"), np.arange(2)], "c": {"d": float("inf")}}
    assert _changes(options) == [("a", 2.0), ("b", ["x", [0, 1]]), ("c", {"d": float("inf")})]


def test_a_device_that_cannot_be_used_is_one_line():
    for call in (lambda: sketchkit.stylize(noise(8, 8), noise(8, 8), device="cuda:99"),
                 lambda: sketchkit.evaluate("real", "fake", device="cuda:99")):  # fmt: skip
        with pytest.raises(ConfigError, match="device=cuda:99 cannot be used"):
            call()


def test_a_picture_is_painted_as_the_command_paints_it(tmp_path):
    content, style = noise(48, 64, 3), noise(50, 40, 3)
    write_image(tmp_path / "content.png", content)
    write_image(tmp_path / "style.png", style)
    options = {"translator.weights": None, "translator.iterations": 2, "translator.pyramid": None}
    words = ["stylize", tmp_path / "content.png", tmp_path / "style.png", "-o", tmp_path / "out.png", "--quiet"]
    changes = [f"{key}={value}" for key, value in options.items()]
    torch.manual_seed(0)  # of the network's weights, which are random here
    result = CliRunner().invoke(cli, [str(word) for word in [*words, *changes]])
    assert result.exit_code == 0, result.output
    torch.manual_seed(0)
    made = sketchkit.stylize(content, tmp_path / "style.png", options=options)
    assert made.size == (64, 48) and np.array_equal(np.asarray(made), as_rgb(tmp_path / "out.png"))
    with pytest.raises(ConfigError, match="one style or more"):
        sketchkit.stylize(content)
    with pytest.raises(ConfigError, match="no preset is called 'vgg16': did you mean 'vgg19'"):
        sketchkit.stylize(content, style, preset="vgg16")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build", "configs", "evaluate", "load", "stylize", "train"])
def test_the_example_of_every_function_runs(name, run, tmp_path, monkeypatch):
    """As it is written, but for the size of what is trained and painted."""
    monkeypatch.chdir(tmp_path)
    for folder in ("real", "fake", "runs"):
        (tmp_path / folder).mkdir()
    for file in ("labels.png", "photo.png", "painting.png", "real/a.png", "fake/a.png"):
        write_image(tmp_path / file, noise(64, 64, 3))
    if name == "load":
        (tmp_path / "runs/pix2pix_facades").symlink_to(run)
    write_sample("pairs", tmp_path / "data/facades", photos_per_class=1, size=32)
    whole = load.load_config
    small = [*small_options("pix2pix_facades"), "train_cfg.max_iters=1", "val_split=val", "num_workers=0"]
    brief = {"train": small, "stylize": ["translator.weights=None", "translator.iterations=1"]}.get(name, [])
    monkeypatch.setattr(load, "load_config", lambda config, more, *rest: whole(config, [*more, *brief], *rest))
    (example,) = doctest.DocTestFinder().find(getattr(sketchkit, name), name, globs={"sketchkit": sketchkit})
    said = []
    failed = doctest.DocTestRunner().run(example, out=said.append)
    # What a command line would print belongs to no example.
    assert example.examples and (
        failed.failed == 0 or (name == "train" and "PosixPath('runs/pix2pix_facades')" in said[-1])
    )
    if name in ("load", "stylize"):
        assert (tmp_path / {"load": "facade.png", "stylize": "stylized.png"}[name]).is_file()


def test_importing_the_package_imports_nothing_more(tmp_path):
    code = "import sys, sketchkit; sketchkit.configs(); assert not {'torch', 'mmengine'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pix2pix_facades" in sketchkit.configs() and {"load", "train", "evaluate", "build"} <= {*dir(sketchkit)}
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        _ = sketchkit.lode


@pytest.mark.slow
def test_importing_what_translates_or_loading_plugins_imports_nothing_that_others_need(tmp_path):
    """They take longer to import than torch itself."""
    code = (
        "import sys, sketchkit.inference\nfrom sketchkit import loading\nloading.load_all()\n"
        "late = {'torch._dynamo', 'mmengine.runner', 'torchvision', 'mmcv', 'matplotlib', 'kornia', 'timm', 'lpips'}\n"
        "assert not late & set(sys.modules), late & set(sys.modules)\nassert not loading.failures()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
