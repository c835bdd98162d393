"""Sets of picture files to be judged: a folder, or a list; looked through before any work is done on them."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sketchkit.data.base import pictures_in
from sketchkit.data.image_io import Probe, UnreadableImage, probe_image
from sketchkit.errors import DataError

FAIL, SKIP = "fail", "skip"
Progress = Callable[[int, int], object]
SHOWN = 50  # that a message names
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
    named = zip(_names(files, _base(path, files)), files, probes, strict=True)
    good = [PictureFile(name, file, probe) for name, file, probe in named if isinstance(probe, Probe)]
    return PictureSet(path, {picture.name: picture for picture in sorted(good, key=lambda p: p.name)}, bad)


def refusal(reasons: Iterable[str]) -> str:
    """The words for pictures that cannot be used, each with its reason."""
    reasons = list(dict.fromkeys(reasons))
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    first = "; ".join(reasons[:SHOWN])
    return f"{len(reasons)} pictures cannot be used: {first}{more}; or leave such out with --on-error skip"


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
    files = pictures_in(folder)
    if not files:
        raise DataError(f"there is no picture in {folder}: check the path")
    return files


def _listed(path: Path) -> list[Path]:
    if path.suffix.lower() not in LIST_SUFFIXES:
        endings = ", ".join(LIST_SUFFIXES)
        raise DataError(f"{path} is neither a folder nor a list of pictures ({endings}): put a picture into a folder")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the list {path}: write one path a line in UTF-8") from error
    files = [Path(os.path.normpath(path.absolute().parent / line.strip())) for line in lines if line.strip()]
    if not files:
        raise DataError(f"the list {path} is empty: write one path a line")
    twice = [str(file) for file, count in Counter(files).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} pictures are twice in the list {path}, first {twice[0]}: keep each once")
    return sorted(files)


def _base(path: Path, files: Sequence[Path]) -> Path:
    """What names are relative to: the folder, or the deepest one that all files of a list share."""
    return path if path.is_dir() else Path(os.path.commonpath([file.parent for file in files]))


def _names(files: Sequence[Path], base: Path) -> list[str]:
    whole = [file.relative_to(base) for file in files]
    short = [name.with_suffix("").as_posix() for name in whole]
    # Among the whole names too: `a.png.jpg` must not take the name that `a.png` has beside `a.jpg`.
    count = Counter([*short, *{name.as_posix() for name in whole}])
    return [s if count[s] == 1 else name.as_posix() for s, name in zip(short, whole, strict=True)]
