"""Where the translations of pictures go, and what must not be written over."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sketchkit.cli.pictures.inputs import STANDARD, Input
from sketchkit.errors import ConfigError, DataError
from sketchkit.file_names import fitting

ENDINGS = ("png", "jpg", "webp")


class Job(NamedTuple):
    """A picture to translate, its class, and a file for each sample; None for standard output."""

    input: Input
    label: str | None
    places: tuple[Path | None, ...]


def plan(inputs: Sequence[Input], output: Path, samples: int, ending: str | None) -> list[Job]:
    """A job for each picture, without classes.

    Args:
        inputs: the pictures.
        output: a picture's file, for a single one; a folder; or '-'.
        samples: files a picture.
        ending: of the files in a folder; default: png.

    Raises:
        ConfigError: `output` is no place for them.
        DataError: two would have one place, or it is a picture to translate, or a name that no file can have.
    """
    if str(output) == STANDARD:
        if len(inputs) > 1 or samples > 1:
            raise ConfigError("-o - takes one picture: give a folder for several")
        return [Job(inputs[0], None, (None,))]
    is_picture = len(inputs) == 1 and bool(output.suffix) and not output.is_dir()
    if is_picture:
        _check_ending(output, ending)
    elif output.exists() and not output.is_dir():
        what = "without an ending it names a folder" if len(inputs) == 1 else f"{len(inputs)} pictures need a folder"
        raise ConfigError(f"{output} is a file, and {what}: name another with -o")
    jobs = [Job(one, None, tuple(_places(one, output, is_picture, samples, ending or "png"))) for one in inputs]
    _refuse_clashes(jobs)
    return jobs


def _check_ending(target: Path, ending: str | None) -> None:
    from sketchkit.data.image_io import can_write

    if not can_write(target):
        raise ConfigError(f"cannot write {target}: no image format ends in '{target.suffix}', use .png or .jpg")
    if ending and target.suffix.lower().lstrip(".") not in (ending, {"jpg": "jpeg"}.get(ending)):
        raise ConfigError(f"--format {ending} and -o {target} name two formats: leave out one of them")


def _places(one: Input, target: Path, is_picture: bool, samples: int, ending: str) -> Iterator[Path]:
    for draw in range(samples):
        number = f"_{draw + 1}" if samples > 1 else ""
        if is_picture:
            yield target.with_name(f"{target.stem}{number}{target.suffix}")
        else:
            yield target / one.name.with_name(f"{one.name.stem}{number}.{ending}")


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    # Not by `resolve`, which a link to itself breaks.
    sources = {os.path.realpath(job.input.file) for job in jobs if job.input.file}
    places: dict[Path, str] = {}
    for job in jobs:
        for place in job.places:
            assert place is not None
            if os.path.realpath(place) in sources:
                raise DataError(f"{place} is one of the pictures to translate: write somewhere else with -o")
            if place.name != fitting(place.name):
                raise DataError(
                    f"{job.input.shown}: its output would have a name longer than files can have, {place}: rename it"
                )
            if place in places:
                both = f"{places[place]} and {job.input.shown}"
                raise DataError(
                    f"{both} would both become {place}: rename one of them, or translate the folder that holds both"
                )
            places[place] = job.input.shown
