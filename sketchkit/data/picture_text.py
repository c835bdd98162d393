"""What a picture file says of itself: a JSON object that travels in it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from sketchkit.atomic import whole
from sketchkit.data.image_io import write_image
from sketchkit.errors import DataError
from sketchkit.files import regular_file

KEYWORD = "sketchkit"  # of the iTXt chunk (PNG specification, section 11.3.4.5)
# By the file's ending, Pillow's name of the format and its options. Others hold no text.
_KINDS: Mapping[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": 4}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}


def write_described(path: str | Path, image: np.ndarray, about: Mapping[str, Any]) -> None:
    """Write (H, W, 3) uint8 RGB in the format of the path's ending, with `about` in it where the format can hold text.

    PNG has it as an iTXt chunk, JPEG and WebP as the EXIF tag ImageDescription. Readers never see half a file.

    Raises:
        DataError: the ending names no format that can be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _KINDS:
        write_image(path, image)
        return
    data = encoded(image, path.suffix, about)
    with whole(path) as temporary:
        temporary.write_bytes(data)


def encoded(image: np.ndarray, ending: str, about: Mapping[str, Any]) -> bytes:
    """The bytes that `write_described` writes, for one of the endings whose formats hold text.

    Raises:
        DataError: another ending, or a picture larger than the format can hold.
    """
    if ending.lower() not in _KINDS:
        raise DataError(f"no format that ends in '{ending}' holds text: use {', '.join(_KINDS)}")
    kind, options = _KINDS[ending.lower()]
    text = json.dumps(about, ensure_ascii=True, sort_keys=True)
    buffer = io.BytesIO()
    if kind == "PNG":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt(KEYWORD, text)
        Image.fromarray(image).save(buffer, kind, pnginfo=chunks, **options)
        return buffer.getvalue()
    tags = Image.Exif()
    tags[ExifTags.Base.ImageDescription] = f"{KEYWORD} {text}"
    try:
        Image.fromarray(image).save(buffer, kind, exif=tags, **options)
    except (OSError, ValueError) as error:  # what Pillow says of a side that is too long
        height, width = image.shape[:2]
        raise DataError(f"{kind} cannot hold a picture of {width}x{height} ({error}): write PNG") from error
    return buffer.getvalue()


def read_about(path: str | Path) -> dict[str, Any] | None:
    """What `write_described` put into a file; None where there is nothing of the kind, whatever the file is."""
    try:
        with Image.open(regular_file(path), formats=["PNG", "JPEG", "WEBP"]) as image:
            text = image.info.get(KEYWORD) or _described(image)
        about = json.loads(text) if isinstance(text, str) else None
    except Exception:  # a stranger's file may fail in any way
        return None
    return about if isinstance(about, dict) else None


def _described(image: Image.Image) -> str | None:
    said = image.getexif().get(ExifTags.Base.ImageDescription)
    return said.removeprefix(f"{KEYWORD} ") if isinstance(said, str) and said.startswith(KEYWORD) else None
