import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from sketchkit.data.statistics import ImageStatistics
from sketchkit.errors import ConfigError
from sketchkit.translators.preprocessing import TranslationPreprocessor


def test_symmetric_maps_bytes_to_the_range_of_tanh():
    image = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    out = TranslationPreprocessor()({"source": image, "target": image, "label": torch.tensor([1])})
    expected = torch.arange(256).view(1, 1, 16, 16) / 127.5 - 1
    assert torch.allclose(out["source"], expected, atol=1e-6)
    assert torch.allclose(out["target"], expected, atol=1e-6)
    assert out["label"].tolist() == [1]


# What the report's own dataset_stats.npz holds (EamonnCarson/Sketch2img, final/), rounded: its photos and sketches
# have 0 and 1 in every channel.
PHOTOS_MEAN, PHOTOS_SCALING = (0.47139, 0.44751, 0.39580), 0.60420
SKETCHES_MEAN, SKETCHES_SCALING = (0.03884,) * 3, 0.96116
WHOLE = ((0.0,) * 3, (1.0,) * 3)


def centered():
    preprocessor = TranslationPreprocessor("centered")
    assert preprocessor.needs_statistics
    photos, sketches = ImageStatistics(PHOTOS_MEAN, *WHOLE), ImageStatistics(SKETCHES_MEAN, *WHOLE)
    preprocessor.use_statistics({"source": sketches, "target": photos})
    assert not preprocessor.needs_statistics
    return preprocessor


def test_centered_is_the_reports_normalization_and_comes_back():
    """ToTensor and Normalize of torchvision with the numbers of its file."""
    preprocessor, image = centered(), torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    for key, mean, scaling in (("target", PHOTOS_MEAN, PHOTOS_SCALING), ("source", SKETCHES_MEAN, SKETCHES_SCALING)):
        out = preprocessor.normalize(image, key)
        assert torch.allclose(out, v2.functional.normalize(image / 255, mean, (scaling,) * 3), atol=2e-5)
        assert torch.allclose(preprocessor.to_picture(out, key), image.float() / 127.5 - 1, atol=1e-5)


def test_centered_pictures_fill_the_range_of_tanh_and_stay_in_it():
    image = torch.tensor([0, 255], dtype=torch.uint8).expand(1, 3, 1, 2)
    out = centered().normalize(image, "target")
    assert out.max() == pytest.approx(1) and out.min() > -1
    shown = centered().to_picture(torch.tensor([-1.0, 1.0]).expand(1, 3, 1, 2), "target")
    assert shown.abs().max() == 1


def test_grey_pictures_have_one_mean():
    preprocessor, image = TranslationPreprocessor("centered"), torch.full((1, 1, 2, 2), 51, dtype=torch.uint8)
    grey = ImageStatistics((0.2,), (0.0,), (0.6,))
    preprocessor.use_statistics({"source": grey, "target": grey})
    assert torch.allclose(preprocessor.normalize(image, "source"), torch.zeros(1, 1, 2, 2), atol=1e-6)


def test_statistics_travel_in_the_state():
    new = TranslationPreprocessor("centered")
    new.load_state_dict(centered().state_dict())
    assert torch.allclose(new.target_mean, torch.tensor(PHOTOS_MEAN))
    assert new.target_scale.item() == pytest.approx(PHOTOS_SCALING, abs=1e-5)


@pytest.mark.parametrize("brightness", [0.0, 0.3])
def test_stretched_is_the_published_preparation_of_photos(brightness):
    """In NumPy what input_pipeline.py does after the resizing, given the same contrast (wchen342/SketchyGAN)."""
    rng = np.random.default_rng(0)
    photos = rng.integers(30, 200, (4, 3, 16, 16)).astype(np.uint8)
    torch.manual_seed(7)
    out = TranslationPreprocessor("stretched")({"target": torch.from_numpy(photos)}, training=True)["target"]
    torch.manual_seed(7)
    contrast = torch.empty(4, 1, 1, 1).uniform_(0.8, 1.2).numpy()
    for picture, factor, found in zip(photos, contrast, out.numpy(), strict=True):
        image = picture.astype(np.float32) + brightness
        mean = image.mean((1, 2), keepdims=True)
        image = (image - mean) * factor + mean
        image = (image - image.min()) / (image.max() - image.min() + 1)
        noise = (found + 1) / 2 - image
        assert noise.min() > -1e-5 and noise.max() < 1 / 256 + 1e-5
        assert noise.mean() == pytest.approx(1 / 512, rel=0.1)
    assert out.min() >= -1 and out.max() < 1
    assert not np.allclose(contrast, contrast[0])


def test_stretched_leaves_sketches_and_held_out_photos_what_they_are():
    image = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    preprocessor, true = TranslationPreprocessor("stretched"), image / 127.5 - 1
    assert torch.allclose(preprocessor({"source": image, "target": image}, training=True)["source"], true, atol=1e-6)
    assert torch.allclose(preprocessor({"source": image, "target": image})["target"], true, atol=1e-6)
    assert not preprocessor.needs_statistics


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_photo_of_one_colour_is_no_division_by_zero(value):
    image = torch.full((1, 3, 4, 4), value, dtype=torch.uint8)
    out = TranslationPreprocessor("stretched")({"target": image}, training=True)["target"]
    assert out.isfinite().all() and out.max() < -0.99


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(ConfigError, match="normalization='centred' is not a choice: did you mean 'centered'"):
        TranslationPreprocessor("centred")
