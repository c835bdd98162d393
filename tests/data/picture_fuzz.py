"""Damaged picture files, drawn by a seed: bytes flipped, files cut, and parts of others put in."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

SIDE = 48


def whole_pictures():
    """(ending, bytes) of small pictures in every format and several kinds."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((SIDE, SIDE - 8))
    clear = noise.convert("RGBA")
    clear.putalpha(noise.convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [
        ("png", noise, {}), ("png", clear, {"exif": exif}), ("png", noise.quantize(9), {"transparency": 3}),
        ("png", Image.fromarray(np.asarray(noise.convert("L")).astype(np.uint16) * 257), {}),
        ("jpg", noise, {"exif": exif}), ("jpg", noise.convert("CMYK"), {}), ("jpg", noise, {"progressive": True}),
        ("webp", noise, {}), ("webp", clear, {"lossless": True, "exif": exif}),
        ("bmp", noise, {}), ("bmp", noise.quantize(9), {}),
        ("tif", noise, {}), ("tif", clear, {"compression": "tiff_lzw"}), ("tif", noise, {"compression": "jpeg"}),
        ("tif", noise.convert("1"), {"compression": "group4"}), ("tif", noise.convert("F"), {}),
        ("gif", noise, {}), ("gif", noise.quantize(9), {"save_all": True, "append_images": [noise.rotate(90)]}),
    ]  # fmt: skip
    for ending, image, options in kinds:
        data = io.BytesIO()
        image.save(data, {"jpg": "jpeg", "tif": "tiff"}.get(ending, ending), **options)
        yield ending, data.getvalue()


def damaged(count, seed=0):
    """`count` damaged pictures, as (ending, bytes)."""
    rng, whole = np.random.default_rng(seed), list(whole_pictures())
    for number in range(count):
        ending, data = whole[number % len(whole)]
        hurt = (_flipped, _cut, _spliced, _header)[number // len(whole) % 4](bytearray(data), whole, rng)
        # Checksums that fit, every other time: what is behind them is read only then.
        yield ending, _with_checksums(hurt) if ending == "png" and rng.random() < 0.5 else bytes(hurt)


def _flipped(data, _, rng):
    for place in rng.integers(0, len(data), rng.integers(1, 9)):
        data[place] = rng.integers(256)
    return data


def _header(data, _, rng):
    for place in rng.integers(0, min(64, len(data)), rng.integers(1, 4)):
        data[place] = rng.choice([0, 1, 127, 128, 255])
    return data


def _cut(data, _, rng):
    return data[: rng.integers(len(data))]


def _spliced(data, whole, rng):
    other = whole[rng.integers(len(whole))][1]
    place, start = rng.integers(len(data)), rng.integers(len(other))
    part = other[start : start + rng.integers(1, 200)]
    return data[:place] + part + data[place + len(part) * rng.integers(2) :]


def _with_checksums(data):
    mended, place = bytearray(data[:8]), 8
    while place + 12 <= len(data):
        length = min(int.from_bytes(data[place : place + 4], "big"), len(data) - place - 12)
        body = bytes(data[place + 4 : place + 8 + length])
        mended += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return bytes(mended)
