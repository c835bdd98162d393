"""Colour profiles: pictures that carry one are brought to sRGB by LittleCMS, as Pillow does."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache

from PIL import Image, ImageCms

# A profile's colour space -> the mode that Pillow keeps such pictures in.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_said: set[bytes] = set()


def to_srgb(image: Image.Image, name: str) -> Image.Image:
    """RGB in sRGB, without alpha, of a picture in any of Pillow's modes of 8 bits.

    A profile that is damaged, or of other channels than the picture, says nothing: the picture is taken to be sRGB as
    one without a profile is, which is told once for a profile.
    """
    profile = image.info.get("icc_profile")
    if not profile or image.mode == "LAB":  # which is a profile of its own
        return image if image.mode == "RGB" else image.convert("RGB")
    try:
        mode, transform = _transform(profile)
        return transform.apply(_in_mode(image, mode))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        _tell(profile, name, " ".join(str(error).split()))
        return image.convert("RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform]:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if space not in _MODES:
        raise ValueError(f"it is of {space} colours")
    mode = _MODES[space]
    return mode, ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The picture in the profile's own channels; greys and palettes are RGB as well."""
    own = {"1": "L", "LA": "L", "CMYK": "CMYK"}.get(image.mode, image.mode)
    if mode != own and (mode != "RGB" or own == "CMYK"):
        raise ValueError(f"it is for {mode} pictures, and this one is {own}")
    return image.convert(mode)


def _tell(profile: bytes, name: str, reason: str) -> None:
    if profile not in _said:
        _said.add(profile)
        warnings.warn(f"the colour profile of {name} cannot be used ({reason}): it is taken to be sRGB", stacklevel=2)
