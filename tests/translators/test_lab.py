"""Lab against scikit-image, which has other code and the same sRGB and D65."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab
from skimage.transform import resize

from sketchkit.data.image_io import read_image
from sketchkit.errors import ConfigError
from sketchkit.translators.lab import LabPreprocessor
from tests.conftest import ROOT

SAMPLES = Path(os.environ.get("SKETCHKIT_TEST_DATA", ROOT.parent / "shared" / "data")) / "skimage_samples"


def corners():
    """Black, white, greys and the corners of the cube, which are Lab's most extreme colours."""
    levels = [(r, g, b) for r in (0, 255) for g in (0, 255) for b in (0, 255)]
    return np.array([*levels, *((v, v, v) for v in (1, 10, 128, 254))], np.uint8).reshape(3, 4, 3)


def pictures():
    noise = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    real = [read_image(file)[::7, ::7] for file in sorted(SAMPLES.glob("*.png"))[:3]]
    return [noise, corners(), *real]


def batch_of(*images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def smooth(height, width):
    """Muted colours that change slowly, so that no nearby mixture of them leaves sRGB."""
    y, x = np.mgrid[:height, :width] / (height, width)[0]
    return (np.stack([90 + 60 * x, 110 + 40 * y, 120 - 30 * x * y], -1)).clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("ab_range", [110.0, 128.0])
@pytest.mark.parametrize("image", pictures(), ids=lambda image: "x".join(map(str, image.shape)))
def test_the_networks_see_scikit_images_lab(image, ab_range):
    batch = LabPreprocessor(ab_range=ab_range)({"source": batch_of(image) * 0, "target": batch_of(image), "key": ["a"]})
    expected = rgb2lab(image)
    assert batch["source"].shape == (1, 1, *image.shape[:2]) and batch["target"].shape == (1, 2, *image.shape[:2])
    found = np.concatenate([(batch["source"][0].numpy() + 1) * 50, batch["target"][0].numpy() * ab_range])
    assert np.abs(found.transpose(1, 2, 0) - expected).max() < 0.05
    assert batch["source"].abs().max() <= 1.0001 and batch["target"].abs().max() <= 1
    assert batch["key"] == ["a"]


@pytest.mark.parametrize("predicted", ["ab", "lab"])
@pytest.mark.parametrize("image", pictures(), ids=lambda image: "x".join(map(str, image.shape)))
def test_a_picture_comes_back_as_it_was(image, predicted):
    preprocessor = LabPreprocessor(predicted)
    batch = preprocessor({"target": batch_of(image)})
    assert batch["target"].shape[1] == len(predicted)
    back = preprocessor.to_picture(batch["target"], "target", batch["source"])
    assert (back.add(1).mul(127.5) - batch_of(image)).abs().max() < 0.5


def test_the_whole_form_holds_lightness_before_colour():
    batch = LabPreprocessor("lab")({"target": batch_of(corners())})
    assert torch.equal(batch["target"][:, :1], batch["source"])
    color = LabPreprocessor("ab")({"target": batch_of(corners())})["target"]
    assert torch.equal(batch["target"][:, 1:], color)


@pytest.mark.parametrize("predicted", ["ab", "lab"])
def test_pictures_are_put_together_as_scikit_image_does(predicted):
    """With any colour predicted, also one outside sRGB; a predicted lightness counts for nothing."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, len(predicted), 9, 7, generator=generator) * 2 - 1
    source = torch.rand(2, 1, 9, 7, generator=generator) * 2 - 1
    shown = LabPreprocessor(predicted, ab_range=60).to_picture(image, "target", source)
    assert shown.shape == (2, 3, 9, 7) and shown.abs().max() <= 1
    lab = torch.cat([(source + 1) * 50, image[:, -2:] * 60], 1).permute(0, 2, 3, 1).double().numpy()
    # scikit-image moves a negative z to 0 before it goes on, kornia does not: look where sRGB holds the colour.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = lab2rgb(lab) * 2 - 1
    inside = (np.abs(expected) < 0.999).all(-1)
    assert inside.mean() > 0.2
    assert np.abs(shown.permute(0, 2, 3, 1).numpy() - expected)[inside].max() < 2e-3


def test_the_lightness_keeps_its_size_where_the_colour_is_smaller():
    large = smooth(48, 32)
    preprocessor = LabPreprocessor()
    source = preprocessor({"source": batch_of(large)})["source"]
    small = batch_of(np.round(resize(large, (12, 8), anti_aliasing=True) * 255).astype(np.uint8))
    shown = preprocessor.to_picture(preprocessor({"target": small})["target"], "target", source)
    assert shown.shape == (1, 3, 48, 32)
    pixels = shown[0].add(1).div(2).permute(1, 2, 0).double().numpy()
    assert np.abs(rgb2lab(pixels)[..., 0] - rgb2lab(large)[..., 0]).max() < 0.05
    assert np.abs(rgb2lab(pixels)[..., 1:] - rgb2lab(large)[..., 1:]).max() < 3
    # The same colour with fine detail in the lightness alone: the detail is kept.
    detail = source + 0.2 * torch.rand(source.shape, generator=torch.Generator().manual_seed(0))
    again = preprocessor.to_picture(preprocessor({"target": small})["target"], "target", detail)
    lightness = rgb2lab(again[0].add(1).div(2).permute(1, 2, 0).double().numpy())[..., 0]
    assert np.abs(lightness - (detail[0, 0].numpy() + 1) * 50).max() < 0.05


def test_a_source_alone_is_its_lightness_and_is_shown_grey():
    preprocessor = LabPreprocessor()
    image = pictures()[0]
    source = preprocessor({"source": batch_of(image), "key": ["x"]})["source"]
    assert np.abs((source[0, 0].numpy() + 1) * 50 - rgb2lab(image)[..., 0]).max() < 0.05
    shown = preprocessor.to_picture(source, "source")
    assert shown.shape == (1, 3, *image.shape[:2])
    assert (shown.amax(1) - shown.amin(1)).max() < 1e-3
    gray = np.full((4, 4, 3), 77, np.uint8)
    source = preprocessor({"source": batch_of(gray)})["source"]
    assert (preprocessor.to_picture(source, "source").add(1).mul(127.5) - 77).abs().max() < 0.1


def test_a_hint_goes_along():
    """RGB (255, 0, 51) with alpha 51 of 255: (1, -1, -0.6) times 0.2, and 0.2."""
    hint = torch.tensor([255, 0, 51, 51], dtype=torch.uint8).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    out = LabPreprocessor()({"target": batch_of(corners()), "hint": hint})["hint"]
    assert torch.allclose(out[0, :, 0, 0], torch.tensor([0.2, -0.2, -0.12, 0.2]))


def test_what_is_predicted_is_one_of_two():
    with pytest.raises(ConfigError, match="predicted='LAB' is not a choice"):
        LabPreprocessor("LAB")


@pytest.mark.parametrize("color", [(0, 0), (20, 10), (-60, 40), (90, -100)])
def test_black_and_white_have_no_colour_whatever_is_predicted(color):
    """scikit-image: L 0 is black and L 100 white; in between only what is within sRGB is compared."""
    preprocessor = LabPreprocessor()
    source = preprocessor({"source": batch_of(np.array([[[0] * 3, [255] * 3, [0, 0, 1], [255, 255, 254]]], np.uint8))})
    ab = torch.tensor(color, dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, 1, 4) / preprocessor.ab_range
    shown = preprocessor.to_picture(ab, "target", source["source"])[0, :, 0].T
    expected = lab2rgb(np.array([[[0.0, 0, 0], [100, 0, 0]]]))[0] * 2 - 1
    assert np.abs(shown[:2].numpy() - expected).max() < 1e-4
    # What is nearly black or white, and has a colour of its own in 8 bits, keeps the one that is predicted.
    if color == (0, 0):
        assert (shown[2:].amax(1) - shown[2:].amin(1)).max() < 1e-3
    else:
        assert (shown[2:].amax(1) - shown[2:].amin(1)).max() > 1e-2


def test_a_tall_picture_in_parts_is_the_picture_at_once(monkeypatch):
    picture = torch.randint(0, 256, (2, 3, 37, 9), dtype=torch.uint8)
    whole = LabPreprocessor()({"target": picture})
    shown = LabPreprocessor().to_picture(whole["target"], "target", whole["source"])
    monkeypatch.setattr("sketchkit.translators.lab._ROWS", 8)
    parts = LabPreprocessor()({"target": picture})
    assert torch.equal(parts["target"], whole["target"]) and torch.equal(parts["source"], whole["source"])
    assert torch.equal(LabPreprocessor().to_picture(whole["target"], "target", whole["source"]), shown)
