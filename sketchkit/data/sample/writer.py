"""Writes a sample set in the exact layout of the Sketchy Database."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sketchkit.data.images import write_image
from sketchkit.data.layout import ALIGNED, FLAGS
from sketchkit.data.sample.catalogue import KINDS, Kind
from sketchkit.data.sample.figure import Figure, posed
from sketchkit.data.sample.pen import INVALID, draw_sketch
from sketchkit.data.sample.photo import render_photo
from sketchkit.errors import DataError

MARKER = "sample.json"
TEST_SHARE = 0.2


def write_sketchy_sample(
    out: str | Path,
    *,
    seed: int = 0,
    photos_per_class: int = 24,
    sketches_per_photo: int = 3,
    size: int = 128,
    progress: Callable[[int, int], object] | None = None,
) -> bool:
    """Draw photos with their sketches, `info/testset.txt` (a fifth of each class) and the four `info/invalid-*.txt`.

    The same options give the same bytes. `progress` is called with (photos done, photos in all). Sketches not listed
    as invalid register with their photo pixel for pixel, those of context as well.

    Returns:
        False when `out` already holds the set of these options, which is left as it is.

    Raises:
        DataError: `out` is not empty and holds something else, or a count is below one.
    """
    options = {"kind": "sketchy", "seed": seed, "photos_per_class": photos_per_class,
               "sketches_per_photo": sketches_per_photo, "size": size}  # fmt: skip
    if min(photos_per_class, sketches_per_photo) < 1 or size < 16:
        raise DataError("a sample set needs at least one photo, one sketch and 16 pixels: raise the count that is less")
    if _already_there(Path(out), options):
        return False
    # Drawn beside and renamed when whole: a call that is stopped leaves nothing half written at `out`.
    root = Path(out).with_name(f".{Path(out).name}.part")
    shutil.rmtree(root, ignore_errors=True)
    listed: dict[str, list[str]] = {name: [] for name in ("test", *FLAGS)}
    for number, kind in enumerate(KINDS):
        tests = _test_photos(np.random.default_rng([seed, number]), photos_per_class)
        for photo in range(photos_per_class):
            name = f"{kind.synset}_{1001 + photo}"
            rng = np.random.default_rng([seed, number, photo])
            _write_photo(root, kind, name, rng, options, listed)
            if photo in tests:
                listed["test"].append(f"{kind.name}/{name}.jpg")
            if progress:
                progress(number * photos_per_class + photo + 1, len(KINDS) * photos_per_class)
    _write_info(root, listed, options)
    if Path(out).is_dir():
        Path(out).rmdir()
    root.rename(out)
    return True


def _already_there(root: Path, options: dict[str, Any]) -> bool:
    if not root.exists():
        return False
    if not root.is_dir():
        raise DataError(f"{root} is a file: name a new folder for the sample set")
    marker = root / MARKER
    if marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) == options:
        return True
    if any(root.iterdir()):
        raise DataError(f"{root} is not empty: name a new folder for the sample set, or remove this one")
    return False


def _test_photos(rng: np.random.Generator, count: int) -> set[int]:
    """A fifth, at least one when there are two."""
    return set(rng.permutation(count)[: max(round(TEST_SHARE * count), int(count > 1))].tolist())


def _write_photo(
    root: Path, kind: Kind, name: str, rng: np.random.Generator, options: dict[str, Any], listed: dict[str, list[str]]
) -> None:
    figure = posed(kind.draw(rng), rng, kind.turn)
    photo = root / "photo" / ALIGNED / kind.name / f"{name}.jpg"
    photo.parent.mkdir(parents=True, exist_ok=True)
    write_image(photo, render_photo(figure, rng, options["size"]), quality=92)
    sketches = root / "sketch" / ALIGNED / kind.name
    sketches.mkdir(parents=True, exist_ok=True)
    for number in range(1, options["sketches_per_photo"] + 1):
        flag, sketch = _some_sketch(figure, rng, options["size"])
        write_image(sketches / f"{name}-{number}.png", sketch)
        if flag:
            listed[flag].append(f"{name}-{number}")


def _some_sketch(figure: Figure, rng: np.random.Generator, size: int) -> tuple[str | None, np.ndarray]:
    """A sketch, valid or by chance invalid, and then of which kind."""
    chance = rng.random()
    for flag, (draw, share) in INVALID.items():
        if chance < share:
            return flag, draw(figure, rng, size)
        chance -= share
    return None, draw_sketch(figure, rng, size)


def _write_info(root: Path, listed: dict[str, list[str]], options: dict[str, Any]) -> None:
    info = root / "info"
    info.mkdir(exist_ok=True)
    for name, lines in listed.items():
        file = info / ("testset.txt" if name == "test" else f"invalid-{name}.txt")
        file.write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="utf-8")
    (root / MARKER).write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")
