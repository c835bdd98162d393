"""What a picture file says of itself, read by Pillow; and files that say nothing."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sketchkit.data.image_io import read_image
from sketchkit.data.picture_text import encoded, read_about, write_described
from sketchkit.errors import DataError

ABOUT = {"run": "demo", "class": "Äpfel 🍎", "noise": 3, "size": [64, 64]}


def picture():
    return np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp"])
def test_it_travels_in_the_file_and_the_picture_is_the_same(tmp_path, ending):
    file = tmp_path / f"a.{ending}"
    write_described(file, picture(), ABOUT)
    assert read_about(file) == ABOUT
    if ending == "png":
        assert np.array_equal(read_image(file), picture())
        with Image.open(file) as image:
            assert json.loads(image.text["sketchkit"]) == ABOUT
        assert b"iTXt" in file.read_bytes()
    write_described(tmp_path / f"b.{ending}", picture(), ABOUT)
    assert file.read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_formats_without_text_hold_the_picture_alone(tmp_path):
    write_described(tmp_path / "a.bmp", picture(), ABOUT)
    assert np.array_equal(read_image(tmp_path / "a.bmp"), picture()) and read_about(tmp_path / "a.bmp") is None
    with pytest.raises(DataError, match=r"no format that ends in '\.bmp' holds text"):
        encoded(picture(), ".bmp", ABOUT)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunk(data, name, content):
    """A PNG with a chunk more after its header."""
    return data[:33] + chunk(name, content) + data[33:]


def test_files_of_strangers_say_nothing_and_raise_nothing(tmp_path):
    plain = encoded(picture(), ".png", {})
    bomb = zlib.compress(b"[" * 50_000_000)
    files = {
        "empty": b"", "text": b"sketchkit", "cut": encoded(picture(), ".png", ABOUT)[:60],
        "list": with_chunk(plain, b"tEXt", b"sketchkit\0[1, 2]"),
        "bomb": with_chunk(plain, b"zTXt", b"sketchkit\0\0" + bomb),
        "deep": with_chunk(plain, b"tEXt", b"sketchkit\0" + b"[" * 100_000),
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        assert not read_about(tmp_path / name), name
    assert read_about(tmp_path) is None and read_about(tmp_path / "nowhere") is None


@pytest.mark.parametrize("ending", [".jpg", ".webp"])
def test_a_side_that_the_format_cannot_hold_is_one_line(ending):
    with pytest.raises(DataError, match=r"cannot hold a picture of 70000x1 .*: write PNG"):
        encoded(np.zeros((1, 70_000, 3), np.uint8), ending, {})
