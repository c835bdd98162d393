"""The folders of data sets without a layout of their own: splits as folders or in a split file, and directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sketchkit.data.listing import some_pictures
from sketchkit.data.splits import read_split
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import did_you_mean, one_of

DIRECTIONS = ("AtoB", "BtoA")


def check_direction(direction: str) -> bool:
    """Whether source and target change places.

    Raises:
        ConfigError: it is neither AtoB nor BtoA.
    """
    one_of("direction", direction, DIRECTIONS)
    return direction == "BtoA"


def refuse_empty(**options: Any) -> None:
    """Check that no option is an empty word or list, which would choose nothing, or all there is.

    Raises:
        ConfigError: names the option.
    """
    for name, value in options.items():
        is_list = isinstance(value, list | tuple)
        if value == "" or (is_list and (not value or "" in value)):
            raise ConfigError(f"{name}={value!r} is empty: give a value, or None to do without it")


def choose_part(root: Path, split: str | None, split_file: str | Path | None = None) -> list[Path]:
    """The pictures of one part: in the folder of its name, or listed under its name in a split file.

    Raises:
        DataError: there is no such folder, part or file, or no picture in it.
        ConfigError: a split file and no part of it.
    """
    refuse_empty(split=split, split_file=split_file)
    require_root(root)
    if split_file is not None:
        if split is None:
            raise ConfigError(f"split_file={split_file} needs the part of it to take: split='train'")
        return _listed(root, split, split_file)
    folder = root / split if split else root
    if not folder.is_dir():
        there = [f.name for f in root.iterdir() if f.is_dir()]
        closest = did_you_mean(str(split), there) if there else "it holds no folders"
        raise DataError(
            f"{root} has no folder {split}: {closest}; name it with train_split or val_split (None takes {root} "
            "itself), or divide its files by a split_file of `sketchkit data split`"
        )
    return some_pictures(folder)


def require_root(root: Path) -> None:
    """Check that the data are there.

    Raises:
        DataError: they are not.
    """
    if not root.is_dir():
        raise DataError(f"no data at {root}: point to your copy with --cfg-options data_root=PATH")


def _listed(root: Path, split: str, split_file: str | Path) -> list[Path]:
    parts = read_split(split_file, root)
    if split not in parts:
        raise ConfigError(f"{split_file} has no part '{split}': {did_you_mean(split, parts)}")
    if not parts[split]:
        raise DataError(f"part '{split}' of {split_file} is empty: divide the files again")
    return [root / name for name in parts[split]]
