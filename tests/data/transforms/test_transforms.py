import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from skimage.transform import resize
from torchvision import tv_tensors

from sketchkit.data.image_io import read_image
from sketchkit.data.transforms.build import build_pipeline, build_transform
from sketchkit.errors import ConfigError


def picture(size=(24, 20), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)


def sample(source, target=None):
    return {"source": tv_tensors.Image(source), "target": tv_tensors.Image(source if target is None else target)}


@pytest.mark.parametrize(
    "step",
    [
        dict(type="RandomHorizontalFlip"),
        dict(type="RandomAffine", degrees=30, translate=(0.2, 0.2)),
        dict(type="RandomCrop", size=(12, 10)),
        dict(type="RandomResizedCrop", size=(8, 8)),
        dict(type="RandomPerspective", p=1.0),
    ],
)
def test_geometry_moves_source_and_target_together(step):
    pipeline, image = build_pipeline([step]), picture()
    changed = 0
    for seed in range(6):
        torch.manual_seed(seed)
        out = pipeline(sample(image))
        assert torch.equal(out["source"], out["target"])
        changed += out["source"].shape != image.shape or not torch.equal(out["source"], image)
    assert changed > 0


def test_colour_jitter_may_be_kept_to_the_photo():
    jitter = dict(type="ColorJitter", brightness=0.5, contrast=0.5)
    out = build_pipeline([dict(type="Only", keys=["target"], transform=jitter)])(sample(picture()))
    assert torch.equal(out["source"], picture())
    assert not torch.equal(out["target"], picture())


def test_only_names_a_key_that_is_not_there():
    with pytest.raises(ConfigError, match="a sample has no 'traget': did you mean 'target'"):
        build_pipeline([dict(type="Only", keys=["traget"])])(sample(picture()))


def test_inversion():
    assert torch.equal(build_pipeline([dict(type="InvertSketch")])(sample(picture()))["source"], 255 - picture())


def test_resize_is_antialiased():
    """Against scikit-image's antialiased resize; without antialiasing the difference is dozens of levels."""
    fine = torch.zeros(3, 64, 64, dtype=torch.uint8)
    fine[:, ::2] = 255
    out = build_pipeline([dict(type="Resize", size=(16, 16))])(sample(fine))["source"].float()
    expected = resize(fine[0].numpy() / 255.0, (16, 16), anti_aliasing=True) * 255
    assert np.abs(out[0, 2:-2, 2:-2].numpy() - expected[2:-2, 2:-2]).max() <= 6


def test_resize_brings_both_to_one_size():
    out = build_pipeline([dict(type="Resize", size=(16, 16))])(sample(picture(), picture((30, 50))))
    assert out["source"].shape == out["target"].shape == (3, 16, 16)


def test_the_distance_field_is_scipys():
    sketch = torch.full((3, 20, 26), 255, dtype=torch.uint8)
    sketch[:, 4:6, 3:15] = 0
    sketch[:, 10:18, 20] = 40
    out = build_pipeline([dict(type="DistanceField")])(sample(sketch))["source"]
    expected = distance_transform_edt(sketch[0].numpy() >= 128)
    expected = 255 * expected / expected.max()
    assert out.shape == sketch.shape and out.dtype == torch.uint8
    assert np.abs(out[1].numpy() - expected).max() <= 0.51


@pytest.mark.parametrize("value", [255, 0])
def test_a_blank_sketch_is_no_division_by_zero(value):
    blank = torch.full((3, 8, 8), value, dtype=torch.uint8)
    out = build_pipeline([dict(type="DistanceField")])(sample(blank, picture((8, 8))))["source"]
    assert (out == value).all()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (dict(type="Resise", size=8), "no transform is named 'Resise': did you mean 'Resize'"),
        (dict(type="RandomHorizontalFlip", prob=1), "has no option 'prob'"),
        (dict(size=8), "a transform needs a type"),
    ],
)
def test_wrong_steps_are_refused(step, message):
    with pytest.raises(ConfigError, match=message):
        build_pipeline([step])


def test_only_takes_several_steps_and_draws_them_together():
    steps = [dict(type="RandomCrop", size=(12, 10)), dict(type="RandomHorizontalFlip", p=1.0)]
    pipeline, image = build_pipeline([dict(type="Only", keys=["source", "target"], transform=steps)]), picture()
    out = pipeline({**sample(image), "hint": tv_tensors.Image(image)})
    assert out["source"].shape == (3, 12, 10) and torch.equal(out["source"], out["target"])
    assert torch.equal(out["hint"], image)
    windows = [image[:, y : y + 12, x : x + 10].flip(-1) for y in range(13) for x in range(11)]
    assert any(torch.equal(out["source"], window) for window in windows)


