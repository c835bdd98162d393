"""Which picture files a folder holds: the one way in which every command and every data set lists them.

Linked folders are walked as others are, each once, so that loops end. Hidden files, and folders that are hidden or made
by a system, are left out. Whatever looks like a picture and is left out is told, with the reason.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sketchkit.data.formats import OTHERS, SUFFIXES
from sketchkit.errors import DataError
from sketchkit.problems import first_few

# What Windows, macOS and network disks put beside pictures.
MADE_BY_SYSTEMS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*", b"BM")


@dataclass
class Listing:
    """What was found below a folder.

    Attributes:
        files: the pictures, sorted by their paths.
        left_out: what looks like a picture and is none of them, with the reason.
        links: pictures that are links to others of `files`.
    """

    files: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)
    links: list[Path] = field(default_factory=list)

    def said(self, folder: Path) -> str:
        """A line on what is left out; empty where nothing is."""
        if not self.left_out:
            return ""
        reasons = ", ".join(f"{count} {why}" for why, count in Counter(self.left_out.values()).most_common())
        return (
            f"{len(self.left_out)} of what looks like pictures in {folder} is left out ({reasons}): "
            f"{first_few(sorted(self.left_out))}; convert, rename or mend those that are wanted"
        )


def pictures_in(folder: Path, by_name: bool = False) -> list[Path]:
    """The picture files below `folder` at any depth, sorted by their paths; says, as a warning, what is left out.

    Args:
        folder: where to look.
        by_name: keep links to pictures that are there too, as where pictures are found by their names.

    Raises:
        DataError: there is no such folder, or one below it may not be looked into.
    """
    found = list_pictures(folder, by_name)
    if said := found.said(folder):
        warnings.warn(said, stacklevel=2)
    return found.files


def some_pictures(folder: Path) -> list[Path]:
    """The picture files below `folder`, sorted.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    files = pictures_in(folder)
    if not files:
        raise DataError(f"no picture in {folder}: it is empty, or holds no file of a known format")
    return files


def list_pictures(folder: Path, by_name: bool = False) -> Listing:
    """`pictures_in`, with what is left out, and without a word.

    Raises:
        DataError: as `pictures_in`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"no folder at {folder}: check the path")
    walk = _Walk(folder)
    walk.all()
    found = walk.found
    if not by_name:
        _once(found, walk.real)
    found.files.sort()
    return found


def _once(found: Listing, real: set[str]) -> None:
    """Leave out the links to pictures that are among the files already."""
    for file in found.links:
        name = os.path.realpath(file)
        if name in real:
            found.left_out[file] = "links to a picture that is there"
        real.add(name)
    found.files = [file for file in found.files if file not in found.left_out]


class _Walk:
    """A walk below a folder: its own folders first, then linked ones, so that a name without a link is preferred."""

    def __init__(self, root: Path) -> None:
        self.root, self.found = root, Listing()
        real = os.path.realpath(root)
        # A link to a folder above would lead back here by way of what lies beside.
        self.above = {real, *map(str, Path(real).parents)}
        self.seen: set[str] = set()
        self.real: set[str] = set()  # of the files that are no links
        self.linked: deque[str] = deque()

    def all(self) -> None:
        """Walk the root, then what is linked from where it was."""
        self._folder(str(self.root), os.path.realpath(self.root))
        while self.linked:
            place = self.linked.popleft()
            real = os.path.realpath(place)
            if real in self.seen or real in self.above:
                self.found.left_out[Path(place)] = "links to a folder that is walked already"
            else:
                self._folder(place, real)

    def _folder(self, place: str, real: str) -> None:
        waiting = deque([(place, real)])
        while waiting:
            place, real = waiting.popleft()
            if real in self.seen:
                continue
            self.seen.add(real)
            for entry in self._entries(place):
                if _is_folder(entry):
                    if entry.name.startswith(".") or entry.name in MADE_BY_SYSTEMS:
                        continue
                    if entry.is_symlink():
                        self.linked.append(entry.path)
                    else:
                        waiting.append((entry.path, str(Path(real, entry.name))))
                else:
                    self._file(entry, real)

    def _entries(self, place: str) -> Sequence[os.DirEntry[str]]:
        try:
            with os.scandir(place) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(
                f"cannot look into {place} ({error.strerror}): give yourself the right to, or move it away"
            ) from error

    def _file(self, entry: os.DirEntry[str], real: str) -> None:
        path = Path(entry.path)
        ending = path.suffix.lower()
        if reason := _left_out(entry, ending):
            self.found.left_out[path] = reason
        elif ending in SUFFIXES and not entry.name.startswith("."):
            self.found.files.append(path)
            if entry.is_symlink():
                self.found.links.append(path)
            else:
                self.real.add(str(Path(real, entry.name)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # A path answers False of a link to itself, where the entry raises.
    return Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()


def _is_file(entry: os.DirEntry[str]) -> bool:
    return Path(entry.path).is_file() if entry.is_symlink() else entry.is_file()


def _left_out(entry: os.DirEntry[str], ending: str) -> str:
    """Why a file that looks like a picture is not taken; empty for others."""
    looks = ending in SUFFIXES or ending in OTHERS
    if entry.is_symlink() and not os.access(entry.path, os.F_OK):
        return "links that lead nowhere" if looks or not ending else ""
    if entry.name.startswith("."):
        # macOS keeps its own notes on a file as ._NAME.
        return "hidden" if looks and not entry.name.startswith("._") else ""
    if ending in SUFFIXES and not _is_file(entry):
        return "not regular files"
    if ending in OTHERS and ending not in SUFFIXES:
        return f"ending in {ending}"
    if not ending and _starts_like_one(entry):
        return "without an ending"
    return ""


def _starts_like_one(entry: os.DirEntry[str]) -> bool:
    try:
        # Opening a pipe would wait for ever.
        if not _is_file(entry):
            return False
        with Path(entry.path).open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(STARTS) or (start.startswith(b"RIFF") and start.endswith(b"WEBP"))
