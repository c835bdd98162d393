"""Which picture files are read, and how large they may be: looked at in the header, before anything is decoded."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import re
import warnings
from contextlib import suppress
from importlib.util import find_spec

from PIL import Image, UnidentifiedImageError, features
from PIL import _imaging as pillow_core

from sketchkit.errors import ConfigError, DataError

MAX_PIXELS = "SKETCHKIT_MAX_PIXELS"
# Formats by Pillow's names. Only those whose first bytes tell them from others: what is no picture is taken for none.
FORMATS = {
    "JPEG": ".jpg .jpeg .jpe .jif .jfif .mpo",
    "PNG": ".png .apng",
    "WEBP": ".webp",
    "BMP": ".bmp .dib",
    "DIB": ".dib",
    "TIFF": ".tif .tiff",
    "GIF": ".gif",
    "PPM": ".ppm .pgm .pbm .pnm",
    "AVIF": ".avif",
    "JPEG2000": ".jp2 .j2k .j2c .jpc .jpf .jpx",
}
# A Pillow that was built without them reads neither.
_THERE = {"AVIF": find_spec("PIL._avif") is not None, "JPEG2000": features.check("jpg_2000")}
READ = [name for name in FORMATS if _THERE.get(name, True)]
SUFFIXES = frozenset(ending for name in READ for ending in FORMATS[name].split())
# What looks like a picture by its ending, and is not read.
_UNREAD = """
    .arw .bpg .cr2 .cr3 .cur .dcm .dds .dng .emf .eps .exr .fits .hdr .heic .heif .icns .ico .jxl .jxr .nef .orf .pcx
    .pfm .psd .qoi .raf .raw .rw2 .sgi .svg .tga .wdp .wmf .xbm .xcf .xpm
"""
OTHERS = frozenset(_UNREAD.split()).union(*map(str.split, FORMATS.values())) - SUFFIXES
# The first bytes of formats whose damaged and rare files Pillow does not know from what is no picture.
_STARTS = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"RIFF": "WebP",
}
_BYTES_A_PIXEL = 8  # RGBA of 16 bits: the most that any kind of picture takes
_BESIDES = 2**26  # bytes of a file that may be something else than pixels

# Pillow's remarks on damaged tags name neither the file nor a mend.
for _kind in (UserWarning, Image.DecompressionBombWarning):
    warnings.filterwarnings("ignore", category=_kind, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())
# libtiff writes its remarks to the terminal by itself; what is wrong is raised as well. Where libtiff is a part of
# Pillow's own module, its functions have no names.
with suppress(OSError, AttributeError):
    ctypes.CDLL(pillow_core.__file__).TIFFSetErrorHandler(None)


class TooLarge(DataError):
    """A picture has more pixels than are read."""


def max_pixels() -> int | None:
    """The most pixels that a picture may have: of the environment's SKETCHKIT_MAX_PIXELS, else Pillow's own limit.

    Raises:
        ConfigError: the variable holds no whole number above 0.
    """
    word = os.environ.get(MAX_PIXELS)
    if not word:
        return Image.MAX_IMAGE_PIXELS
    if not (word.isascii() and word.isdigit() and int(word)):
        raise ConfigError(f"{MAX_PIXELS}={word!r} is no number of pixels: give a whole number above 0, or unset it")
    return int(word)


def check_bytes(size: int) -> None:
    """Refuse a file that is longer than any picture within the limit.

    Raises:
        TooLarge: says so.
    """
    limit, most = max_pixels(), most_bytes()
    if limit is not None and most is not None and size > most:
        raise TooLarge(f"it has {size} bytes, more than a picture of {limit} pixels can have: {_mend(limit * 4)}")


def most_bytes() -> int | None:
    """The most bytes that the file of a picture may have; None: no limit."""
    limit = max_pixels()
    return None if limit is None else _BYTES_A_PIXEL * limit + _BESIDES


def open_picture(data: bytes) -> Image.Image:
    """A picture whose pixels are not decoded yet.

    Raises:
        TooLarge: it has more pixels than `max_pixels` allows.
        Exception: whatever Pillow makes of a damaged file.
    """
    limit = max_pixels()
    if os.environ.get(MAX_PIXELS):
        Image.MAX_IMAGE_PIXELS = limit
    try:
        image = Image.open(io.BytesIO(data), formats=READ)
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        raise _too_large(int(found[0]) if found else 0, limit) from error
    except UnidentifiedImageError as error:
        for start, name in _STARTS.items():
            if data.startswith(start):
                raise ValueError(f"a {name} that is damaged, or of a kind that is not read") from error
        raise
    if limit is not None and image.width * image.height > limit:
        raise _too_large(image.width * image.height, limit)
    return image


def _too_large(pixels: int, limit: int | None) -> TooLarge:
    return TooLarge(f"it has {pixels} pixels, more than the {limit} that are read: {_mend(pixels)}")


def _mend(pixels: int) -> str:
    return f"make it smaller, or allow more with the environment variable {MAX_PIXELS}={pixels}"
