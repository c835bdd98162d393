"""Writes sample sets: whole or not at all, and the same bytes from the same options."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sketchkit.data.datasets.sketchy_layout import ALIGNED, FLAGS
from sketchkit.data.image_io import write_image
from sketchkit.data.sample.catalog import KINDS, Kind
from sketchkit.data.sample.figure import Figure
from sketchkit.data.sample.kinds import LAYOUTS, Rng, some_figure
from sketchkit.data.sample.pen import INVALID, draw_sketch
from sketchkit.data.sample.photo import render_photo
from sketchkit.errors import DataError
from sketchkit.options import one_of

MARKER = "sample.json"
TEST_SHARE = 0.2
QUALITY = 92  # of the photos' JPEGs
Progress = Callable[[int, int], object]


def write_sketchy_sample(
    out: str | Path,
    *,
    seed: int = 0,
    photos_per_class: int = 24,
    sketches_per_photo: int = 3,
    size: int = 128,
    progress: Progress | None = None,
) -> bool:
    """Draw photos with their sketches, `info/testset.txt` (a fifth of each class) and the four `info/invalid-*.txt`.

    The layout is exactly the Sketchy Database's. The same options give the same bytes. `progress` is called with
    (photos done, photos in all). Sketches not listed as invalid register with their photo pixel for pixel, those of
    context as well.

    Returns:
        False when `out` already holds the set of these options, which is left as it is.

    Raises:
        DataError: `out` is not empty and holds something else, or a count is below one.
    """
    options = {"kind": "sketchy", "seed": seed, "photos_per_class": photos_per_class,
               "sketches_per_photo": sketches_per_photo, "size": size}  # fmt: skip
    _check_counts(min(photos_per_class, sketches_per_photo), size)
    return _write_whole(out, options, partial(_draw_sketchy, options=options, progress=progress))


def write_sample(
    kind: str,
    out: str | Path,
    *,
    seed: int = 0,
    photos_per_class: int = 6,
    size: int = 128,
    progress: Progress | None = None,
) -> bool:
    """Draw a set of another kind, out of `sketchkit.data.sample.kinds.LAYOUTS`; else as `write_sketchy_sample`.

    Raises:
        ConfigError: there is no such kind.
        DataError: `out` is not empty and holds something else, or a count is below one.
    """
    one_of("kind", kind, LAYOUTS)
    options = {"kind": kind, "seed": seed, "photos_per_class": photos_per_class, "size": size}
    _check_counts(photos_per_class, size)
    return _write_whole(out, options, partial(_draw_layout, options=options, progress=progress))


def _check_counts(least: int, size: int) -> None:
    if least < 1 or size < 16:
        raise DataError("a sample set needs at least one photo, one sketch and 16 pixels: raise the count that is less")


def _write_whole(out: str | Path, options: dict[str, Any], draw: Callable[[Path], None]) -> bool:
    """Draw beside `out` and rename when whole: a call that is stopped leaves nothing half written at `out`."""
    if _already_there(Path(out), options):
        return False
    out = Path(out).resolve()
    root = out.with_name(f".{out.name}.part")
    shutil.rmtree(root, ignore_errors=True)
    draw(root)
    (root / MARKER).write_text(_marked(options), encoding="utf-8")
    if out.is_dir():
        out.rmdir()
    root.rename(out)
    return True


def _draw_layout(root: Path, options: dict[str, Any], progress: Progress | None) -> None:
    pictures = LAYOUTS[options["kind"]](options["seed"], options["photos_per_class"], options["size"])
    for done, (name, image) in enumerate(pictures, 1):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(root / name, image, quality=QUALITY)
        if progress:
            progress(done, len(KINDS) * options["photos_per_class"])


def _draw_sketchy(root: Path, options: dict[str, Any], progress: Progress | None) -> None:
    listed: dict[str, list[str]] = {name: [] for name in ("test", *FLAGS)}
    count = options["photos_per_class"]
    for number, kind in enumerate(KINDS):
        tests = _test_photos(np.random.default_rng([options["seed"], number]), count)
        for photo in range(count):
            name = f"{kind.synset}_{1001 + photo}"
            _write_photo(root, kind, name, some_figure(options["seed"], number, photo), options, listed)
            if photo in tests:
                listed["test"].append(f"{kind.name}/{name}.jpg")
            if progress:
                progress(number * count + photo + 1, len(KINDS) * count)
    _write_info(root, listed)


def _already_there(root: Path, options: dict[str, Any]) -> bool:
    if not root.exists():
        return False
    if not root.is_dir():
        raise DataError(f"{root} is a file: name a new folder for the sample set")
    marker = root / MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8", errors="replace") == _marked(options):
        return True
    if any(root.iterdir()):
        raise DataError(f"{root} is not empty: name a new folder for the sample set, or remove this one")
    return False


def _marked(options: dict[str, Any]) -> str:
    return json.dumps(options, indent=2) + "\n"


def _test_photos(rng: Rng, count: int) -> set[int]:
    """A fifth, at least one when there are two."""
    return set(rng.permutation(count)[: max(round(TEST_SHARE * count), int(count > 1))].tolist())


def _write_photo(
    root: Path, kind: Kind, name: str, drawn: tuple[Figure, Rng], options: dict[str, Any], listed: dict[str, list[str]]
) -> None:
    figure, rng = drawn
    photo = root / "photo" / ALIGNED / kind.name / f"{name}.jpg"
    photo.parent.mkdir(parents=True, exist_ok=True)
    write_image(photo, render_photo(figure, rng, options["size"]), quality=QUALITY)
    sketches = root / "sketch" / ALIGNED / kind.name
    sketches.mkdir(parents=True, exist_ok=True)
    for number in range(1, options["sketches_per_photo"] + 1):
        flag, sketch = _some_sketch(figure, rng, options["size"])
        write_image(sketches / f"{name}-{number}.png", sketch)
        if flag:
            listed[flag].append(f"{name}-{number}")


def _some_sketch(figure: Figure, rng: Rng, size: int) -> tuple[str | None, np.ndarray]:
    """A sketch, valid or by chance invalid, and then of which kind."""
    chance = rng.random()
    for flag, (draw, share) in INVALID.items():
        if chance < share:
            return flag, draw(figure, rng, size)
        chance -= share
    return None, draw_sketch(figure, rng, size)


def _write_info(root: Path, listed: dict[str, list[str]]) -> None:
    info = root / "info"
    info.mkdir(exist_ok=True)
    for name, lines in listed.items():
        file = info / ("testset.txt" if name == "test" else f"invalid-{name}.txt")
        file.write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="utf-8")
