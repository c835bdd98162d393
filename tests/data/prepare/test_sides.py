import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from sketchkit.data.image_io import UnreadableImage, read_image
from sketchkit.data.prepare.sides import find_source_side, is_gray, sketch_side
from sketchkit.errors import DataError

DATA = Path(os.environ.get("SKETCHKIT_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def real(name, pattern):
    files = sorted((DATA / name).glob(pattern))
    if not files:
        pytest.skip(f"no real pairs at {DATA / name} (set SKETCHKIT_TEST_DATA)")
    return files


def lines(ground=255, size=64):
    image = np.full((size, size, 3), ground, np.uint8)
    image[20:22], image[:, 40:42] = 255 - ground, 255 - ground
    return image


def drawing(color=(200, 80, 30), size=64):
    image = lines(size=size)
    image[22:60, 5:40] = color
    return image


def tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)


def pair(left, right):
    return tensor(np.concatenate([left, right], 1))


NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
GRAY_PHOTO = NOISE[..., :1].repeat(3, -1)


@pytest.mark.parametrize("ground", [255, 0])
@pytest.mark.parametrize("other", [drawing(), drawing((120, 120, 120)), NOISE, GRAY_PHOTO, drawing((255, 250, 190))])
def test_the_half_of_lines_is_the_sketch(ground, other):
    assert sketch_side(pair(lines(ground), other)) == "left"
    assert sketch_side(pair(other, lines(ground))) == "right"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (drawing(), drawing((30, 200, 80))),
        (lines(), lines()),
        (GRAY_PHOTO, GRAY_PHOTO[::-1]),
        (NOISE, drawing()),
        (np.full_like(NOISE, 255), np.full_like(NOISE, 255)),
        (drawing((120, 120, 120)), drawing((100, 100, 100))),
    ],
)
def test_what_does_not_tell_is_none(left, right):
    assert sketch_side(pair(left, right)) is None


def test_jpeg_does_not_tinge_the_lines_enough_to_matter():
    data = io.BytesIO()
    Image.fromarray(np.concatenate([drawing(size=128), lines(size=128)], 1)).save(data, "JPEG", quality=50)
    assert sketch_side(tensor(np.array(Image.open(data).convert("RGB")))) == "right"


@pytest.mark.parametrize("width", [2, 127])
def test_odd_and_tiny_widths_are_no_error(width):
    assert sketch_side(torch.zeros(3, 4, width, dtype=torch.uint8)) is None


def reader(sides):
    """Pictures by name: L has the sketch on the left, R on the right, ? is unclear, X cannot be read."""
    made = {"L": (lines(), drawing()), "R": (drawing(), lines()), "?": (drawing(), drawing())}

    def read(file):
        if sides[file] == "X":
            raise UnreadableImage("no")
        return np.concatenate(made[sides[file]], 1)

    return read


def data_set(word):
    sides = {Path(f"{number:03}.png"): letter for number, letter in enumerate(word)}
    return list(sides), reader(sides)


@pytest.mark.parametrize(("word", "side"), [("RRR", "right"), ("LL?L", "left"), ("RR?X", "right"), ("R", "right")])
def test_the_majority_decides(word, side):
    files, read = data_set(word)
    report = find_source_side(files, read)
    unclear = word.count("?") + word.count("X")
    assert report.side == side and len(report.unclear) == unclear
    assert len(getattr(report, side)) == len(word) - unclear
    said = f"the {side} half: {len(word) - unclear} say so, {unclear} are unclear ({len(word)} files)"
    assert said in report.summary


def test_a_set_that_is_mostly_unclear_is_refused():
    files, read = data_set("R?X")
    with pytest.raises(
        DataError, match=r"unclear which half is the sketch in 2 of 3 files, first 001\.png: set source"
    ):
        find_source_side(files, read)


def test_a_mixed_set_is_refused_with_the_odd_files():
    files, read = data_set("RRLRRLRLRL")
    with pytest.raises(DataError) as caught:
        find_source_side(files, read)
    message = str(caught.value)
    assert "right half in 6 files and the other in 4, 002.png, 005.png, 007.png, 009.png: mend or remove" in message
    assert "source_side='right'" in message and "\n" not in message


def test_a_sample_is_looked_at_or_all():
    files, read = data_set("R" * 60)
    looked = []

    def note(file):
        looked.append(file)
        return read(file)

    report = find_source_side(files, note, sample=10)
    assert len(looked) == len(report.right) == 10 and "10 of 60 files looked at" in report.summary
    first = set(looked)
    looked.clear()
    find_source_side(files[::-1], note, sample=10)
    assert set(looked) == first, "the choice depends on the names and the seed alone"
    looked.clear()
    find_source_side(files, note, sample=10, seed=1)
    assert set(looked) != first
    assert len(find_source_side(files, read, sample=None).right) == 60


def test_nothing_to_look_at_is_refused():
    with pytest.raises(DataError, match="no picture"):
        find_source_side([])


def test_real_line_art_lies_right_and_left_when_swapped():
    files = real("lineart_openmoji", "train/*.png")
    report = find_source_side(files, sample=None)
    assert report.side == "right" and not report.left and len(report.unclear) <= 2
    swapped = find_source_side(files[:40], lambda file: np.roll(read_image(file), 512, axis=1))
    assert swapped.side == "left" and not swapped.right

    def some_swapped(file):
        return np.roll(read_image(file), 512, axis=1) if file in files[10:13] else read_image(file)

    with pytest.raises(DataError, match="and the other in 3"):
        find_source_side(files[:40], some_swapped)


def test_real_label_maps_are_no_sketch():
    files = real("facades", "train/*.jpg")[:60]
    with pytest.raises(DataError, match=r"unclear .* in 60 of 60 files.*set source_side"):
        find_source_side(files)


def test_gray_is_what_has_no_colour():
    gray = tensor(GRAY_PHOTO)
    assert is_gray(gray) and not is_gray(tensor(NOISE))
    assert is_gray(F.jpeg(gray, 50))
    tinged = gray.clamp(max=240)
    tinged[0] += 8
    assert is_gray(tinged) and not is_gray(tinged, tolerance=7)


def test_a_small_spot_is_colour_and_a_stray_pixel_is_not():
    image = torch.full((3, 100, 100), 200, dtype=torch.uint8)
    image[0, 0, :5] = 255
    assert is_gray(image)
    image[0, 0, :10] = 255
    assert not is_gray(image)
