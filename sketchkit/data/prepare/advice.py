"""How to train on a folder of data: a command that works as it is printed, or what is in its way."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sketchkit.config.load import load_config, parse_value
from sketchkit.data.base import FileDataset
from sketchkit.errors import DataError
from sketchkit.registry import DATASETS

# Of a data set, that a call chooses and no training.
_OWN = ("data_root", "split", "serial", "pipeline", "seed", "max_samples")


def training_command(
    entry: type[FileDataset], root: Path, options: Mapping[str, Any], config: str | None = None
) -> tuple[str | None, dict[str, FileDataset | DataError]]:
    """The command that trains on the folder, and the data sets that it would build, or why it could not.

    Args:
        entry: the data set.
        root: the folder.
        options: of the data set, as the folder is to be read.
        config: by its name or path; None: the data set's own.

    Returns:
        The command, None for a data set that names no config; and 'train' and 'held out' with what is built for them.
    """
    name = config or entry.config
    if name is None:
        return None, {}
    keys = entry.settings(root, **{key: value for key, value in options.items() if key not in _OWN})
    plain = load_config(name)
    words = [f"data_root={_typed(root)}"]
    for key, value in keys.items():
        places = [key] if key in plain else [f"{part}_dataloader.dataset.{key}" for part in ("train", "val")]
        words += [f"{place}={_literal(value)}" for place in places if plain.get(place, plain) != value]
    resolved = load_config(name, words)
    built = {
        "train": _built(resolved["train_dataloader"]["dataset"]),
        "held out": _built(resolved["val_dataloader"]["dataset"]),
    }
    return " ".join(["sketchkit train", name, *map(shlex.quote, words)]), built


def _built(options: Mapping[str, Any]) -> FileDataset | DataError:
    try:
        return DATASETS.build(dict(options))
    except DataError as error:
        return error


def _typed(root: Path) -> str:
    """The path as a word that an override reads as this path again, and not as a number or a name of another key."""
    word = str(root)
    return word if parse_value(word) == word and not word.startswith("$") else f"./{word}"


def _literal(value: Any) -> str:
    return (
        json.dumps(value, ensure_ascii=False, separators=(",", ":")) if isinstance(value, list | tuple) else str(value)
    )
