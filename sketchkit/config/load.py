"""A config file -> the resolved config of a run.

Text configs of mmengine whose `_base_` is relative, or `sketchkit::NAME`. A value `"$name"` stands for the top-level
value of that name and is read after every override, so that one key (`data_root`, `image_size`, `categories`) reaches
every place that needs it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from sketchkit import loading, registry
from sketchkit.config.bases import named_bases
from sketchkit.config.names import find_config
from sketchkit.errors import ConfigError, SketchkitError
from sketchkit.files import read_json
from sketchkit.options import did_you_mean, options_of

TERM_OPTIONS = ("weight", "head")
BUILDER_KEYS = ("type", "requires_grad")  # what mmengine's and MMCV's builders take out of a dict
TOP_LEVEL = ("load_from", "launcher", "categories", "work_dir")
PLUGIN_KEYS = ("custom_imports", "plugin_files", "import_folder")
# `key=value` as it is typed, or a key and a value.
Override = str | tuple[str, Any]


def load_config(path: str | Path, overrides: Sequence[Override] = (), plugin_files: Sequence[str] = ()) -> Config:
    """Read a config, load what it and the call name as plugins, apply the overrides, resolve it.

    Raises:
        ConfigError: the file is missing or broken, an override's key does not exist, or a `$name` is unknown.
        PluginError: a plugin that the call or the config asks for fails to load.
    """
    path = find_config(path)
    config = read_config(path)
    load_plugins(config, plugin_files, path.resolve().parent)
    for override in overrides:
        apply_override(config, override)
    config = resolve(config)
    check_types(config.to_dict())
    return config


def read_config(path: str | Path) -> Config:
    """The config as written: a Python text config, or the JSON kept in a run folder (parsed, never run)."""
    path = find_config(path)
    if path.suffix == ".json":
        return Config(read_json(path, error=ConfigError), filename=str(path))
    try:
        with named_bases():
            return Config.fromfile(str(path), import_custom_modules=False)
    except SketchkitError:
        raise
    except Exception as error:
        raise ConfigError(f"{path} is not a readable config: {type(error).__name__}: {_one_line(error)}") from error


def apply_override(config: Config, override: Override) -> None:
    """Set `key.sub`; the key must exist, or be an option of what its parent builds; `+key` adds.

    Raises:
        ConfigError: no `=`, an unknown key, whose closest is named, or one that says which plugins to load.
    """
    key, value = _split(override) if isinstance(override, str) else override
    adding = key.startswith("+")
    *parents, last = key.lstrip("+").split(".")
    if [*parents, last][0] in PLUGIN_KEYS:
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
    except (SyntaxError, ValueError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def parse_pairs(words: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE words as key -> value.

    Raises:
        ConfigError: a word of another form.
    """
    return dict(map(_split, words))


def resolve(config: Config) -> Config:
    """A copy with every `"$name"` replaced; `$num_classes` is how many `categories` names.

    Raises:
        ConfigError: a `$name` that the top level does not have.
    """
    values = {key: value for key, value in config.items() if not isinstance(value, Mapping)}
    categories = values.get("categories")
    values["num_classes"] = _count_classes(categories) if "categories" in values else None
    return Config(_replace(config.to_dict(), values, ""), filename=config.filename)


def check_types(value: Any, path: str = "") -> None:
    """Refuse options that what a `type` names does not have, before anything is built.

    Raises:
        ConfigError: names the place, and the closest option.
    """
    if isinstance(value, Mapping):
        if "_scope_" in value:
            raise ConfigError(f"{path}._scope_ would import a package: leave it out, names are found without it")
        known, more = _options_of(value)
        for key, item in value.items():
            if not more and key not in {*BUILDER_KEYS, *known}:
                raise ConfigError(f"{path}: {value['type']} has no option '{key}': {did_you_mean(key, known)}")
            check_types(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            check_types(item, f"{path}.{i}")


def source_files(config: Config) -> Iterator[str]:
    """The plugin modules a config names in `custom_imports`."""
    imports = config.get("custom_imports") or {}
    names = imports.get("imports", []) if isinstance(imports, Mapping) else imports
    yield from [names] if isinstance(names, str) else names


def load_plugins(config: Config, files: Sequence[str], folder: Path) -> None:
    """Load them, and write down where they lie: the config kept in a run folder needs no flag and no neighbour."""
    config["plugin_files"] = [*config.get("plugin_files", []), *(str(Path(file).resolve()) for file in files)]
    config.setdefault("import_folder", str(folder))
    for file in config["plugin_files"]:
        loading.load_file(file)
    # The folder stays on the path: a plugin may import its neighbours when it is first used.
    if config["import_folder"] not in sys.path:
        sys.path.insert(0, config["import_folder"])
    for name in source_files(config):
        loading.load_module(name)


def _step(place: Any, name: str, path: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, name, path)]
    if not isinstance(place, dict | Config) or name not in place:
        known = list(place) if isinstance(place, dict | Config) else []
        raise ConfigError(f"no config key '{path}': {did_you_mean(name, known)}")
    return place[name]


def _index(place: list, name: str, path: str) -> int:
    if not name.isdigit() or int(name) >= len(place):
        raise ConfigError(f"no config key '{path}': the list has the indices 0 to {len(place) - 1}")
    return int(name)


def _options_of(place: Mapping | Config) -> tuple[set[str], bool]:
    """The options of what `place['type']` names, with those a loss term adds; and whether there may be others."""
    name = place.get("type")
    if not isinstance(name, str):
        return set(), True
    found = [entries.find(name) for entries in (*registry.PLUGIN_REGISTRIES, *registry.RUNNER_CHILDREN)]
    options = [options_of(entry) for entry in found if entry is not None]
    names = {option for named, _ in options for option in named}
    is_loss = registry.LOSSES.find(name) is not None
    return names.union(TERM_OPTIONS if is_loss else ()), not options or any(more for _, more in options)


def _literal(node: ast.AST) -> Any:
    is_dict_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    if is_dict_call and not node.args:  # type: ignore[attr-defined]
        return {word.arg: _literal(word.value) for word in node.keywords}  # type: ignore[attr-defined]
    if isinstance(node, ast.List | ast.Tuple):
        items = [_literal(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = zip(node.keys, node.values, strict=True)
        return {ast.literal_eval(key): _literal(value) for key, value in pairs}  # type: ignore[arg-type]
    return ast.literal_eval(node)


def _count_classes(categories: Any) -> int:
    if isinstance(categories, int) and categories > 0:
        return categories
    if not categories or isinstance(categories, int):
        raise ConfigError(f"categories={categories!r}: give a number (the first so many) or names")
    return 1 if isinstance(categories, str) else len(categories)


def _replace(value: Any, values: Mapping[str, Any], path: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace(item, values, f"{path}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace(item, values, f"{path}.{i}") for i, item in enumerate(value)]
    if isinstance(value, str) and value.startswith("$"):
        if value[1:] not in values:
            raise ConfigError(f"{path} = '{value}': {did_you_mean(value[1:], values)}")
        return values[value[1:]]
    return value


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
