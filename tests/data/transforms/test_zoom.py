"""Frames around pictures: where they lie, what is beyond a border, and that all pictures of a sample share one."""

import math

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from sketchkit.data.transforms.build import build_transform
from sketchkit.data.transforms.scale import scale_of
from sketchkit.data.transforms.zoom import RandomZoom
from sketchkit.errors import ConfigError

SIZE = (24, 20)


def picture(height=SIZE[0], width=SIZE[1], seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tv_tensors.Image(torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator))


def framed(area, size=SIZE, seed=0, image=None, ratio=1.0):
    torch.manual_seed(seed)
    zoom = RandomZoom(size=size, scale=(area, area), ratio=(ratio, ratio))
    return zoom({"source": picture() if image is None else image})["source"]


def places(inner, outer):
    """Where a picture lies within a larger one."""
    windows = outer.unfold(1, inner.shape[1], 1).unfold(2, inner.shape[2], 1)
    return (windows == inner[:, None, None]).all(-1).all(-1).all(0).nonzero().tolist()


def test_a_frame_of_the_picture_is_the_picture():
    assert torch.equal(framed(1.0), picture())
    assert torch.equal(framed(1.0, (12, 10)), v2.functional.resize(picture(), [12, 10], antialias=True))


def test_a_smaller_frame_is_a_part_of_the_picture_anywhere():
    found = {tuple(place) for seed in range(40) for place in places(framed(0.25, (12, 10), seed), picture())}
    assert len(found) > 30
    assert {top < 4 for top, _ in found} == {left > 7 for _, left in found} == {True, False}


def test_beyond_the_borders_of_the_picture_its_border_goes_on():
    found = set()
    for seed in range(40):
        out = framed(4.0, (48, 40), seed)
        ((top, left),) = places(picture(), out)
        beyond = [left, top, 40 - 20 - left, 48 - 24 - top]
        assert torch.equal(out, v2.functional.pad(picture(), beyond, padding_mode="edge"))
        found.add((top, left))
    assert len(found) > 30


def test_all_pictures_of_a_sample_have_one_frame_as_shares_of_their_own_sizes():
    """Ramps say where each pixel came from: of a source, and of a target three times as large."""

    def ramp(height, width):
        rows = (torch.arange(height) + 0.5) / height * 255
        columns = (torch.arange(width) + 0.5) / width * 255
        both = torch.stack(
            [
                rows[:, None].expand(height, width),
                columns.expand(height, width),
                torch.zeros(1, 1).expand(height, width),
            ]
        )
        return tv_tensors.Image(both.round().to(torch.uint8))

    zoom = RandomZoom(size=(32, 32))
    for seed in range(10):
        torch.manual_seed(seed)
        out = zoom({"source": ramp(60, 48), "target": ramp(180, 144)})
        difference = (out["source"].int() - out["target"].int()).abs()
        assert difference.max() <= 8 and difference.float().mean() < 3
        assert out["source"].shape == (3, 32, 32)


def test_areas_and_ratios_are_drawn_over_their_ranges():
    """Seen in a ramp along each axis: how many of its values a frame has is how high and how wide it is."""
    ramp = torch.arange(256, dtype=torch.uint8)
    image = tv_tensors.Image(
        torch.stack([ramp[:, None].expand(256, 256), ramp.expand(256, 256), ramp.expand(256, 256)])
    )
    zoom, areas, ratios = RandomZoom(size=(256, 256), scale=(0.25, 0.81), ratio=(0.8, 1.25)), [], []
    torch.manual_seed(0)
    for _ in range(200):
        out = zoom({"source": image})["source"].float()
        height, width = (out[i].amax() - out[i].amin() + 1 for i in (0, 1))
        areas.append((height * width / 256**2).item())
        ratios.append((width / height).item())
    assert 0.24 < min(areas) < 0.27 and 0.77 < max(areas) < 0.83
    assert 0.79 < min(ratios) < 0.82 and 1.22 < max(ratios) < 1.27
    # Twice as near is as likely as twice as far.
    assert abs(sum(map(math.log, areas)) / 200 - math.log(0.45)) < 0.06


def test_whole_pictures_are_shown_in_use_as_in_a_frame_of_middling_area():
    step = build_transform(dict(type="RandomZoom", size=[64, 64], scale=[0.5, 2.0], interpolation="bicubic"))
    assert scale_of(step, 128, 128) == (64, "bicubic")
    assert scale_of(build_transform(dict(type="RandomZoom", size=[64, 64], scale=[0.25, 0.25])), 128, 128).side == 128
    # A share that is no whole number of pixels.
    scale = scale_of(build_transform(dict(type="RandomZoom", size=[64, 64], scale=[0.6, 2.0])), 100, 150)
    assert scale(picture(100, 150)).shape == (3, 61, 91)


def test_frames_and_pictures_of_a_single_pixel():
    assert framed(0.01, (1, 1)).shape == framed(100.0, (1, 1)).shape == (3, 1, 1)
    for seed in range(20):
        out = framed(0.01, (4, 4), seed, picture(3, 10))
        assert len(places(out[:, :1, :1], picture(3, 10))) > 0 and (out == out[:, :1, :1]).all()


def test_what_is_no_picture_is_left_alone_and_pictures_stay_what_they_were():
    out = RandomZoom()({"source": picture(), "label": 3})
    assert out["label"] == 3 and isinstance(out["source"], tv_tensors.Image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": [2.0, 0.5]}, r"scale=\[2.0, 0.5\] is no range"),
        ({"scale": [0.0, 1.0]}, r"scale.0=0.0"),
        ({"ratio": [1.0]}, "ratio=.* is no range"),
        ({"scale": [1.0, 1e9]}, r"scale.1=1000000000.0"),
        ({"size": [64]}, "is not a height and a width"),
    ],
)
def test_what_is_no_frame_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build_transform({"type": "RandomZoom", **options})
