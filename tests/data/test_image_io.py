import numpy as np
import pytest
from PIL import Image

from sketchkit.data.image_io import UnreadableImage, read_image, write_image
from sketchkit.errors import DataError

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (9, 7), dtype=np.uint8)
RGB = RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)


def save(tmp_path, name, image, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_colour_comes_back_in_rgb(tmp_path):
    assert np.array_equal(read_image(save(tmp_path, "a.png", Image.fromarray(RGB))), RGB)


def test_grey_is_spread_over_three_channels(tmp_path):
    out = read_image(save(tmp_path, "a.png", Image.fromarray(GRAY)))
    assert np.array_equal(out, np.stack([GRAY] * 3, -1))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_scaled_not_cut(tmp_path, name):
    deep = (GRAY.astype(np.uint16) * 257)[..., None].repeat(1, -1)[..., 0]
    out = read_image(save(tmp_path, name, Image.fromarray(deep)))
    assert np.array_equal(out[..., 0], GRAY)


def test_a_palette_is_looked_up(tmp_path):
    picture = Image.fromarray(RGB).quantize(8)
    expected = np.asarray(picture.convert("RGB"))
    assert np.array_equal(read_image(save(tmp_path, "a.png", picture)), expected)


def test_a_transparent_palette_entry_is_white(tmp_path):
    picture = Image.fromarray(GRAY % 4, mode="P")
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    out = read_image(save(tmp_path, "a.png", picture, transparency=2))
    assert (out[GRAY % 4 == 2] == 255).all()
    assert (out[GRAY % 4 == 1] == (40, 50, 60)).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_white(tmp_path, mode):
    alpha = np.linspace(0, 255, GRAY.size).astype(np.uint8).reshape(GRAY.shape)
    colors = RGB if mode == "RGBA" else GRAY[..., None]
    picture = Image.fromarray(np.concatenate([colors, alpha[..., None]], -1), mode=mode)
    a = alpha[..., None] / 255
    expected = colors * a + 255 * (1 - a)
    assert np.abs(read_image(save(tmp_path, "a.png", picture)) - expected).max() <= 1


def test_a_rotation_tag_is_obeyed(tmp_path):
    wide = Image.new("RGB", (32, 16), "white")
    wide.paste("black", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    out = read_image(save(tmp_path, "a.jpg", wide, exif=exif, quality=95))
    assert out.shape == (32, 16, 3)
    assert out[:12].mean() < 30 < 220 < out[-12:].mean()


def test_cmyk_is_converted(tmp_path):
    out = read_image(save(tmp_path, "a.jpg", Image.new("CMYK", (8, 8), (255, 0, 0, 0)), quality=95))
    assert out[..., 0].mean() < 120 < out[..., 1].mean()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp"])
@pytest.mark.parametrize("keep", [0.3, 0.8, 0.98])
def test_a_cut_file_is_found_out(tmp_path, name, keep):
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path, name, Image.fromarray(noise))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(UnreadableImage, match=name.replace(".", r"\.")) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_a_cut_jpeg_with_a_whole_thumbnail_is_found_out(tmp_path):
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    thumb = save(tmp_path, "thumb.jpg", Image.fromarray(noise[:16, :16])).read_bytes()
    whole = save(tmp_path, "a.jpg", Image.fromarray(noise), exif=b"Exif\x00\x00" + thumb)
    assert read_image(whole).shape == (64, 64, 3)
    whole.write_bytes(whole.read_bytes()[:-500])
    with pytest.raises(UnreadableImage):
        read_image(whole)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty"), (b"hello, world", r"not a whole image \(of no known format\)")]
)
def test_what_is_no_image_is_named(tmp_path, content, reason):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadableImage, match=reason):
        read_image(tmp_path / "a.png")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableImage, match=r"cannot read .*nowhere\.png: No such file"):
        read_image(tmp_path / "nowhere.png")


def test_a_flipped_bit_in_a_png_is_found_out(tmp_path):
    path = save(tmp_path, "a.png", Image.fromarray(RGB))
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UnreadableImage, match="checksum"):
        read_image(path)


def test_writing_and_reading_agree(tmp_path):
    for image in (RGB, GRAY):
        write_image(tmp_path / "a.png", image)
        assert np.array_equal(read_image(tmp_path / "a.png"), image if image.ndim == 3 else np.stack([image] * 3, -1))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(DataError, match="no image format"):
        write_image(tmp_path / "a.xyz", RGB)
