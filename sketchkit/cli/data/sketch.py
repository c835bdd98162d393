"""`sketchkit data sketch`."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

RECORD = "sketch.json"  # in OUT: the settings its pictures were made with


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(["xdog", "canny", "sobel"]), default="xdog", show_default=True)
@click.option("--sigma", metavar="PIXELS", help="Blur before the lines are drawn; LOW,HIGH draws one a picture.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE",
              help="Another option of the method, such as epsilon=0 or low=0.1; a range as for --sigma.")  # fmt: skip
@click.option("--size", type=click.IntRange(min=8), help="Bring the short side to this; default: as it is.")
@click.option("--lines-only", is_flag=True, help="Write the lines alone, without the picture beside them.")
@click.option("--val-ratio", type=click.FloatRange(0, 1, max_open=True), default=0.1, show_default=True,
              help="Share of the pictures that go to val, where PHOTOS has no train, val or test folder.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of that choice and the ranges.")
@click.option("--workers", type=click.IntRange(min=0), default=min(4, os.cpu_count() or 1), show_default=True,
              help="Processes; 0 works in this one.")  # fmt: skip
@click.option("--on-error", type=click.Choice(["skip", "fail"]), default="skip", show_default=True,
              help="What to do at a picture that cannot be read.")  # fmt: skip
def command(
    photos: Path,
    out: Path,
    method: str,
    sigma: str | None,
    options: tuple[str, ...],
    size: int | None,
    lines_only: bool,
    val_ratio: float,
    seed: int,
    workers: int,
    on_error: str,
) -> None:
    """Make sketches of the colour pictures in PHOTOS: OUT/train and OUT/val, colour left and lines right.

    A call that was interrupted goes on when it is made again.
    """
    drawing = {"method": method, **_parse([*([f"sigma={sigma}"] if sigma else []), *options])}
    writer = Writer(drawing, size, lines_only, seed, find_jobs(photos, out, val_ratio, seed))
    settings = {**drawing, "size": size, "lines_only": lines_only, "val_ratio": val_ratio, "seed": seed}
    _start(out, {"photos": str(photos.resolve()), **settings})
    there = writer.skip_finished()
    bad = _write_all(writer, workers, on_error)
    _tell(out, writer, there, bad)
    if not lines_only:
        click.echo(f"train on it: sketchkit train configs/autopainter_lineart.py --cfg-options data_root={out}")
    if len(bad) == len(writer) and not there:
        raise SystemExit(1)


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


class Writer:
    """Draws and writes one job for every index: a data set, so that a DataLoader shares the work out.

    Raises:
        ConfigError: the drawing's method or options are wrong.
    """

    def __init__(
        self, drawing: dict[str, Any], size: int | None, lines_only: bool, seed: int, jobs: Sequence[Job]
    ) -> None:
        from sketchkit.data.lines import ExtractLines

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
        from sketchkit.data.images import UnreadableImage, read_image, write_image
        from sketchkit.data.randomness import seeded
        from sketchkit.errors import DataError

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
        import torch
        from torchvision.transforms.v2.functional import resize

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
    from sketchkit.data.files import pictures_in
    from sketchkit.data.splits import PARTS, split_files
    from sketchkit.errors import DataError

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
    val = set(split_files(sorted(names.values()), ratios=(1 - val_ratio, val_ratio), seed=seed)["val"])
    order = {False: ("train", "val"), True: ("val", "train")}
    places = {file: [out / part / f"{name}.png" for part in order[name in val]] for file, name in names.items()}
    return [Job(file, first, (second,)) for file, (first, second) in places.items()]


def _names(files: Sequence[Path], root: Path) -> dict[Path, str]:
    """A name for every file: its path below `root`, with a number from it where two would be the same."""
    from sketchkit.data.randomness import stable_seed

    below = {file: file.relative_to(root) for file in files}
    names = {file: "_".join(path.with_suffix("").parts) for file, path in below.items()}
    # Some file systems do not tell capitals from small letters.
    count = Counter(name.lower() for name in names.values())
    return {
        file: name if count[name.lower()] == 1 else f"{name}-{stable_seed(below[file].as_posix()):016x}"
        for file, name in names.items()
    }


def _parse(words: Sequence[str]) -> dict[str, float | tuple[float, ...]]:
    from sketchkit.errors import ConfigError

    parsed: dict[str, float | tuple[float, ...]] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            numbers = tuple(float(number) for number in value.split(","))
        except ValueError:
            raise ConfigError(f"'{word}' is no option: write NAME=NUMBER, or NAME=LOW,HIGH for a range") from None
        parsed[name.strip()] = numbers[0] if len(numbers) == 1 else numbers
    return parsed


def _start(out: Path, settings: dict[str, Any]) -> None:
    """Begin OUT, or go on with one that was begun with the same settings."""
    from sketchkit.data.splits import write_whole
    from sketchkit.errors import DataError

    record, settings = out / RECORD, json.loads(json.dumps(settings))
    if record.is_file():
        old = json.loads(record.read_text(encoding="utf-8"))
        for name in sorted(settings.keys() | old.keys()):
            was, value = old.get(name, "default"), settings.get(name, "default")
            if was != value:
                raise DataError(f"{out} was begun with {name}={was}, not {value}: choose another folder")
        return
    if out.is_file() or (out.is_dir() and any(not file.name.startswith(".") for file in out.iterdir())):
        raise DataError(f"{out} is there and not from this command (no {RECORD} in it): choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(record, json.dumps(settings, indent=1) + "\n")


def _write_all(writer: Writer, workers: int, on_error: str) -> list[str]:
    """Write every sketch; returns what is wrong with those that cannot be read."""
    from torch.utils.data import DataLoader

    from sketchkit.errors import DataError

    def rate(_: object) -> str:
        return f"{1 / bar.time_per_iteration:.1f} pictures/s" if bar.time_per_iteration else ""

    bad: list[str] = []
    loader: Any = DataLoader(writer, batch_size=None, num_workers=min(workers, len(writer)))  # type: ignore[arg-type]
    with click.progressbar(
        loader, length=len(writer), label="drawing", show_pos=True, show_eta=True, item_show_func=rate
    ) as bar:
        for error in bar:
            if error and on_error == "fail":
                raise DataError(error)
            bad += [error] if error else []
    return bad


def _tell(out: Path, writer: Writer, there: int, bad: Sequence[str]) -> None:
    parts = Counter(job.file.parent.name for job in writer.jobs if job.file.exists())
    said = ", ".join(f"{count} in {part}" for part, count in sorted(parts.items())) or "none"
    click.echo(f"{out}: wrote {said}" + (f"; {there} were there already" if there else ""))
    if bad:
        click.echo(f"{len(bad)} could not be read:")
    for line in bad:
        click.echo(f"  {line}")
