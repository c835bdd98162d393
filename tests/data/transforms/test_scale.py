"""At what scale a pipeline shows whole pictures, asked of what it makes of them; torchvision resizes beside ours."""

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from sketchkit.data.transforms.build import build_transform
from sketchkit.data.transforms.scale import LONGEST, RESIZERS, Resizer, Scale, resizes, scale_of
from sketchkit.errors import ConfigError

WAYS = ["nearest", "nearest-exact", "bilinear", "bicubic"]


def picture(height, width):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("size", "side"), [((40, 60), 16), ((60, 40), 17), ((33, 33), 64), ((1, 9), 4), ((300, 7), 3)])
def test_a_scale_is_torchvisions_resize(size, side, way):
    expected = v2.functional.resize(picture(*size), [side], v2.InterpolationMode(way), antialias=True)
    assert torch.equal(Scale(side, way)(picture(*size)), expected)


@pytest.mark.parametrize("way", WAYS)
def test_one_pixel_is_the_whole_picture(way):
    plain = torch.full((3, 20, 30), 77, dtype=torch.uint8)
    assert Scale(1, way)(plain).tolist() == [[[77]]] * 3


def test_a_thread_does_not_become_as_long_as_the_memory():
    assert Scale(64)(picture(1, 4000)).shape[-1] <= LONGEST
    assert Scale(64)(picture(2, 2)).shape == (3, 64, 64)


STEPS = [
    dict(type="Resize", size=24),
    dict(type="Resize", size=[24]),
    dict(type="Resize", size=[24, 24], interpolation="bicubic"),
    dict(type="Resize", size=24, max_size=30),
    dict(type="Resize", size=None, max_size=30),
    dict(type="ResizeWidth", width=20, multiple=1),
]


@pytest.mark.parametrize("config", STEPS, ids=str)
@pytest.mark.parametrize("size", [(48, 48), (40, 60), (60, 40)])
def test_the_side_told_is_the_one_that_pictures_get(config, size):
    made = build_transform(config)({"source": tv_tensors.Image(picture(*size))})["source"]
    step = Resizer(config) if config["type"] in RESIZERS else build_transform(config)
    scale = scale_of(step, *size)
    assert abs(scale.side - min(made.shape[-2:])) <= 1
    assert scale.interpolation == config.get("interpolation", "bilinear")


def test_of_a_crop_it_is_the_load_size():
    jitter = build_transform(dict(type="ResizeAndCrop", size=16, load_size=20, interpolation="bicubic"))
    assert scale_of(jitter, 48, 64) == Scale(20, "bicubic")
    # As large as if all of the picture were resized as a crop of middling share is.
    crop = Resizer(dict(type="RandomResizedCrop", size=16, scale=(0.25, 0.25)))
    assert scale_of(crop, 48, 48).side == 32
    drawn = Resizer(dict(type="RandomResize", min_size=20, max_size=31))
    sides = [min(v2.RandomResize(20, 31)(picture(48, 64)).shape[-2:]) for _ in range(200)]
    assert abs(sum(sides) / 200 - scale_of(drawn, 48, 64).side) < 1.5
    assert not resizes(build_transform(dict(type="RandomCrop", size=8)))


@pytest.mark.parametrize(
    "options",
    [
        {"type": "Resize"},
        {"type": "Resize", "size": "abc"},
        {"type": "Resize", "size": []},
        {"type": "Resize", "size": 8, "self": 1, "height": 2},
        {"type": "Resize", "size": 8, "interpolation": "foo"},
        {"type": "RandomResizedCrop", "size": 8, "scale": [0, 0]},
        {"type": "RandomResizedCrop", "size": 8, "scale": [-1, 0]},
        {"type": "RandomResize", "min_size": "a", "max_size": 3},
    ],
    ids=str,
)
def test_options_that_say_no_scale_are_refused(options):
    with pytest.raises(ConfigError, match=options["type"]):
        Resizer(options)
