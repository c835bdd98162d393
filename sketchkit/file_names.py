"""Names of files, which may be of any bytes: how they are shown, and how long they may be."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path

LONGEST_NAME = 255  # in bytes, on the file systems that people have
# What moves a terminal's cursor, changes its colours, or turns the direction of the letters; and bytes that are no
# UTF-8, which Python holds as half a surrogate pair.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text on one line that a terminal only shows: control characters, line breaks among them, become `\\x1b`."""
    return _UNPRINTABLE.sub(lambda found: ascii(_byte_of(found[0]))[1:-1], text)


def is_text(name: str) -> bool:
    """Whether a name is UTF-8, which file systems do not ask for."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _byte_of(letter: str) -> str:
    """A byte of a name that is no UTF-8 as that byte's number."""
    return chr(ord(letter) - 0xDC00) if "\udc80" <= letter <= "\udcff" else letter


def fitting(name: str, room: int = LONGEST_NAME) -> str:
    """The name, or where it has more than `room` bytes its beginning and a digest of the whole, before its ending."""
    if len(os.fsencode(name)) <= room:
        return name
    ending = Path(name).suffix
    tail = f"-{sha256(os.fsencode(name)).hexdigest()[:16]}{ending if len(os.fsencode(ending)) < 16 else ''}"
    return os.fsencode(name)[: room - len(os.fsencode(tail))].decode("utf-8", "ignore") + tail
