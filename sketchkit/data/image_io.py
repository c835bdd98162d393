"""Image files to RGB arrays and back: cut files are found out, and no file is left half written."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from sketchkit.atomic import whole
from sketchkit.errors import DataError

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
    """The file as (H, W, 3) uint8 RGB: turned by its EXIF tag, 16 bits scaled to 8, transparency laid on white.

    Args:
        digest: of the bytes that are expected, as `probe_image` says it.

    Raises:
        UnreadableImage: the file is missing, empty, cut short, or not an image, or holds other bytes than expected;
            the message names it.
    """

    def decode(data: bytes) -> np.ndarray:
        if digest is not None and sha256(data).hexdigest() != digest:
            raise UnreadableImage(f"{path} has changed since it was first looked at: call again when it is whole")
        return _decode(data)

    return _understood(path, decode)


def probe_image(path: str | Path) -> Probe:
    """Look at a file's bytes and header; the size is that of the picture as `read_image` turns it.

    Raises:
        UnreadableImage: as `read_image`; of formats other than JPEG and PNG only the header is looked at.
    """
    return _understood(path, _probe)


def _understood(path: str | Path, reader: Callable[[bytes], T]) -> T:
    """What `reader` makes of the file's bytes, its failures in words that name the file."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableImage(f"cannot read {path}: {error.strerror or error}") from error
    if not data:
        raise UnreadableImage(f"{path} is empty: fetch the file again or remove it")
    try:
        return reader(data)
    except (OSError, ValueError, SyntaxError, cv2.error, Image.DecompressionBombError) as error:
        # Pillow's own words name the memory that was looked at, not the file.
        is_unknown = isinstance(error, UnidentifiedImageError)
        reason = "of no known format" if is_unknown or not str(error) else str(error).splitlines()[0]
        raise UnreadableImage(f"{path} is not a whole image ({reason}): fetch the file again or remove it") from error


def write_image(path: str | Path, image: np.ndarray, *, quality: int = 95) -> None:
    """Write (H, W) grey or (H, W, 3) RGB uint8 in the format of the path's ending; readers never see half a file.

    Raises:
        DataError: the ending names no format that can be written.
    """
    path = Path(path)
    if not cv2.haveImageWriter(path.name):
        raise DataError(f"cannot write {path}: no image format ends in '{path.suffix}', use .png or .jpg")
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix.lower() in (".jpg", ".jpeg") else []
    _, data = cv2.imencode(path.suffix, pixels, options)
    with whole(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _probe(data: bytes) -> Probe:
    may_turn = True
    if data.startswith(JPEG_START):
        _check_jpeg(data)
    elif data.startswith(PNG_START):
        # Pillow decodes a whole PNG in search of a tag that is not there.
        may_turn = b"eXIf" in list(_png_chunks(data))
    with Image.open(io.BytesIO(data)) as image:
        width, height = _turned_size(image) if may_turn else image.size
        # Pillow names a JPEG with a second picture in it, as phones write them, by another word.
        kind = "jpeg" if data.startswith(JPEG_START) else (image.format or "unknown").lower()
        return Probe(sha256(data).hexdigest(), width, height, kind)


def _turned_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as the EXIF tag turns them."""
    tags = image.getexif()
    width, height = image.size
    if image.format == "TIFF":  # whose `size` some versions of Pillow have turned already
        width, height = tags[ExifTags.Base.ImageWidth], tags[ExifTags.Base.ImageLength]
    # Orientations 5 to 8 of the EXIF standard lie on their side.
    return (height, width) if tags.get(ExifTags.Base.Orientation, 1) > 4 else (width, height)


def _decode(data: bytes) -> np.ndarray:
    # OpenCV is the fastest decoder, but may hand out the first half of a cut file without a word: see the end first.
    if data.startswith(JPEG_START):
        _check_jpeg(data)
        return cv2.cvtColor(_decode_fast(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    if data.startswith(PNG_START) and not {b"eXIf", b"tRNS", b"acTL"} & set(_png_chunks(data)):
        return _to_rgb(_decode_fast(data, cv2.IMREAD_UNCHANGED))
    return _decode_strict(data)


def _decode_fast(data: bytes, flags: int) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise ValueError("it cannot be decoded")
    return image


def _decode_strict(data: bytes) -> np.ndarray:
    """Pillow: slower, but it knows every format, refuses cut data, and keeps rare transparency and rotation tags."""
    return image_to_rgb(Image.open(io.BytesIO(data)))


def image_to_rgb(image: Image.Image) -> np.ndarray:
    """A Pillow image as (H, W, 3) uint8 RGB, as `read_image` makes it of the file."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return _to_rgb(np.asarray(image).astype(np.uint16))
    if image.has_transparency_data:
        return _on_white(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """OpenCV's (H, W), BGR or BGRA of 8 or 16 bits as RGB of 8 bits."""
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 4:
        return _on_white(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _on_white(image: np.ndarray) -> np.ndarray:
    color, alpha = image[..., :3].astype(np.uint32), image[..., 3:].astype(np.uint32)
    return ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


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
