"""`sketchkit translate` called within the process of the tests, and pictures for it."""

import numpy as np
import pytest

from sketchkit.cli import main
from sketchkit.data.image_io import write_image


def noise(height=20, width=30, seed=0):
    """A picture of random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def three_pictures(folder, *names):
    """Pictures of those names in a folder, each of another height."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, noise(20 + number, 30, number))
    return folder


def translate(*words, code=0):
    """Call it, on the CPU."""
    with pytest.raises(SystemExit) as end:
        main(["translate", *map(str, words), "--device", "cpu"])
    assert (end.value.code or 0) == code


def written(out):
    """The files below a folder."""
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
