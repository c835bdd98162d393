"""Sets of picture files to be judged: a folder, or a list; looked through before any work is done on them."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path

from sketchkit.data.formats import SUFFIXES
from sketchkit.data.image_io import Probe, UnreadableImage, probe_image
from sketchkit.data.listing import pictures_in
from sketchkit.data.lists import read_lines, spellings
from sketchkit.data.names import names_of
from sketchkit.errors import DataError
from sketchkit.problems import first_few

FAIL, SKIP = "fail", "skip"
Progress = Callable[[int, int], object]
LIST_SUFFIXES = (".txt", ".lst", ".list")


@dataclass(frozen=True)
class PictureFile:
    """One file: its name within the set, and what a look at its header says."""

    name: str
    file: Path
    probe: Probe


@dataclass(frozen=True)
class PictureSet:
    """The pictures of a folder or a list, by name; what could not be read, with the reason."""

    path: Path
    pictures: Mapping[str, PictureFile]
    unreadable: Mapping[Path, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def fingerprint(self) -> str:
        """Of all its pictures; see `fingerprint`."""
        return fingerprint(self.pictures.values())

    @property
    def sizes(self) -> dict[str, int]:
        """'WIDTHxHEIGHT' -> how many pictures have it, the most frequent first."""
        probes = [picture.probe for picture in self.pictures.values()]
        return dict(Counter(f"{probe.width}x{probe.height}" for probe in probes).most_common())

    @property
    def formats(self) -> dict[str, int]:
        """Format ('png', 'jpeg', ...) -> how many files have it."""
        return dict(Counter(picture.probe.format for picture in self.pictures.values()).most_common())


def read_set(path: Path, on_error: str = FAIL, progress: Progress | None = None) -> PictureSet:
    """Find and look through the pictures of a folder, at any depth, or of a text file with one path a line.

    A picture's name is its path within the set without the ending (with it, where two would have one name); paths in a
    list are relative to the list's folder.

    Args:
        path: the folder or the list.
        on_error: 'fail', or 'skip' to leave out files that cannot be read.
        progress: called with (files looked at, all of them).

    Raises:
        DataError: nothing is there, there is no picture, or some cannot be read; the message names them all.
    """
    files = _listed(path) if path.is_file() else _in_folder(path)
    probes: list[Probe | UnreadableImage] = []
    with ThreadPoolExecutor() as pool:
        for probe in pool.map(_probe, files):
            probes.append(probe)
            if progress:
                progress(len(probes), len(files))
    bad = {file: str(probe) for file, probe in zip(files, probes, strict=True) if isinstance(probe, UnreadableImage)}
    if bad and on_error == FAIL:
        raise DataError(refusal(bad.values()))
    if len(bad) == len(files):
        raise DataError(f"none of the {len(files)} pictures in {path} can be read, first: {next(iter(bad.values()))}")
    names = names_of(files, _base(path, files))
    named = zip(map(names.__getitem__, files), files, probes, strict=True)
    good = [PictureFile(name, file, probe) for name, file, probe in named if isinstance(probe, Probe)]
    return PictureSet(path, {picture.name: picture for picture in sorted(good, key=lambda p: p.name)}, bad)


def refusal(reasons: Iterable[str]) -> str:
    """The words for pictures that cannot be used, each with its reason."""
    reasons = list(dict.fromkeys(reasons))
    return f"{len(reasons)} pictures cannot be used: {first_few(reasons, '; ')}; or leave such out with --on-error skip"


def fingerprint(pictures: Iterable[PictureFile]) -> str:
    """SHA-256, in hex, of the contents of files, whatever their names and order."""
    return hashlib.sha256("".join(sorted(picture.probe.digest for picture in pictures)).encode()).hexdigest()


def _probe(file: Path) -> Probe | UnreadableImage:
    try:
        return probe_image(file)
    except UnreadableImage as error:
        return error


def _in_folder(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"nothing is at {folder}: name a folder of pictures, a list of them, or kept statistics")
    files = pictures_in(folder, by_name=True)
    if not files:
        raise DataError(f"there is no picture in {folder}: check the path")
    return files


def _listed(path: Path) -> list[Path]:
    if path.suffix.lower() not in LIST_SUFFIXES:
        endings = ", ".join(LIST_SUFFIXES)
        raise DataError(f"{path} is neither a folder nor a list of pictures ({endings}): put a picture into a folder")
    folder = path.absolute().parent
    files = [file for line in read_lines(path) if (file := _meant(folder, line)) is not None]
    if not files:
        raise DataError(f"the list {path} is empty: write one path a line")
    twice = [str(file) for file, count in Counter(files).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} pictures are twice in the list {path}, first {twice[0]}: keep each once")
    return sorted(files)


def _base(path: Path, files: Sequence[Path]) -> Path:
    """What names are relative to: the folder, or the deepest one that all files of a list share."""
    return path if path.is_dir() else Path(os.path.commonpath([file.parent for file in files]))


def _meant(folder: Path, line: str) -> Path | None:
    """The file that a line names; None for a remark. One that is not there is left to the reading, which says so."""
    ways = [Path(os.path.normpath(folder / spelling)) for spelling in spellings(line)]
    forms = [Path(unicodedata.normalize(form, str(way))) for way in ways for form in ("NFC", "NFD")]
    for way in (*ways, *forms):
        if way.is_file():
            return way
    if line.lstrip().startswith("#"):
        return None
    alike = [file for way in ways for file in sorted(way.parent.glob(f"{escape(way.stem)}.*")) if _is_read(file)]
    return alike[0] if len(set(alike)) == 1 else ways[-1]


def _is_read(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
