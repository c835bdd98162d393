"""A Pillow image in any mode, depth and orientation -> upright sRGB pixels of 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from sketchkit.data.profiles import to_srgb

UPRIGHT = 1
# Of TIFF 6.0: PhotometricInterpretation, SampleFormat, PlanarConfiguration.
_WHITE_IS_ZERO, _SIGNED, _PLANAR = 0, 2, 2
_BAND = 2**18  # pixels


class Unusable(ValueError):
    """A whole picture of a kind whose numbers do not say what they look like."""


def straight(image: Image.Image, name: str = "the picture") -> np.ndarray:
    """(H, W, 3) RGB or, where there is transparency, (H, W, 4) straight RGBA; uint8, upright, in sRGB.

    16 bits are divided by 257 and rounded (of colour TIFFs the upper 8 are taken). Of several pictures in a file it is
    the first.

    Raises:
        Unusable: its numbers have no range of their own: 32 bits, signed, or with fractions.
    """
    image.load()
    turned = orientation(image)  # after loading: Pillow turns a TIFF by itself
    image = _eight_bits(image)
    if not image.has_transparency_data:
        pixels = np.array(to_srgb(image, name))
    else:
        image = image.convert("LA") if image.mode == "La" else image
        pixels = np.array(image.convert("RGBA"))
        if image.info.get("icc_profile"):
            pixels[..., :3] = to_srgb(image, name)
    return turn(pixels, turned)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; what is no such number says nothing, and the picture is upright (1)."""
    try:
        value: Any = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # tags can be damaged in any way, and the picture be whole
        return UPRIGHT
    return int(value) if value in range(1, 9) else UPRIGHT


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) as it is to be looked at: 5 to 8 lie on their side, see the orientations of EXIF 2.3, section 4.6.4."""
    if orientation > 4:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def on_white(pixels: np.ndarray) -> np.ndarray:
    """Straight RGBA laid on white; RGB as it is."""
    if pixels.shape[2] == 3:
        return pixels
    return _by_bands(_lay, pixels, (*pixels.shape[:2], 3))


def transparency(pixels: np.ndarray) -> np.ndarray | None:
    """The alpha (H, W) of straight RGBA; None where nothing is transparent."""
    has_any = pixels.shape[2] == 4 and bool((pixels[..., 3] < 255).any())
    return pixels[..., 3] if has_any else None


def with_alpha(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """RGB as RGBA with a picture's alpha, brought to its size; without one as it is."""
    if alpha is None:
        return pixels
    height, width = pixels.shape[:2]
    sized = Image.fromarray(alpha).resize((width, height), Image.Resampling.BILINEAR)
    return np.dstack([pixels, np.asarray(sized)])


def to_eight_bits(values: np.ndarray, largest: int = 65535) -> np.ndarray:
    """Whole numbers 0 to `largest`, (H, W) or (H, W, C), as 0 to 255, rounded."""

    def scale(band: np.ndarray) -> np.ndarray:
        return (np.minimum(band, largest).astype(np.uint32) * 255 + largest // 2) // largest

    return _by_bands(scale, values, values.shape)


def _lay(band: np.ndarray) -> np.ndarray:
    # At most 255 * 255 + 127, which 16 bits hold.
    color, alpha = np.split(band.astype(np.uint16), [3], axis=2)
    return (color * alpha + 255 * (255 - alpha) + 127) // 255


def _by_bands(function: Callable[[np.ndarray], np.ndarray], values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What the function makes of some rows at a time, so that its wider numbers need little memory."""
    made = np.empty(shape, np.uint8)
    rows = max(1, _BAND // values.shape[1])
    for start in range(0, len(values), rows):
        made[start : start + rows] = function(values[start : start + rows])
    return made


def _eight_bits(image: Image.Image) -> Image.Image:
    _check_kind(image)
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.uint16)
    gray = Image.fromarray(to_eight_bits(values, 2 ** _depth(image) - 1))
    if _is_negative(image):
        gray = Image.fromarray(255 - np.asarray(gray))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        gray.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    if "icc_profile" in image.info:
        gray.info["icc_profile"] = image.info["icc_profile"]
    return gray


def _check_kind(image: Image.Image) -> None:
    """Refuse what Pillow reads without telling what black and white are, or reads wrong."""
    mend = "save it with 8 or 16 bits, without a sign"
    if image.mode == "F":
        raise Unusable(f"it holds fractions, which have no range of their own: {mend}")
    # Pillow has these two readers bring whatever is deeper to 16 bits.
    if image.mode == "I" and image.format not in ("PPM", "PNG"):
        raise Unusable(f"it holds whole numbers of 32 bits or with a sign, which have no range of their own: {mend}")
    if _SIGNED in _tag(image, ExifTags.Base.SampleFormat, ()):
        raise Unusable(f"it holds numbers with a sign, which have no range of their own: {mend}")
    is_planar = _tag(image, ExifTags.Base.PlanarConfiguration, 1) == _PLANAR
    if is_planar and (image.mode == "LA" or max(_tag(image, ExifTags.Base.BitsPerSample, (8,))) > 8):
        raise Unusable("its channels lie in planes, of which only colours of 8 bits are read: save it otherwise")


def _depth(image: Image.Image) -> int:
    """Bits a sample, of which TIFF also has 12."""
    bits = _tag(image, ExifTags.Base.BitsPerSample, (16,))
    return bits[0] if bits in ((12,), (16,)) else 16


def _tag(image: Image.Image, tag: int, default: Any) -> Any:
    return image.tag_v2.get(tag, default) if isinstance(image, TiffImageFile) else default


def _is_negative(image: Image.Image) -> bool:
    """Whether a deep TIFF counts from white, which Pillow minds in those of 8 bits alone."""
    return _tag(image, ExifTags.Base.PhotometricInterpretation, None) == _WHITE_IS_ZERO
