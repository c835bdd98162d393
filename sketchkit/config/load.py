"""A config file -> the resolved config of a run.

Text configs of mmengine whose `_base_` is relative, or `sketchkit::NAME`. A value `"$name"` stands for the top-level
value of that name and is read after every override, so that one key (`data_root`, `image_size`, `categories`) reaches
every place that needs it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config.config import RESERVED_KEYS

from sketchkit import registry
from sketchkit.config.bases import named_bases
from sketchkit.config.checks import slot_options
from sketchkit.config.names import find_config
from sketchkit.config.plugins import KEYS, load_kept, load_named, may_train
from sketchkit.config.validation import validate
from sketchkit.declared import Count, fits, short
from sketchkit.errors import ConfigError, SketchkitError
from sketchkit.files import read_json
from sketchkit.options import did_you_mean, options_of

DATA = ".json"
TOP_LEVEL = ("load_from", "launcher", "categories", "work_dir")
# What Python has no literal for, or writes otherwise.
WORDS = {"true": True, "false": False, "none": None, "nan": math.nan, "inf": math.inf, "-inf": -math.inf}
# `key=value` as it is typed, or a key and a value.
Override = str | tuple[str, Any]


def load_config(
    path: str | Path,
    overrides: Sequence[Override] = (),
    plugin_files: Sequence[str | Path] = (),
    trust_code: bool = False,
    trains: bool = True,
) -> Config:
    """Read a config, load what it and the call name as plugins, apply the overrides, resolve it.

    Args:
        path: a Python config, which is code, or the config.json of a run, which is data.
        overrides: `key=value` as it is typed, or a key and a value.
        plugin_files: Python files that register plugins; in place of the run's own.
        trust_code: whether what a run names may run that was not trained with here.
        trains: whether it is for a training, for which a config that is data has to be of one here too.

    Raises:
        ConfigError: the file is missing or broken, an override's key does not exist, a `$name` is unknown, or a value
            is none that fits.
        PluginError: a plugin that the call or the config asks for fails to load.
    """
    path = find_config(path)
    config = read_config(path)
    if path.suffix == DATA:
        if trains:
            may_train(path, trust_code)
        load_kept(config, plugin_files, path, trust_code)
    else:
        load_named(config, plugin_files, path.resolve().parent)
    for override in overrides:
        apply_override(config, override)
    references: dict[str, str] = {}
    config = resolve(config, references)
    validate(config.to_dict(), references)
    return config


def read_config(path: str | Path) -> Config:
    """The config as written: a Python text config, or the JSON kept in a run folder (parsed, never run)."""
    path = find_config(path)
    if path.suffix not in (DATA, ".py"):
        raise ConfigError(f"{path} is no config: give a Python config (.py), or the config.json of a run")
    if path.suffix == DATA:
        return config_of(read_json(path, error=ConfigError), path)
    try:
        with named_bases():
            return Config.fromfile(str(path), import_custom_modules=False, lazy_import=False)
    except SketchkitError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{path} is not a readable config: {type(error).__name__}: {_one_line(error)}") from error


def config_of(content: Mapping[str, Any], origin: str | Path) -> Config:
    """What JSON holds, as a config.

    Raises:
        ConfigError: it has a key that mmengine keeps for itself.
    """
    if taken := sorted({*RESERVED_KEYS} & content.keys()):
        raise ConfigError(f"{origin} is no config: mmengine keeps the key '{taken[0]}' for itself")
    # mmengine reads the file of a config again.
    return Config(dict(content), filename=str(origin) if Path(origin).suffix == DATA else None)


def apply_override(config: Config, override: Override) -> None:
    """Set `key.sub`; the key must exist, or be an option of what its parent builds; `+key` adds.

    Raises:
        ConfigError: no `=`, an unknown key, whose closest is named, or one that says which plugins to load.
    """
    key, value = _split(override) if isinstance(override, str) else override
    adding = key.startswith("+")
    *parents, last = key.lstrip("+").split(".")
    if not all([*parents, last]):
        raise ConfigError(f"no config key '{key}': a key is names and indices with dots between them")
    if [*parents, last][0] in RESERVED_KEYS:
        raise ConfigError(f"no config key '{key}': mmengine keeps that name for itself")
    if [*parents, last][0] in KEYS:
        raise ConfigError(f"{key} is read before all else: name plugins in the config itself, or with --plugin FILE")
    place: Any = config
    for depth, name in enumerate(parents):
        place = _step(place, name, ".".join(parents[: depth + 1]))
    if isinstance(place, list):
        place[_index(place, last, key)] = value
        return
    if not isinstance(place, dict | Config):
        raise ConfigError(f"{'.'.join(parents)} is {place!r}: it has no '{last}' to set")
    known = {*place, *_options_of(place)[0], *(TOP_LEVEL if place is config else ())}
    if last not in known and not adding:
        raise ConfigError(f"no config key '{key}': {did_you_mean(last, known)} (to add a new one write '+{key}=...')")
    place[last] = value


def _split(override: str) -> tuple[str, Any]:
    key, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"'{override}' is not of the form key=value")
    return key, parse_value(text)


def parse_value(text: str) -> Any:
    """A Python literal, `dict(key=literal)` calls included; anything else is a string."""
    try:
        return _literal(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return WORDS.get(text.lower(), text)


def parse_pairs(words: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE words as key -> value.

    Raises:
        ConfigError: a word of another form.
    """
    return dict(map(_split, words))


