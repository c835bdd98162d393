"""Pictures translated into files: read, painted together where they are of one size, written; what is there stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sketchkit.cli.pictures.outputs import Job
from sketchkit.data.formats import most_bytes
from sketchkit.data.image_io import UnusablePicture, read_bytes, straight_of
from sketchkit.data.picture_text import read_about, write_described
from sketchkit.errors import ConfigError, DataError
from sketchkit.inference import Request, Source, TrainedTranslator, Translation
from sketchkit.inference.about import about_output, with_outcome, without_outcome
from sketchkit.inference.reading import Prepared
from sketchkit.problems import first_few

# One of many pictures: the others are done all the same.
MISTAKES = (DataError, ConfigError)


class Outcome(NamedTuple):
    """What became of a job.

    made, was_there: files; code: the exit code of an error; size: height and width at which networks worked; pixels,
    abouts: of what goes to standard output.
    """

    job: Job
    made: int = 0
    was_there: int = 0
    error: str | None = None
    code: int = 0
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    pixels: Sequence[np.ndarray] = ()
    abouts: Sequence[dict[str, Any]] = ()

    @property
    def record(self) -> dict[str, Any]:
        """For `--json`."""
        record = {"input": self.job.input.shown, "outputs": [str(place) for place in self.job.places]}
        if self.error:
            return {**record, "error": self.error}
        about = {"class": self.job.label, "size": self.size and list(self.size), "notes": list(self.notes)}
        return {**record, **{key: value for key, value in about.items() if value}, "was_there": self.was_there > 0}


class _Ready(NamedTuple):
    job: Job
    prepared: Prepared
    abouts: list[dict[str, Any]]


class Work:
    """Does jobs, some at a time.

    Args:
        hint: a picture of colour strokes, or a folder of them by the pictures' names.
        side: 'left', 'right' or 'whole' of files that hold a pair; None refuses what looks like one.
        overwrite: whether to make again what is there.
    """

    def __init__(
        self, translator: TrainedTranslator, request: Request, hint: Path | None, side: str | None, overwrite: bool
    ) -> None:
        self.translator, self.request = translator, request
        self.hint, self.side, self.overwrite = hint, side, overwrite
        self.half = side if side in ("left", "right") else None

    def check_labels(self, jobs: Sequence[Job]) -> None:
        """Refuse classes that the run does not draw, before anything is made.

        Raises:
            ConfigError: names the pictures, where only some have such a class.
        """
        shown: dict[str | None, list[str]] = {}
        for job in jobs:
            shown.setdefault(job.label, []).append(job.input.shown)
        for label, names in shown.items():
            try:
                self.translator.number_of(label, self.request.direction)
            except ConfigError as error:
                raise ConfigError(f"{first_few(names)}: {error}" if len(shown) > 1 else str(error)) from error

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """The outcome of each job."""
        outcomes = list(map(self._begun, jobs))
        ready = [one for one in outcomes if isinstance(one, _Ready)]
        painted = iter(self._painted(ready))
        yield from (next(painted) if isinstance(one, _Ready) else one for one in outcomes)

    def _begun(self, job: Job) -> _Ready | Outcome:
        """The job, read; or its outcome, where there is nothing to do or it cannot be done."""
        try:
            data, strokes = _read(job), self._strokes_of(job)
            given: dict[str, Any] = {
                "source": sha256(data).hexdigest(), "side": self.half, "label": job.label,
                "hint": strokes and sha256(read_bytes(strokes)).hexdigest(),
            }  # fmt: skip
            abouts = [about_output(self.translator, self.request, noise, **given) for noise in self.request.noises]
            if self._is_there(job, abouts):
                return Outcome(job, was_there=len(job.places))
            pixels = self._half(job, straight_of(data, job.input.shown))
            source = Source(pixels, job.label, _hint(strokes, pixels) if strokes else None)
            return _Ready(job, self.translator.prepare(source, self.request), abouts)
        except MISTAKES as error:
            return _failed(job, error)

    def _painted(self, ready: Sequence[_Ready]) -> Iterator[Outcome]:
        try:
            translations = self.translator.paint([one.prepared for one in ready], self.request)
        except MISTAKES as error:
            if len(ready) == 1:
                yield _failed(ready[0].job, error)
                return
            # One of them cannot be done: which?
            for one in ready:
                yield from self._painted([one])
            return
        yield from map(self._written, ready, translations)

    def _written(self, one: _Ready, translation: Translation) -> Outcome:
        abouts = [with_outcome(about, translation) for about in one.abouts]
        outcome = Outcome(one.job, len(one.job.places), size=translation.size, notes=translation.notes)
        for place, picture, about in zip(one.job.places, translation.pictures, abouts, strict=True):
            if place is None:
                return outcome._replace(pixels=translation.pictures, abouts=abouts)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                write_described(place, picture, about)
            except DataError as error:
                return _failed(one.job, error)
        return outcome

    def _is_there(self, job: Job, abouts: Sequence[dict[str, Any]]) -> bool:
        """Whether all that the job makes is there.

        Raises:
            DataError: something else is.
        """
        there = [(place, about) for place, about in zip(job.places, abouts, strict=True) if place and place.exists()]
        if self.overwrite or not there:
            return False
        for place, about in there:
            if without_outcome(read_about(place) or {}) != about:
                raise DataError(
                    f"{place} is there and was not made by this call: write somewhere else with -o, or add --overwrite"
                )
        return len(there) == len(job.places)

    def _half(self, job: Job, pixels: np.ndarray) -> np.ndarray:
        if self.side is None and self.request.direction == "AtoB":
            half = self.translator.half_of_pair(pixels)
            if half:
                raise ConfigError(
                    f"{job.input.shown} looks like source and target side by side, as this run was trained on: add "
                    f"--side {half} for its source, or --side whole for all of it"
                )
        middle = pixels.shape[1] // 2
        if self.half and not middle:
            raise DataError("it is one pixel wide and has no halves: leave out --side")
        return {"left": pixels[:, :middle], "right": pixels[:, -middle:]}.get(self.half or "whole", pixels)

    def _strokes_of(self, job: Job) -> Path | None:
        """The hint that was given, or the one of the picture's name in the folder that was."""
        if self.hint is None or not self.hint.is_dir():
            return self.hint
        strokes = (self.hint / job.input.name).with_suffix(".png")
        if not strokes.is_file():
            raise DataError(f"there is no hint at {strokes}: draw one, or translate the picture without --hint")
        return strokes


def _hint(strokes: Path, pixels: np.ndarray) -> Any:
    from sketchkit.data.transforms.hints import read_hint

    return read_hint(strokes, pixels.shape[:2])


def _read(job: Job) -> bytes:
    """The bytes of the picture's file."""
    if job.input.file is not None:
        return read_bytes(job.input.file)
    if sys.stdin is None:
        raise DataError("standard input is closed: give it a picture, or name a file")
    most = most_bytes()
    return sys.stdin.buffer.read(-1 if most is None else most + 1)


def _failed(job: Job, error: DataError | ConfigError) -> Outcome:
    """What is wrong, with the picture's name where that does not say it."""
    text = str(error)
    is_named = isinstance(error, UnusablePicture) or job.input.shown in text
    return Outcome(job, error=text if is_named else f"{job.input.shown}: {text}", code=error.exit_code)
