"""Writes `docs/results.md` of run folders: `python tools/results.py RUN... -o docs/results.md --pictures docs/results`.

Of each: system, config and what was changed in it, data, iterations, time, machine, parameters, the numbers that
`sketchkit eval RUN` has left there with their protocol, and the last grid; then the published figures. The same runs
give the same bytes, in whatever order they are named.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

# A bare checkout works without being installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sketchkit import cli
from sketchkit.errors import ConfigError, DataError, SketchkitError
from sketchkit.file_names import printable
from sketchkit.options import did_you_mean

if TYPE_CHECKING:
    from tools.results_run import RunRecord

ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES = 100_000
LONGEST_SIDE = 1200
QUALITY = 80
SHRINK = 0.9


def small_jpeg(path: Path) -> bytes:
    """A picture as a JPEG of at most 100 KB, made smaller until it is one.

    Raises:
        UnreadableImage: it cannot be read.
    """
    from PIL import Image

    from sketchkit.data.image_io import read_image

    picture = Image.fromarray(read_image(path))
    side = float(min(LONGEST_SIDE, max(picture.size)))
    while True:
        smaller, data = picture.copy(), io.BytesIO()
        smaller.thumbnail((round(side), round(side)), Image.Resampling.LANCZOS)
        smaller.save(data, "jpeg", quality=QUALITY, optimize=True)
        if data.tell() <= MOST_BYTES:
            return data.getvalue()
        side *= SHRINK


def read_all(folders: Sequence[Path]) -> tuple[list[RunRecord], list[tuple[str, str]]]:
    """The runs, sorted by system, config and name, and of folders that are none the name and the reason."""
    from tools.results_run import read_run

    runs, refused = [], []
    for folder in dict.fromkeys(folders):
        try:
            runs.append(read_run(folder))
        except DataError as error:
            refused.append((folder.name, str(error).replace(f"{folder}{os.sep}", "")))
    return sorted(runs, key=lambda run: (run.system.name, run.name, run.folder.name, str(run.folder))), refused


def write_pictures(runs: Sequence[RunRecord], place: Path) -> dict[Path, Path]:
    """Write the last grid of each run into a folder; run -> file."""
    from sketchkit.atomic import whole

    place.mkdir(parents=True, exist_ok=True)
    written: dict[Path, Path] = {}
    for run in runs:
        if run.grid is None:
            continue
        try:
            data = small_jpeg(run.grid)
        except SketchkitError as error:
            cli.say(f"note: {error}: no picture of it", err=True)
            continue
        file = _free(place, f"{run.name}-{run.folder.name}", set(written.values()))
        with whole(file) as temporary:
            temporary.write_bytes(data)
        written[run.folder] = file
    return written


def _free(place: Path, name: str, taken: set[Path]) -> Path:
    """A file's name of letters that mean nothing in Markdown, and that no other run has."""
    stem = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:80] or "run"
    names = (place / f"{stem}{number}.jpg" for number in ("", *(f"-{count}" for count in range(2, len(taken) + 3))))
    return next(file for file in names if file not in taken)


def _command(folders: Sequence[Path], output: Path, pictures: Path | None, unshown: Sequence[str]) -> str:
    """What makes the page anew, without the folders of this machine."""
    words = ["python", "tools/results.py", *sorted(folder.name for folder in dict.fromkeys(folders))]
    words += ["-o", _within(output), *(["--pictures", _within(pictures)] if pictures else [])]
    words += [word for name in sorted(unshown) for word in ("--unshown", name)]
    return printable(shlex.join(words))


def _within(path: Path) -> str:
    whole = path.resolve()
    return str(whole.relative_to(ROOT)) if whole.is_relative_to(ROOT) else path.name


def _relative(files: Mapping[Path, Path], page: Path) -> dict[Path, str]:
    start = page.resolve().parent
    return {run: os.path.relpath(file.resolve(), start).replace(os.sep, "/") for run, file in files.items()}


PATH = click.Path(path_type=Path)


@click.command(help=__doc__)
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="The page, such as docs/results.md.")
@click.option("--pictures", type=PATH, help="Folder for the grids, of at most 100 KB each.")
@click.option("--unshown", multiple=True, metavar="NAME", help="A run whose data may not be shown: no picture of it.")
def main(folders: tuple[Path, ...], output: Path, pictures: Path | None, unshown: tuple[str, ...]) -> None:
    """See the module."""
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise ConfigError(f"no folder at {missing[0]}: name run folders")
    if not output.parent.is_dir() or output.is_dir():
        raise ConfigError(f"--output {output}: name a file in a folder that is there")
    folders = tuple(folder.resolve() for folder in folders)
    names = [folder.name for folder in folders]
    if unknown := [name for name in unshown if name not in names]:
        raise ConfigError(f"--unshown: no run is called '{unknown[0]}': {did_you_mean(unknown[0], names)}")
    from sketchkit.atomic import write_whole
    from tools.results_page import page

    runs, refused = read_all(folders)
    open_runs = [run for run in runs if run.folder.name not in unshown]
    shown = _relative(write_pictures(open_runs, pictures) if pictures else {}, output)
    command = _command(folders, output, pictures, unshown)
    write_whole(output, page(runs, shown, refused, command))
    for name, reason in refused:
        cli.say(f"note: {name}: {reason}", err=True)
    cli.say(f"runs on {output}: {len(runs)}")


if __name__ == "__main__":
    cli.run(main, None, "results.py")
