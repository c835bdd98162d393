import pytest
import torch

from sketchkit.errors import ConfigError
from sketchkit.translators.preprocessing import TranslationPreprocessor


def test_symmetric_maps_bytes_to_the_range_of_tanh():
    image = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    out = TranslationPreprocessor()({"source": image, "target": image, "label": torch.tensor([1])})
    expected = torch.arange(256).view(1, 1, 16, 16) / 127.5 - 1
    assert torch.allclose(out["source"], expected, atol=1e-6)
    assert torch.allclose(out["target"], expected, atol=1e-6)
    assert out["label"].tolist() == [1]


def test_centered_is_the_reports_formula_and_comes_back():
    preprocessor = TranslationPreprocessor("centered")
    assert preprocessor.needs_statistics
    mean, low, high = 0.3, 0.1, 0.95
    preprocessor.use_statistics({"source": (0.5, 0.0, 1.0), "target": (mean, low, high)})
    assert not preprocessor.needs_statistics
    image = torch.randint(26, 242, (2, 3, 4, 4), dtype=torch.uint8)
    value = image.float() / 255
    expected = (value - mean) / max(high - mean, mean - low)
    out = preprocessor.normalize(image, "target")
    assert torch.allclose(out, expected, atol=1e-6)
    assert torch.allclose(preprocessor.to_picture(out, "target"), image.float() / 127.5 - 1, atol=1e-5)


def test_statistics_travel_in_the_state():
    old, new = TranslationPreprocessor("centered"), TranslationPreprocessor("centered")
    old.use_statistics({"source": (0.5, 0.0, 1.0), "target": (0.2, 0.0, 1.0)})
    new.load_state_dict(old.state_dict())
    assert torch.allclose(new.target_range, torch.tensor([0.2, 0.8]))


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(ConfigError, match="normalization is 'seed': symmetric or centered"):
        TranslationPreprocessor("seed")
