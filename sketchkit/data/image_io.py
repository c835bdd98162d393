"""Image files to RGB arrays and back: cut files are found out, and no file is left half written."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from sketchkit.atomic import whole
from sketchkit.data import pixels
from sketchkit.data.formats import TooLarge, check_bytes, open_picture
from sketchkit.errors import DataError, SketchkitError
from sketchkit.files import regular_file

T = TypeVar("T")
JPEG_START = b"\xff\xd8\xff"
PNG_START = b"\x89PNG\r\n\x1a\n"
# In entropy-coded data a marker is 0xFF and anything but a stuffed zero, a restart (D0-D7) or a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class UnusablePicture(DataError):
    """A file that a data set cannot use; its neighbour takes its place. `file` is it, where a data set has read it."""

    file: Path | None = None


class UnreadableImage(UnusablePicture):
    """A file that is missing, empty, cut short, or no image."""


class Probe(NamedTuple):
    """What a look at an image file says without decoding it: SHA-256 of its bytes in hex, size in pixels, format."""

    digest: str
    width: int
    height: int
    format: str


def read_image(path: str | Path, digest: str | None = None) -> np.ndarray:
    """The file as (H, W, 3) uint8 RGB in sRGB: upright, 16 bits rounded to 8, transparency laid on white.

    Args:
        digest: of the bytes that are expected, as `probe_image` says it.

    Raises:
        UnreadableImage: the file is missing, empty, cut short, too large, or not an image, or holds other bytes than
            expected; the message names it.
        ConfigError: the limit of size is no number; see `sketchkit.data.formats.max_pixels`.
    """
    return pixels.on_white(read_straight(path, digest))


def read_straight(path: str | Path, digest: str | None = None) -> np.ndarray:
    """As `read_image`, with transparency as a fourth channel where the file has it.

    Raises:
        UnreadableImage, ConfigError: as `read_image`.
    """

    def decode(data: bytes) -> np.ndarray:
        if digest is not None and sha256(data).hexdigest() != digest:
            raise UnreadableImage(f"{path} has changed since it was first looked at: call again when it is whole")
        return _decode(data, str(path))

    return _understood(path, decode)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a picture's file, for `straight_of`.

    Raises:
        UnreadableImage: it is missing, empty or too large.
    """
    return _understood(path, lambda data: data)


def straight_of(data: bytes, name: str) -> np.ndarray:
    """The bytes of a file as `read_straight` reads it; `name` is what messages call it.

    Raises:
        UnreadableImage, ConfigError: as `read_image`.
    """
    return _made_of(data, name, lambda data: _decode(data, name))


def probe_image(path: str | Path) -> Probe:
    """Look at a file's bytes and header; the size is that of the picture as `read_image` turns it.

    Raises:
        UnreadableImage, ConfigError: as `read_image`; of formats other than JPEG and PNG only the header is looked at.
    """
    return _understood(path, _probe)


def image_to_straight(image: Image.Image) -> np.ndarray:
    """A Pillow image as `read_straight` makes it of the file.

    Raises:
        DataError: its pixels cannot be had, or have no range of their own.
    """
    try:
        return pixels.straight(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"a picture of mode {image.mode} cannot be used: {_reason(error)}") from error


def _understood(path: str | Path, reader: Callable[[bytes], T]) -> T:
    """What `reader` makes of the file's bytes, its failures in words that name the file."""
    try:
        check_bytes(Path(path).stat().st_size)
        data = regular_file(path).read_bytes()
    except OSError as error:
        raise UnreadableImage(f"cannot read {path}: {error.strerror or error}") from error
    except TooLarge as error:
        raise UnreadableImage(f"{path} is too large: {error}") from error
    except DataError as error:
        raise UnreadableImage(str(error)) from error
    except ValueError as error:  # of what no file can be named
        raise UnreadableImage(f"cannot read {path}: {error}") from error
    return _made_of(data, path, reader)


def _made_of(data: bytes, path: str | Path, reader: Callable[[bytes], T]) -> T:
    if not data:
        raise UnreadableImage(f"{path} is empty: fetch the file again or remove it")
    try:
        check_bytes(len(data))
        return reader(data)
    except TooLarge as error:
        raise UnreadableImage(f"{path} is too large: {error}") from error
    except SketchkitError:
        raise
    except pixels.Unusable as error:
        raise UnreadableImage(f"{path} cannot be read: {error}") from error
    except MemoryError as error:
        raise UnreadableImage(f"{path} does not fit into memory: make it smaller, or free some") from error
    except Exception as error:  # a damaged file makes decoders fail in every way there is
        raise UnreadableImage(
            f"{path} is not a whole image ({_reason(error)}): fetch the file again or remove it"
        ) from error


