"""What each kind of picture file is read as: against formulas, Pillow's colour management and tifffile's files."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from sketchkit.data import formats
from sketchkit.data.image_io import UnreadableImage, probe_image, read_image, read_straight, write_image
from sketchkit.data.pixels import turn
from sketchkit.errors import ConfigError, DataError

tifffile = pytest.importorskip("tifffile")
RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (19, 23, 3), dtype=np.uint16)
GRAY16, RGB = DEEP[..., 0], (DEEP >> 8).astype(np.uint8)
ROUNDED = np.round(DEEP / 257).astype(np.uint8)


def threefold(gray):
    return np.repeat(gray[..., None], 3, 2)


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ((GRAY16 / 65535).astype(np.float32), "fractions"),
        ((GRAY16 / 65535).astype(np.float64), "of a kind that is not read"),
        (GRAY16.astype(np.int32) * 94000 // 65535, "32 bits or with a sign"),
        (GRAY16.astype(np.uint32) * 2, "32 bits or with a sign"),
        ((GRAY16 // 2).astype(np.int16), "with a sign"),
        (RGB[..., 0].astype(np.int8), "with a sign"),
        (RGB.astype(np.float32), "of a kind that is not read"),
    ],
    ids=lambda value: getattr(value, "dtype", None) and f"{value.dtype}{value.ndim}",
)
def test_numbers_without_a_range_of_their_own_are_refused(numbers, reason, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", numbers, photometric="rgb" if numbers.ndim == 3 else "minisblack")
    with pytest.raises(UnreadableImage, match=reason) as caught:
        read_image(tmp_path / "a.tif")
    assert "a.tif" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("packed", [None, "zlib"])
def test_deep_tiffs_are_scaled(order, packed, tmp_path):
    options = {"byteorder": order, "compression": packed}
    tifffile.imwrite(tmp_path / "gray.tif", GRAY16, photometric="minisblack", **options)
    assert np.array_equal(read_image(tmp_path / "gray.tif"), threefold(ROUNDED[..., 0]))
    tifffile.imwrite(tmp_path / "rgb.tif", DEEP, photometric="rgb", tile=(16, 16), **options)
    assert np.abs(read_image(tmp_path / "rgb.tif").astype(int) - DEEP / 257).max() < 1
    if order == "<":
        tifffile.imwrite(tmp_path / "negative.tif", GRAY16, photometric="miniswhite", **options)
        assert np.array_equal(read_image(tmp_path / "negative.tif"), 255 - threefold(ROUNDED[..., 0]))


def test_channels_in_planes_are_read_or_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_image(tmp_path / "a.tif"), RGB)
    tifffile.imwrite(tmp_path / "a.tif", DEEP.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    with pytest.raises(UnreadableImage, match="planes"):
        read_image(tmp_path / "a.tif")


def test_the_first_of_several_pictures_is_read(tmp_path):
    pages = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    for name in ("a.tif", "a.png", "a.webp", "a.gif", "a.mpo"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:], lossless=True, quality=100)
        first = np.asarray(Image.open(tmp_path / name).convert("RGB"))
        assert np.array_equal(read_image(tmp_path / name), first), name
        assert np.abs(first.astype(int) - RGB).mean() < 60 < np.abs(255 - RGB - first.astype(int)).mean()


@pytest.mark.parametrize(
    ("name", "header", "numbers"),
    [
        ("a.pgm", b"P5 23 19 255\n", RGB[..., :1]),
        ("a.pnm", b"P6 23 19 255\n", RGB),
        ("a.ppm", b"P6 23 19 65535\n", DEEP.astype(">u2")),
        ("a.pgm", b"P5 23 19 65535\n", DEEP[..., :1].astype(">u2")),
        ("a.dib", None, RGB),
        ("a.jfif", None, None),
        ("a.jpe", None, None),
        ("a.gif", None, None),
        ("a.jp2", None, RGB),
        ("a.avif", None, None),
        ("a.apng", None, RGB),
        ("a.tiff", None, RGB),
    ],
)
def test_every_ending_that_is_listed_is_read(name, header, numbers, tmp_path):
    path = tmp_path / name
    if path.suffix not in formats.SUFFIXES:
        pytest.skip(f"this Pillow has no {path.suffix}")
    if header:
        path.write_bytes(header + numbers.tobytes())
        expected = np.broadcast_to(np.round(numbers / (257 if numbers.dtype.itemsize > 1 else 1)), (19, 23, 3))
        assert np.abs(read_image(path) - expected).max() < 1
        return
    Image.fromarray(RGB).save(path, {".apng": "PNG", ".dib": "BMP"}.get(path.suffix))
    expected = RGB if numbers is not None else np.asarray(Image.open(path).convert("RGB"))
    assert np.array_equal(read_image(path), expected)
    assert probe_image(path)[1:3] == (23, 19)


def test_no_ending_is_both_read_and_left_out():
    assert not formats.SUFFIXES & formats.OTHERS
    assert {".jpg", ".png", ".webp", ".bmp", ".tif", ".gif", ".ppm"} <= formats.SUFFIXES
    assert {".heic", ".svg", ".psd", ".cr2"} <= formats.OTHERS


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations(orientation, name, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(tmp_path / name, exif=exif, lossless=True)
    plain = np.asarray(Image.open(tmp_path / name).convert("RGB")) if name == "a.jpg" else RGB
    turned = {2: plain[:, ::-1], 3: plain[::-1, ::-1], 4: plain[::-1], 5: plain.transpose(1, 0, 2),
              6: np.rot90(plain, -1), 7: plain[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(plain)}  # fmt: skip
    expected = turned.get(orientation, plain)
    assert np.array_equal(read_image(tmp_path / name), expected)
    assert np.array_equal(turn(plain, orientation), expected)
    assert probe_image(tmp_path / name)[1:3] == expected.shape[1::-1]


# Types of TIFF 6.0, section 2: 1 BYTE, 2 ASCII, 3 SHORT, 4 LONG, 5 RATIONAL, 7 UNDEFINED, 10 SRATIONAL, 12 DOUBLE.
@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [(7, 4, b"\6\0\0\0"), (2, 2, b"6\0\0\0"), (3, 1, b"\0\0\0\0"), (3, 1, b"\x09\0\0\0"),
     (4, 1, b"\xff\xff\xff\xff"), (5, 1, b"\xff\0\0\0"), (12, 1, b"\xff\0\0\0"), (99, 1, b"\6\0\0\0"),
     (1, 1, b"\6\0\0\0"), (3, 2**31, b"\6\0\0\0"), (10, 1, b"\0\0\0\0")],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_an_orientation_of_an_odd_type_is_none(kind, count, value, ending, tmp_path):
    tiff = b"II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, kind, count) + value + bytes(4)
    path = tmp_path / f"a.{ending}"
    Image.fromarray(RGB).save(path, exif=b"Exif\0\0" + tiff, lossless=True)
    assert read_image(path).shape == RGB.shape
    assert probe_image(path)[1:3] == (23, 19)


def profiles():
    """Of other colours than sRGB, made from it by exchanging what its tags point to."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = {srgb[i : i + 4]: i for i in range(132, 132 + 12 * int.from_bytes(srgb[128:132], "big"), 12)}
    swapped = bytearray(srgb)
    for one, other in ((b"rXYZ", b"bXYZ"), (b"bXYZ", b"rXYZ")):
        swapped[tags[one] + 4 : tags[one] + 12] = srgb[tags[other] + 4 : tags[other] + 12]
    return {
        "srgb": srgb,
        "swapped": bytes(swapped),
        "lab": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    }