def test_only_without_a_step_changes_nothing_and_takes_one_key_as_a_word():
    out = build_pipeline([dict(type="Only", keys="source")])(sample(picture()))
    assert torch.equal(out["source"], picture()) and torch.equal(out["target"], picture())
    out = build_pipeline([dict(type="Only", keys="source", transform=dict(type="InvertSketch"))])(sample(picture()))
    assert torch.equal(out["source"], 255 - picture()) and torch.equal(out["target"], picture())


def test_an_unknown_step_within_only_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'RandomCrop'"):
        build_pipeline([dict(type="Only", transform=[dict(type="Resize", size=8), dict(type="RandomCorp", size=8)])])


def test_jitter_is_a_crop_of_the_enlarged_picture():
    """Every crop is a window of torch's own antialiased resize, and many different ones are drawn."""
    image = picture((40, 24))
    large = torch.nn.functional.interpolate(image[None].float(), (18, 18), mode="bilinear", antialias=True)[0]
    pipeline = build_pipeline([dict(type="ResizeAndCrop", size=16)])  # 16 x 286 / 256 = 17.9
    places = set()
    for seed in range(40):
        torch.manual_seed(seed)
        out = pipeline(sample(image))
        assert out["source"].shape == (3, 16, 16) and torch.equal(out["source"], out["target"])
        gaps = {
            (y, x): (out["source"].float() - large[:, y : y + 16, x : x + 16]).abs().max()
            for y in range(3)
            for x in range(3)
        }
        place = min(gaps, key=gaps.get)
        assert gaps[place] <= 1
        places.add(place)
    assert len(places) == 9


def test_the_papers_jitter_is_286_for_256():
    resized = []
    pipeline = build_pipeline([dict(type="ResizeAndCrop")])
    pipeline.transforms[0].steps.transforms[1].register_forward_pre_hook(
        lambda _, inputs: resized.append(inputs[0]["source"].shape)
    )
    assert pipeline(sample(picture()))["source"].shape == (3, 256, 256)
    assert resized == [(3, 286, 286)]


def test_no_jitter_is_a_resize():
    out = build_pipeline([dict(type="ResizeAndCrop", size=16, load_size=16)])(sample(picture()))
    expected = build_pipeline([dict(type="Resize", size=(16, 16))])(sample(picture()))
    assert torch.equal(out["source"], expected["source"])
    with pytest.raises(ConfigError, match="load_size=15 is less than the crop of image_size=16"):
        build_pipeline([dict(type="ResizeAndCrop", size=16, load_size=15)])


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ((40, 20), dict(width=10), (20, 10)),
        ((25, 30), dict(width=12), (10, 12)),
        ((25, 30), dict(width=27, multiple=8), (24, 27)),  # 22.5 rows are 2.8 times 8
        ((2, 100), dict(width=10), (1, 10)),
        ((2, 100), dict(width=16, multiple=16), (16, 16)),
    ],
)
def test_a_width_keeps_the_shape(size, options, expected):
    out = build_pipeline([dict(type="ResizeWidth", **options)])(sample(picture(size)))
    assert out["source"].shape == out["target"].shape == (3, *expected)


def test_a_width_is_brought_to_each_picture_by_its_own_shape():
    step = dict(type="ResizeWidth", width=10)
    out = build_pipeline([step])(sample(picture((40, 20)), picture((15, 30))))
    assert out["source"].shape == (3, 20, 10) and out["target"].shape == (3, 5, 10)
    out = build_pipeline([dict(type="Only", keys=["target"], transform=step)])(sample(picture(), picture((15, 30))))
    assert out["target"].shape == (3, 5, 10) and torch.equal(out["source"], picture())


def test_a_distance_field_is_exact_wherever_the_picture_lies_in_memory(sample_root):
    rng, transform, kept = np.random.default_rng(0), build_transform(dict(type="DistanceField")), []
    for file in sorted((sample_root / "sketch").rglob("*.png"))[::5]:
        sketch = torch.from_numpy(read_image(file)).permute(2, 0, 1)
        true = distance_transform_edt(sketch.float().mean(0).ge(128).numpy())
        expected = np.rint(255 * true / true.max()).astype(np.uint8)
        for _ in range(40):
            kept.append(torch.empty(int(rng.integers(1, 5000))))  # so that the next picture lies elsewhere
            field = transform({"source": tv_tensors.Image(sketch.clone())})["source"]
            assert np.array_equal(field[0].numpy(), expected)
