"""Sketches of a folder of colour pictures, written so that they are a data set of pairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torchvision.transforms.v2.functional import resize

from sketchkit.atomic import write_whole
from sketchkit.data.image_io import UnreadableImage, read_image, write_image
from sketchkit.data.listing import pictures_in
from sketchkit.data.randomness import seeded, stable_seed
from sketchkit.data.splits import PARTS, split_files
from sketchkit.data.transforms.lines import ExtractLines
from sketchkit.errors import DataError
from sketchkit.file_names import LONGEST_NAME, fitting
from sketchkit.files import read_json

_ROOM = LONGEST_NAME - len("-0123456789abcdef.png")
RECORD = "sketch.json"  # in OUT: the settings its pictures were made with


@dataclass(frozen=True)
class Job:
    """A picture and where its sketch goes; an earlier call may have divided otherwise and put it in `elsewhere`."""

    photo: Path
    file: Path
    elsewhere: tuple[Path, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether its sketch is there."""
        return any(file.exists() for file in (self.file, *self.elsewhere))


class SketchWriter:
    """Draws and writes one job for every index: a data set, so that a DataLoader shares the work out.

    Raises:
        ConfigError: the drawing's method or options are wrong.
    """

    def __init__(
        self, drawing: dict[str, Any], size: int | None, lines_only: bool, seed: int, jobs: Sequence[Job]
    ) -> None:
        self.draw = ExtractLines(**drawing)
        self.size, self.lines_only, self.seed, self.jobs = size, lines_only, seed, list(jobs)

    def skip_finished(self) -> int:
        """Leave out the jobs that are done; returns how many."""
        todo = [job for job in self.jobs if not job.is_done]
        done, self.jobs = len(self.jobs) - len(todo), todo
        return done

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: int) -> str | None:
        """Write the sketch; returns what is wrong with a picture that cannot be read.

        Raises:
            DataError: the file cannot be written.
        """
        job = self.jobs[index]
        try:
            photo = read_image(job.photo)
        except UnreadableImage as error:
            return str(error)
        with seeded(self.seed, job.file.name):
            image = self._compose(photo)
        try:
            job.file.parent.mkdir(parents=True, exist_ok=True)
            write_image(job.file, image)
        except OSError as error:
            raise DataError(f"cannot write {job.file}: {error.strerror}") from error
        return None

    def _compose(self, photo: Any) -> Any:
        """(H, W, 3) -> (H', 2 W', 3), or the lines alone, (H', W')."""
        target = torch.from_numpy(photo).permute(2, 0, 1)
        if self.size:
            target = resize(target, [self.size], antialias=True)
        source = self.draw({"target": target})["source"]
        if self.lines_only:
            return source[0].numpy()
        return torch.cat([target, source], -1).permute(1, 2, 0).contiguous().numpy()


def find_jobs(photos: Path, out: Path, val_ratio: float, seed: int) -> list[Job]:
    """Every picture below `photos` with the file to write.

    Folders train, val and test are kept; otherwise a share of the pictures, chosen by the seed, goes to val. Names
    are made of the path below them.

    Raises:
        DataError: there is no picture, some lie outside of train, val and test, or `out` lies in `photos`.
    """
    files = pictures_in(photos)
    if not files:
        raise DataError(f"no picture in {photos}: check the path")
    if photos.resolve() in (out.resolve(), *out.resolve().parents):
        raise DataError(f"the sketches would go into {photos} itself: choose a folder outside of it")
    parts = {part: [file for file in files if file.is_relative_to(photos / part)] for part in PARTS}
    inside = sum(map(len, parts.values()))
    if inside:
        if inside < len(files):
            first = next(file for file in files if not any(file.is_relative_to(photos / part) for part in PARTS))
            raise DataError(
                f"{photos} has train, val or test and {len(files) - inside} pictures beside them, first {first}: move "
                "these into one of the folders, or away"
            )
        named = ((part, *item) for part, group in parts.items() for item in _names(group, photos / part).items())
        return [Job(file, out / part / f"{name}.png") for part, file, name in named]
    names = _names(files, photos)
    # Few pictures leave one for val all the same, unless none is wanted.
    ratio = max(val_ratio, 1 / len(files)) if val_ratio and len(files) > 1 else 0.0
    val = set(split_files(sorted(names.values()), ratios=(1 - ratio, ratio), seed=seed)["val"])
    order = {False: ("train", "val"), True: ("val", "train")}
    places = {file: [out / part / f"{name}.png" for part in order[name in val]] for file, name in names.items()}
    return [Job(file, first, (second,)) for file, (first, second) in places.items()]


def _names(files: Sequence[Path], root: Path) -> dict[Path, str]:
    """A name for every file: its path below `root`, with a number from it where two would be the same."""
    below = {file: file.relative_to(root) for file in files}
    names = {file: fitting("_".join(path.with_suffix("").parts), _ROOM) for file, path in below.items()}
    # Some file systems do not tell capitals from small letters.
    count = Counter(name.lower() for name in names.values())
    return {
        file: name if count[name.lower()] == 1 else f"{name}-{stable_seed(below[file].as_posix()):016x}"
        for file, name in names.items()
    }


def begin(out: Path, settings: dict[str, Any]) -> None:
    """Begin `out`, or go on with one that was begun with the same settings.

    Raises:
        DataError: it was begun with others, or holds something else.
    """
    record, settings = out / RECORD, json.loads(json.dumps(settings))
    if record.is_file():
        old = read_json(record, mend="choose another folder")
        for name in sorted(settings.keys() | old.keys()):
            was, value = old.get(name, "default"), settings.get(name, "default")
            if was != value:
                raise DataError(f"{out} was begun with {name}={was}, not {value}: choose another folder")
        return
    if out.is_file() or (out.is_dir() and any(not file.name.startswith(".") for file in out.iterdir())):
        raise DataError(f"{out} is there and not from this command (no {RECORD} in it): choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(record, json.dumps(settings, indent=1) + "\n")


def made_by_sketch(root: Path) -> bool:
    """Whether `sketchkit data sketch` made the folder.

    Raises:
        DataError: it did, of lines alone, which are no pairs; or its record is damaged.
    """
    file = root / RECORD
    record = read_json(file, object, mend="make the set again, or remove the file") if file.is_file() else {}
    lines_only = record.get("lines_only") if isinstance(record, dict) else None
    if lines_only:
        raise DataError(
            f"{root} holds lines alone ({RECORD} says so), which nothing is learnt from: put them beside their photos "
            "as two folders of one set, or make pairs by leaving out --lines-only"
        )
    return lines_only is False
