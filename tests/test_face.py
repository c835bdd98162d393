"""What sketchkit offers to Python."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import sketchkit
from sketchkit.data.image_io import write_image
from sketchkit.errors import ConfigError, DataError
from sketchkit.face import as_rgb
from sketchkit.inference import TrainedTranslator
from tests.conftest import TINY


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


def test_importing_the_package_imports_nothing_more(tmp_path):
    code = "import sys, sketchkit; sketchkit.configs(); assert not {'torch', 'mmengine'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pix2pix_facades" in sketchkit.configs() and {"load", "train", "evaluate", "build"} <= {*dir(sketchkit)}
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        _ = sketchkit.lode