PROFILES = profiles()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
@pytest.mark.parametrize("profile", ["srgb", "swapped"])
def test_profiles_are_converted_as_pillow_does(profile, name, tmp_path):
    picture = Image.fromarray(RGB)
    picture.save(tmp_path / name, icc_profile=PROFILES[profile], lossless=True)
    plain = Image.open(tmp_path / name).convert("RGB")
    own = ImageCms.ImageCmsProfile(io.BytesIO(PROFILES[profile]))
    expected = ImageCms.profileToProfile(plain, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    found = read_image(tmp_path / name)
    assert np.array_equal(found, np.asarray(expected))
    assert np.array_equal(found, np.asarray(plain)) == (profile == "srgb")


def test_greys_palettes_and_transparency_with_a_profile(tmp_path):
    profile, color = PROFILES["swapped"], Image.fromarray(RGB)
    own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    clear = color.convert("RGBA")
    clear.putalpha(color.convert("L"))
    for picture in (color.convert("L"), color.quantize(16), clear):
        picture.save(tmp_path / "a.png", icc_profile=profile)
        expected = ImageCms.profileToProfile(picture.convert("RGB"), own, srgb)
        found = read_straight(tmp_path / "a.png")
        assert np.array_equal(found[..., :3], np.asarray(expected))
    assert np.array_equal(found[..., 3], np.asarray(color.convert("L")))


@pytest.mark.parametrize("profile", [b"no profile at all", PROFILES["srgb"][:200], PROFILES["lab"], b"\0" * 128])
def test_a_profile_that_cannot_be_used_is_told_once(profile, tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(RGB).save(tmp_path / name, icc_profile=profile)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert np.array_equal(read_image(tmp_path / "a.png"), RGB)
        assert np.array_equal(read_image(tmp_path / "b.png"), RGB)
    assert ["a.png cannot be used" in str(one.message) for one in told] == [True]


def png(width, height, *more):
    """A PNG of zeros, whose rows are made one at a time."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    rows = b"".join([*(packer.compress(bytes(1 + 3 * width)) for _ in range(height)), packer.flush()])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    extra = b"".join(chunk(*one) for one in more)
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


HUGE = {
    "a.png": png(20000, 1)[:16] + struct.pack(">II", 20000, 20000) + png(20000, 1)[24:],
    "a.bmp": b"BM"
    + struct.pack("<IHHI", 100, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 30000, 30000, 1, 24, *[0] * 6),
    "a.ppm": b"P6 50000 50000 255\n",
    "a.gif": b"GIF89a" + struct.pack("<HHBBB", 60000, 60000, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
}
BOMB = zlib.compress(bytes(10**7))
HUGE["a.png"] = HUGE["a.png"][:29] + struct.pack(">I", zlib.crc32(HUGE["a.png"][12:29])) + HUGE["a.png"][33:]


@pytest.mark.parametrize("reader", [read_image, read_straight, probe_image])
@pytest.mark.parametrize("name", HUGE)
def test_what_is_too_large_is_refused_by_its_header(name, reader, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(HUGE[name])
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("it was decoded"))
    monkeypatch.setattr("cv2.imdecode", lambda data, flags: pytest.fail("it was decoded"))
    with pytest.raises(UnreadableImage, match=r"is too large: it has \d+ pixels.*SKETCHKIT_MAX_PIXELS="):
        reader(tmp_path / name)


def test_the_limit_is_an_option(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # put back afterwards
    Image.fromarray(RGB).save(tmp_path / "a.png")
    for limit, fits in ((23 * 19, True), (23 * 19 - 1, False), (100, False)):
        monkeypatch.setenv(formats.MAX_PIXELS, str(limit))
        for reader in (read_image, probe_image):
            if fits:
                reader(tmp_path / "a.png")
            else:
                with pytest.raises(
                    UnreadableImage, match=f"437 pixels, more than the {limit} .*SKETCHKIT_MAX_PIXELS=437"
                ):
                    reader(tmp_path / "a.png")
    for word in ("0", "-1", "1e9", "many", "\u0661"):
        monkeypatch.setenv(formats.MAX_PIXELS, word)
        with pytest.raises(ConfigError, match="is no number of pixels"):
            read_image(tmp_path / "a.png")


def test_a_file_longer_than_any_picture_is_not_read(tmp_path):
    (tmp_path / "a.png").touch()
    os.truncate(tmp_path / "a.png", 2**40)
    with pytest.raises(UnreadableImage, match="bytes, more than a picture"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("chunk", [(b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\1\0\0\0"), (b"iCCP", b"x\0\0")])
def test_remarks_that_unpack_to_much_are_refused(chunk, tmp_path):
    name, start = chunk
    (tmp_path / "a.png").write_bytes(png(8, 8, (name, start + BOMB)))
    with pytest.raises(UnreadableImage, match="too large"):
        read_image(tmp_path / "a.png")


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for path, kind in ((tmp_path / "pipe.png", "pipe"), (tmp_path / "folder.png", "folder"), ("/dev/zero", "device")):
        for reader in (read_image, probe_image):
            with pytest.raises(UnreadableImage, match=kind):
                reader(path)


def test_transparency_is_written_where_it_can_be(tmp_path):
    rgba = np.dstack([RGB, DEEP[..., 0] >> 8]).astype(np.uint8)
    for name in ("a.png", "a.tif"):
        write_image(tmp_path / name, rgba)
        assert np.array_equal(read_straight(tmp_path / name), rgba)
    with pytest.raises(DataError, match="no transparency"):
        write_image(tmp_path / "a.jpg", rgba)
