"""The words of a sweep: values out of the command line, and names for what they make."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sketchkit.config.leaves import leaves
from sketchkit.errors import ConfigError

NAME_LENGTH = 120


def parse_words(words: Sequence[str], fixed: Sequence[str] = ()) -> dict[str, list[str]]:
    """`KEY=VALUE1,VALUE2` words -> key -> values, both as written.

    Raises:
        ConfigError: no word, no value, or a key or a value given twice.
    """
    if not words:
        raise ConfigError("no key to sweep: give KEY=VALUE1,VALUE2,... before --cfg-options, whose words are fixed")
    taken = {override.partition("=")[0].lstrip("+") for override in fixed}
    grid: dict[str, list[str]] = {}
    for word in words:
        key, separator, text = word.partition("=")
        values = split_values(text)
        if not separator or not all(values):
            raise ConfigError(f"'{word}' lacks a value: write {key}=VALUE1,VALUE2,...")
        if key.lstrip("+") in plain_keys(grid):
            raise ConfigError(f"{key} is given twice: list its values behind one '{key}='")
        if key.lstrip("+") in taken:
            raise ConfigError(f"{key} is to be swept and fixed by --cfg-options: drop one of the two")
        if len({*values}) < len(values):
            raise ConfigError(f"'{word}' names a value twice")
        grid[key] = values
    return grid


def split_values(text: str) -> list[str]:
    """The parts between those commas that no bracket and no quote encloses.

    Raises:
        ConfigError: a bracket or a quote does not close.
    """
    values, depth, quote = [""], 0, ""
    for character in text:
        if character == "," and not depth and not quote:
            values.append("")
            continue
        if quote or character in "'\"":
            quote = "" if character == quote else quote or character
        else:
            depth += (character in "([{") - (character in ")]}")
        values[-1] += character
    if depth or quote:
        raise ConfigError(f"'{text}': a bracket or a quote does not close")
    return [value.strip() for value in values]


def short_key(key: str, base: Mapping[str, Any]) -> str:
    """The key's end that names one place of the config: `tv.weight`, but `discriminator_losses.gan.weight`."""
    parts = key.lstrip("+").split(".")
    places = {path[:end] for path, _ in leaves(base) for end in range(1, len(path))}
    for length in range(2, len(parts)):
        parents = tuple(parts[-length:-1])
        if not parents[0].isdigit() and sum(place[-len(parents) :] == parents for place in places) == 1:
            return ".".join(parts[-length:])
    return ".".join(parts)


def file_name(label: str) -> str:
    """The label, where it can name a folder; else what can, with a digest of the whole."""
    name = re.sub(r"[^\w.,=+()\[\]-]+", "_", label)[:NAME_LENGTH]
    digest = hashlib.sha256(label.encode(errors="surrogateescape")).hexdigest()
    return name if name == label else f"{name}-{digest[:8]}"


def plain_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with keys that do not say whether they were there before."""
    return {key.lstrip("+"): value for key, value in values.items()}