def _reason(error: Exception) -> str:
    # Pillow's own words name the memory that was looked at, not the file; those of Python's errors name no fault.
    if isinstance(error, UnidentifiedImageError):
        return "of no known format"
    return ("" if isinstance(error, LookupError) else " ".join(str(error).split())) or "damaged"


def can_write(path: str | Path) -> bool:
    """Whether the path's ending names a format that pictures can be written in."""
    ending = Path(path).suffix
    # By the ending alone: OpenCV ends the process at a name that is no UTF-8.
    return ending.isascii() and cv2.haveImageWriter(f"picture{ending}")


def keeps_alpha(path: str | Path) -> bool:
    """Whether the format of the path's ending has transparency."""
    return Path(path).suffix.lower() in (".png", ".webp", ".tif", ".tiff")


def write_image(path: str | Path, image: np.ndarray, *, quality: int = 95) -> None:
    """Write (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA uint8 in the format of the path's ending.

    Readers never see half a file.

    Raises:
        DataError: the ending names no format that can be written, or one without transparency for RGBA.
    """
    path = Path(path)
    if not can_write(path):
        raise DataError(f"cannot write {path}: no image format ends in '{path.suffix}', use .png or .jpg")
    channels = image.shape[2] if image.ndim == 3 else 1
    if channels == 4 and not keeps_alpha(path):
        raise DataError(f"cannot write {path}: its format has no transparency, use .png")
    turned = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    data = cv2.cvtColor(image, turned[channels]) if channels in turned else image
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix.lower() in (".jpg", ".jpeg") else []
    _, encoded = cv2.imencode(path.suffix, data, options)
    with whole(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _probe(data: bytes) -> Probe:
    is_jpeg = data.startswith(JPEG_START)
    with open_picture(data) as image:
        may_turn = _check_whole(data)
        width, height = _turned_size(image) if may_turn else image.size
        # Pillow names a JPEG with a second picture in it, as phones write them, by another word.
        kind = "jpeg" if is_jpeg else (image.format or "unknown").lower()
        return Probe(sha256(data).hexdigest(), width, height, kind)


def _check_whole(data: bytes) -> bool:
    """Walk through a JPEG or PNG to its end; whether the picture may have a tag that turns it."""
    if data.startswith(JPEG_START):
        _check_jpeg(data)
    # Pillow decodes a whole PNG in search of a tag that is not there.
    return not data.startswith(PNG_START) or b"eXIf" in set(_png_chunks(data))


def _turned_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as the EXIF tag turns them."""
    width, height = image.size
    if image.format == "TIFF":  # whose `size` some versions of Pillow have turned already
        tags = image.getexif()
        width, height = tags[ExifTags.Base.ImageWidth], tags[ExifTags.Base.ImageLength]
    # Orientations 5 to 8 of the EXIF standard lie on their side.
    return (height, width) if pixels.orientation(image) > 4 else (width, height)


def _decode(data: bytes, name: str) -> np.ndarray:
    # OpenCV is the fastest decoder, but may hand out the first half of a cut file without a word: see the end first.
    image = open_picture(data)
    may_turn = _check_whole(data)
    if not _is_plain(data, image):
        return pixels.straight(image, name)
    flags = cv2.IMREAD_UNCHANGED if data.startswith(PNG_START) else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    found = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if found is None:
        raise ValueError("it cannot be decoded")
    return pixels.turn(_to_rgb(found), pixels.orientation(image) if may_turn else pixels.UPRIGHT)


def _is_plain(data: bytes, image: Image.Image) -> bool:
    """Whether OpenCV reads it right; Pillow is slower, but knows every format, profiles and rare transparency."""
    if "icc_profile" in image.info:
        return False
    if data.startswith(JPEG_START):
        return image.mode in ("L", "RGB")
    return data.startswith(PNG_START) and not {b"tRNS", b"acTL"} & set(_png_chunks(data))


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """OpenCV's (H, W), BGR or BGRA of 8 or 16 bits as RGB or RGBA of 8 bits."""
    if image.dtype == np.uint16:
        image = pixels.to_eight_bits(image)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _check_jpeg(data: bytes) -> None:
    """Walk the segments to the end-of-image marker (ITU-T T.81, B.1); a thumbnail's own end does not count."""
    position = 2
    while found := _MARKER.search(data, position):
        if data[found.start() + 1] == 0xD9:
            return
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    raise ValueError("cut short")


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """The chunk names up to the closing IEND, every checksum verified (PNG specification, section 5)."""
    position, name = len(PNG_START), b""
    while name != b"IEND":
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + 12 + length
        if end > len(data):
            raise ValueError("cut short")
        name = data[position + 4 : position + 8]
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ValueError("a checksum is wrong")
        yield name
        position = end
