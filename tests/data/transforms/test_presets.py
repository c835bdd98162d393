"""How SketchyGAN's presets prepare pictures, against what the originals do."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from torchvision import tv_tensors
from torchvision.transforms import v2

from sketchkit.config.load import load_config
from sketchkit.data.transforms.build import build_pipeline
from tests.conftest import ROOT


def pipeline_of(name, part, *overrides):
    config = load_config(ROOT / f"configs/{name}.py", overrides)
    return build_pipeline(config[f"{part}_dataloader"]["dataset"]["pipeline"])


def sample(size):
    """Grey strokes of every lightness on paper that is not quite white, and a photo of noise."""
    sketch = torch.full((3, size, size), 250, dtype=torch.uint8)
    for place, level in enumerate((0, 128, 200, 243, 244, 245, 246)):
        sketch[:, size // 9 * (place + 1), place : size // 2] = level
    photo = torch.randint(0, 256, (3, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return {"source": tv_tensors.Image(sketch), "target": tv_tensors.Image(photo)}


@pytest.mark.parametrize("part", ["train", "val"])
def test_the_published_sketches_are_distances_to_what_is_darker_than_245(part):
    """sketchy_to_tfrecord.py of wchen342/SketchyGAN: binarize(threshold=245), distance over its maximum, as bytes."""
    given = sample(64)
    pipeline = pipeline_of("sketchygan_official_sketchy", part)
    outs = [pipeline(dict(given)) for _ in range(12)]
    gray = given["source"][0].numpy().copy()
    distance = distance_transform_edt(np.where(gray < 245, 0, 255))
    expected = (distance / distance.max() * 255).astype(np.uint8).astype(int)
    for out in outs:  # twelve times alike: nothing is mirrored
        assert np.abs(out["source"][0].numpy() - expected).max() <= 1
        assert torch.equal(out["target"], given["target"])


def test_the_reports_photos_are_jittered_at_their_own_size_and_never_mirrored():
    """final/dataset.py of EamonnCarson/Sketch2img: ColorJitter(0.3, 0.2), then Resize((64, 64)); sketches inverted."""
    given, pipeline = sample(128), pipeline_of("sketchygan_sketchy", "train")
    reports = v2.Compose([v2.ColorJitter(brightness=0.3, contrast=0.2), v2.Resize((64, 64))])
    expected = 255 - v2.functional.resize(given["source"], [64, 64]).int()
    means = []
    for seed in range(12):
        torch.manual_seed(seed)
        out = pipeline(dict(given))
        torch.manual_seed(seed)
        assert torch.equal(out["target"], reports(given["target"]))
        assert (out["source"].int() - expected).abs().max() <= 1
        means.append(out["target"].float().mean())
    assert np.std(means) > 5


@pytest.mark.parametrize("name", ["sketchygan_sketchy", "sketchygan_official_sketchy"])
def test_jitter_and_mirroring_are_keys_of_the_call(name):
    given, still = sample(64), ("brightness=0", "contrast=0", "flip=0")
    assert torch.equal(pipeline_of(name, "train", *still)(dict(given))["target"], given["target"])
    mirrored = pipeline_of(name, "train", *still, "flip=1.0")
    assert torch.equal(mirrored(dict(given))["target"], given["target"].flip(-1))
    jittered = pipeline_of(name, "train", *still, "brightness=0.9")
    torch.manual_seed(0)
    assert not torch.equal(jittered(dict(given))["target"], given["target"])


@pytest.mark.parametrize(
    ("name", "normalization"),
    [
        ("sketchygan_sketchy", "centered"), ("sketch2img_10classes_sketchy", "centered"),
        ("sketchygan_official_sketchy", "stretched"),
    ],
)  # fmt: skip
def test_a_preset_normalizes_as_its_original(name, normalization):
    preprocessor = load_config(ROOT / f"configs/{name}.py").translator.data_preprocessor
    assert preprocessor == {"type": "TranslationPreprocessor", "normalization": normalization}