def resolve(config: Config, references: dict[str, str] | None = None) -> Config:
    """A copy with every `"$name"` replaced; `$num_classes` is how many `categories` names.

    Args:
        references: filled with key -> the name that stood there.

    Raises:
        ConfigError: a `$name` that the top level does not have.
    """
    values = dict(config.items())
    categories = values.get("categories")
    values["num_classes"] = _count_classes(categories) if "categories" in values else None
    found = {} if references is None else references
    return Config(_replace(config.to_dict(), values, "", found), filename=config.filename)


def _step(place: Any, name: str, path: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, name, path)]
    if not isinstance(place, dict | Config) or name not in place:
        known = list(place) if isinstance(place, dict | Config) else []
        raise ConfigError(f"no config key '{path}': {did_you_mean(name, known)}")
    return place[name]


def _index(place: list, name: str, path: str) -> int:
    if not (name.isascii() and name.isdigit()) or int(name) >= len(place):
        raise ConfigError(f"no config key '{path}': the list has the indices 0 to {len(place) - 1}")
    return int(name)


def _options_of(place: Mapping | Config) -> tuple[set[str], bool]:
    """The options of what `place['type']` names, with its `slot_options`; and whether there may be others."""
    name = place.get("type")
    if not isinstance(name, str):
        return set(), True
    found = [entries.find(name) for entries in (*registry.PLUGIN_REGISTRIES, *registry.RUNNER_CHILDREN)]
    options = [options_of(entry) for entry in found if entry is not None]
    names = {option for named, _ in options for option in named}
    return names.union(*(slot_options(entry, name) for entry in found)), not options or any(more for _, more in options)


def _literal(node: ast.AST) -> Any:
    is_dict_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    if is_dict_call and not node.args and all(word.arg for word in node.keywords):  # type: ignore[attr-defined]
        return {word.arg: _literal(word.value) for word in node.keywords}  # type: ignore[attr-defined]
    if isinstance(node, ast.List | ast.Tuple):
        items = [_literal(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = zip(node.keys, node.values, strict=True)
        return {ast.literal_eval(key): _literal(value) for key, value in pairs}  # type: ignore[arg-type]
    return ast.literal_eval(node)


def _count_classes(categories: Any) -> int:
    if not categories or not fits(categories, Count | str | Sequence[str]):
        raise ConfigError(f"categories={short(categories)}: give a number (the first so many) or names")
    if isinstance(categories, int):
        return categories
    return 1 if isinstance(categories, str) else len(categories)


def _replace(value: Any, values: Mapping[str, Any], path: str, references: dict[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace(item, values, f"{path}.{key}".lstrip("."), references) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace(item, values, f"{path}.{i}", references) for i, item in enumerate(value)]
    if isinstance(value, str) and value.startswith("$"):
        if value[1:] not in values:
            raise ConfigError(f"{path} = '{value}': {did_you_mean(value[1:], values)}")
        if isinstance(values[value[1:]], Mapping):
            raise ConfigError(f"{value[1:]}={short(values[value[1:]])}: it is given as {path}, where no dict can stand")
        references[path] = value[1:]
        return values[value[1:]]
    return value


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
