"""`sketchkit translate RUN IMAGE|DIR -o OUT`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from sketchkit.cli.options import (
    LARGEST_SIDE,
    MOST,
    PicturePath,
    RunPath,
    device_option,
    example,
    output_option,
    plugin_option,
    protocol_from,
    quiet_option,
    say,
    test_dropout_option,
    test_norm_option,
    trust_option,
)
from sketchkit.file_names import fitting

NEXT = "\nerror: "


@click.command(epilog=example("translate runs/pix2pix_facades labels.png -o facade.png"))
@click.argument("run", type=RunPath())
@click.argument("source", metavar="IMAGE|DIR", type=PicturePath(file=True))
@output_option("A picture, or a folder for several.", required=True)
@click.option(
    "--hint",
    type=click.Path(path_type=Path),
    help="Colour strokes, an RGBA picture of IMAGE's size; or a folder of them.",
)
@click.option("--label", help="The class to draw, for a run with classes.")
@click.option("--direction", type=click.Choice(["AtoB", "BtoA"]), default="AtoB", show_default=True,
              help="BtoA is from target to source, for a run that learnt both ways.")  # fmt: skip
@click.option(
    "--size",
    type=click.IntRange(1, LARGEST_SIDE),
    help="Short side at which the network works; default: the picture's.",
)
@click.option(
    "--samples",
    type=click.IntRange(1, MOST),
    default=1,
    show_default=True,
    help="Pictures a source, where the run takes noise or drops.",
)
@click.option(
    "--side", type=click.Choice(["left", "right"]), help="Translate this half of files that hold a pair side by side."
)
@test_norm_option
@test_dropout_option
@plugin_option
@trust_option
@device_option
@quiet_option
def command(
    run: Path,
    source: Path,
    output: Path,
    hint: Path | None,
    label: str | None,
    direction: str,
    size: int | None,
    samples: int,
    side: str | None,
    plugin_files: tuple[str, ...],
    trust_code: bool,
    device: str | None,
    quiet: bool,
    **protocol: str | None,
) -> None:
    """Translate IMAGE, or every picture in DIR, with a trained RUN (a run folder or a checkpoint)."""
    from sketchkit.data.image_io import UnusablePicture, write_image
    from sketchkit.errors import ConfigError, DataError
    from sketchkit.inference import TrainedTranslator
    from sketchkit.problems import first_few

    jobs = list(_jobs(source, output, samples))
    _refuse_overwriting(jobs)
    tested = protocol_from(protocol)
    translator = TrainedTranslator(run, device, plugin_files=plugin_files, trust_code=trust_code, **tested)
    if samples > 1 and not translator.varies:
        mend = ", or add --test-dropout on" if translator.has_dropout and not translator.drops else ""
        raise ConfigError(f"{run} takes no noise, its samples would all be alike: leave out --samples{mend}")
    options: dict[str, Any] = {"label": label, "direction": direction, "size": size}
    failed, clear = list[str](), set[Path]()
    with click.progressbar(jobs, label="translating", show_eta=True, hidden=quiet or len(jobs) == 1) as progress:
        for file, draw, place in progress:
            try:
                picture, strokes, is_clear = _read(file, side, hint, source)
                image = translator(picture, hint=strokes, name=file.stem, draw=draw, **options)
            except DataError as error:
                failed.append(str(error) if isinstance(error, UnusablePicture) else f"{file}: {error}")
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            write_image(place, image)
            clear.update([file] if is_clear else [])
    if reasons := list(dict.fromkeys(failed)):
        click.echo(f"error: {first_few(reasons, NEXT)}", err=True)
    if done := len(jobs) - len(failed):
        laid = f" ({len(clear)} of them with transparency, which is laid on white)" if clear else ""
        say(f"{done} picture{'s' if done > 1 else ''} in {output}{laid}")
    if failed:
        raise SystemExit(1)


def _jobs(source: Path, output: Path, samples: int) -> Iterator[tuple[Path, int, Path]]:
    """Each picture to make: its source, which draw of the noise, and where it goes."""
    from sketchkit.data.datasets.folders import some_pictures
    from sketchkit.data.image_io import can_write
    from sketchkit.errors import ConfigError

    is_one = not source.is_dir()
    files = [source] if is_one else some_pictures(source)
    is_picture = is_one and bool(output.suffix) and not output.is_dir()
    if is_picture and not can_write(output):
        raise ConfigError(f"cannot write {output}: no image format ends in '{output.suffix}', use .png or .jpg")
    for file in files:
        for draw in range(samples):
            number = f"_{draw + 1}" if samples > 1 else ""
            if is_picture:
                yield file, draw, output.with_name(output.stem + number + output.suffix)
                continue
            name = file.relative_to(file.parent if is_one else source)
            yield file, draw, output / name.with_name(f"{name.stem}{number}.png")


def _refuse_overwriting(jobs: Sequence[tuple[Path, int, Path]]) -> None:
    """Refuse to write over a picture that is to be read, two into one file, or a name that no file can have."""
    from sketchkit.errors import DataError

    sources = {file.resolve() for file, _, _ in jobs}
    places: dict[Path, Path] = {}
    for file, _, place in jobs:
        if place.resolve() in sources:
            raise DataError(f"{place} is one of the pictures to translate: write somewhere else with -o")
        if place.name != fitting(place.name):
            raise DataError(f"{file}: its output would have a name longer than files can have, {place}: rename it")
        if place in places:
            raise DataError(f"{places[place]} and {file} would both become {place}: rename one of them")
        places[place] = file


def _read(file: Path, side: str | None, hint: Path | None, source: Path) -> tuple[Any, Any, bool]:
    """The picture, whether some of it is transparent, and its hint: the file given, or the one of its name there."""
    from sketchkit.data.image_io import read_straight
    from sketchkit.data.pixels import on_white, transparency
    from sketchkit.data.transforms.hints import read_hint
    from sketchkit.errors import DataError

    picture = read_straight(file)
    is_clear = transparency(picture) is not None
    picture = on_white(picture)
    if side:
        half = picture.shape[1] // 2
        picture = picture[:, :half] if side == "left" else picture[:, -half:]
    if hint is None:
        return picture, None, is_clear
    strokes = hint
    if hint.is_dir():
        strokes = (hint / file.relative_to(source if source.is_dir() else file.parent)).with_suffix(".png")
        if not strokes.is_file():
            raise DataError(f"there is no hint at {strokes}: draw one, or translate the picture without --hint")
    return picture, read_hint(strokes, picture.shape[:2]), is_clear
