"""How colourful pictures are, and which of a folder are colourful enough to learn colours from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from sketchkit.data.image_io import UnreadableImage, read_image
from sketchkit.options import one_of

FORMS = ("absolute", "signed")
Progress = Callable[[int, int], object]


class Measured(NamedTuple):
    """Every file's colourfulness in the order given; those that cannot be read, with the reason."""

    values: dict[Path, float]
    unreadable: dict[Path, str]


class Selection(NamedTuple):
    """The files with colour enough and those without, with their colourfulness; those that cannot be read."""

    kept: dict[Path, float]
    dropped: dict[Path, float]
    unreadable: dict[Path, str]


def colorfulness(images: Tensor, opponent: str = "absolute") -> Tensor:
    """0.3 mu + sigma of the opponents rg = R - G and yb = (R + G) / 2 - B (Hasler & Suesstrunk 2003, equation 3).

    mu^2 = mu_rg^2 + mu_yb^2 and sigma^2 likewise, with the deviation of the population.

    Args:
        images: (B, 3, H, W) RGB in 0..255, uint8 or float.
        opponent: 'signed' as in the paper; 'absolute' takes |rg| and |yb|, in which opposite colours do not spread.

    Returns:
        (B,) float: 0 for grey; the paper calls 15 slightly, 33 moderately and 82 highly colourful.

    Raises:
        ConfigError: there is no such choice.
    """
    one_of("opponent", opponent, FORMS)
    red, green, blue = images.float().unbind(1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue], 1).flatten(2)
    if opponent == "absolute":
        opponents = opponents.abs()
    variance, mean = torch.var_mean(opponents, dim=2, correction=0)
    return 0.3 * mean.norm(dim=1) + variance.sum(1).sqrt()


def measure(
    files: Iterable[Path], opponent: str = "absolute", workers: int | None = None, progress: Progress | None = None
) -> Measured:
    """The colourfulness of picture files, read by `workers` threads (decoding runs side by side).

    `progress` is called with (files done, files in all).

    Raises:
        ConfigError: there is no such choice.
    """
    one_of("opponent", opponent, FORMS)
    files, values, unreadable = list(files), dict[Path, float](), dict[Path, str]()
    with ThreadPoolExecutor(workers) as pool:
        for done, (file, value) in enumerate(
            zip(files, pool.map(partial(_value, opponent=opponent), files), strict=True), 1
        ):
            if isinstance(value, UnreadableImage):
                unreadable[file] = str(value)
            else:
                values[file] = value
            if progress:
                progress(done, len(files))
    return Measured(values, unreadable)


def sort_out(
    files: Iterable[Path],
    minimum: float = 5.0,
    opponent: str = "absolute",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Selection:
    """The files whose colourfulness is at least `minimum`, and the rest; options as in `measure`."""
    values, unreadable = measure(files, opponent, workers, progress)
    kept = {file: value for file, value in values.items() if value >= minimum}
    return Selection(kept, {file: value for file, value in values.items() if file not in kept}, unreadable)


def _value(file: Path, opponent: str) -> float | UnreadableImage:
    try:
        image = read_image(file)
    except UnreadableImage as error:
        return error
    return float(colorfulness(torch.from_numpy(image).permute(2, 0, 1)[None], opponent))
