"""Pictures in the forms that Python has them in."""

import numpy as np
import pytest
import torch
from PIL import Image

from sketchkit.errors import ConfigError, DataError
from sketchkit.forms import as_rgb, given_as, hint_of, straight_of


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_floats_and_tensors_are_what_their_range_says():
    pixels = noise(5, 7, 3)
    planes = torch.from_numpy(pixels).permute(2, 0, 1)
    for given, value_range in (
        (pixels / 255, (0, 1)),
        (pixels.astype(np.float32) / 127.5 - 1, (-1, 1)),
        (pixels.astype(np.uint16) * 257, (0, 65535)),
        (planes, None),
        (planes.float() / 255, (0, 1)),
        (planes.double() / 127.5 - 1, (-1.0, 1.0)),
        (planes.bfloat16(), (0, 255)),  # which holds whole numbers up to 256
    ):
        assert np.array_equal(straight_of(given, value_range), pixels)
    assert np.array_equal(as_rgb(planes[:1]), np.repeat(pixels[..., :1], 3, 2))
    # What numpy has no type or no view for.
    levels = torch.arange(0, 256, 4.0).view(1, 8, 8)
    assert straight_of(levels.bfloat16(), (0, 255))[..., 0].ravel().tolist() == list(range(0, 256, 4))
    assert np.array_equal(straight_of(torch._neg_view(-planes.float()), (0, 255)), pixels)
    # Beyond the range is clamped, not wrapped.
    assert straight_of(np.array([[-0.2, 1.4]]), (0, 1)).tolist() == [[[0, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize(
    ("given", "value_range", "error", "message"),
    [
        (noise(4, 4, 3) / 255, None, DataError, "an array of float64 has no range of its own: give uint8"),
        (torch.zeros(3, 4, 4), None, DataError, "a tensor of float32 has no range of its own"),
        (noise(4, 4, 3), (0, 255), ConfigError, "value_range is for numbers of other types"),
        (np.zeros((4, 4)), (1, 0), ConfigError, r"value_range=\(1, 0\): give black and white"),
        (np.zeros((4, 4)), (0, float("inf")), ConfigError, "give black and white"),
        (np.full((4, 4), np.nan), (0, 1), DataError, "not finite"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), None, DataError, r"a tensor of shape \(4, 4, 3\) is no picture"),
        (noise(0, 4, 3), None, DataError, "is no picture"),
        ((noise(4, 4, 3),), None, DataError, "a tuple is no picture: give a path"),
        (np.array([["black"]]), (0, 1), DataError, "give numbers"),
        (np.zeros((4, 4)), 5, ConfigError, "value_range=5: give black and white"),
        (noise(4, 4).astype(complex), (0, 255), DataError, "an array of complex128 holds no levels"),
        (noise(4, 4).astype(object), (0, 255), DataError, "an array of object holds no levels"),
        (torch.zeros(3, 4, 4, device="meta"), (0, 1), DataError, "without memory is no picture"),
        (torch.zeros(3, 4, 4).to_sparse(), (0, 1), DataError, "a tensor that is sparse"),
        ([noise(4, 4)], None, DataError, "a list is no picture"),
        (None, None, DataError, "a NoneType is no picture"),
        ("a\0b.png", None, DataError, "cannot read a"),
        *((np.zeros((4, 4)), odd, ConfigError, "give black and white") for odd in (1, (0, 1, 2), "ab", (0, 1e-320))),
    ],
)
def test_what_may_mean_anything_is_refused(given, value_range, error, message):
    with pytest.raises(error, match=message):
        straight_of(given, value_range)


def test_the_forms_that_come_back():
    pixels = noise(5, 7, 3)
    assert np.array_equal(np.asarray(given_as(pixels, "pil")), pixels)
    assert given_as(pixels, "array") is pixels
    assert torch.equal(given_as(pixels, "tensor"), torch.from_numpy(pixels).permute(2, 0, 1))


def test_strokes_are_a_hint_in_any_form(tmp_path):
    strokes = noise(5, 7, 4)
    strokes[..., 3] = 255
    Image.fromarray(strokes).save(tmp_path / "strokes.png")
    expected = torch.from_numpy(strokes).permute(2, 0, 1)
    for given in (strokes, Image.fromarray(strokes), tmp_path / "strokes.png"):
        assert torch.equal(hint_of(given), expected)
    with pytest.raises(DataError, match="a hint is"):
        hint_of(noise(5, 7, 3))
