"""Configs by their names: those that come with sketchkit, found without importing anything heavy."""

from __future__ import annotations

import re
from pathlib import Path

from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean

PACKAGE = Path(__file__).resolve().parents[1]
SCOPE = "sketchkit::"
PARTS = "_base_"
STYLE = "style_"
DEFAULT_PRESET = "squeezenet-pyramid"


def config_folder() -> Path:
    """Where the configs lie: within the installed package, or beside it in a checkout."""
    installed = PACKAGE / "configs"
    return installed if installed.is_dir() else PACKAGE.parent / "configs"


def config_names() -> list[str]:
    """The names of the configs that come with sketchkit, sorted."""
    return sorted(path.stem for path in config_folder().glob("*.py") if not path.stem.startswith("_"))


def find_config(text: str | Path) -> Path:
    """The file of a config that is given by its path, or by the bare name of one that comes with sketchkit.

    Raises:
        ConfigError: neither is there; says the closest.
    """
    path = Path(text)
    if path.is_file():
        return path
    named = config_folder() / f"{text}.py"
    if str(text) in config_names():
        return named
    if (path / "config.json").is_file():
        raise ConfigError(f"{path} is a run and no config: name {path / 'config.json'}")
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is no regular file and no config: name a .py file")
    beside = [str(file) for file in Path("configs").glob("*.py")] if len(path.parts) > 1 else []
    known = beside or config_names()
    raise ConfigError(f"no config at {path}: {did_you_mean(str(path), known)}")


def find_base(text: str, file: str | Path) -> Path:
    """The file of a `_base_` of `file` that is given as `sketchkit::NAME`, or `sketchkit::_base_/NAME` of a part.

    Raises:
        ConfigError: nothing has that name; says the closest.
    """
    parts = [f"{PARTS}/{path.stem}" for path in (config_folder() / PARTS).glob("*.py")]
    names = [f"{SCOPE}{name}" for name in (*config_names(), *parts)]
    if text not in names:
        raise ConfigError(f"{file}: no _base_ is named '{text}': {did_you_mean(text, names)}")
    return config_folder() / f"{text.removeprefix(SCOPE)}.py"


def copy_of(name: str, place: Path) -> str:
    """The text of a config that comes with sketchkit, as it works at `place`, wherever that is."""
    opening, *lines = find_config(name).read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith("_base_ ="):
            lines[number] = re.sub(r'"([\w/]+)\.py"', rf'"{SCOPE}\1"', line)
    # Within a string of Python, which not every name leaves one.
    shown = str(place) if re.fullmatch(r"[\w ./-]+", str(place)) else f"{name}.py"
    return "".join([opening.replace(f"configs/{name}.py", shown), *lines])


def presets() -> list[str]:
    """The names of the configs of style transfer, as `sketchkit stylize --preset` takes them."""
    return [name.removeprefix(STYLE).replace("_", "-") for name in config_names() if name.startswith(STYLE)]


def preset_file(name: str) -> Path:
    """The config of a preset.

    Raises:
        ConfigError: there is none of that name; says the closest.
    """
    if name not in presets():
        raise ConfigError(f"no preset is called '{name}': {did_you_mean(name, presets())}")
    return config_folder() / f"{STYLE}{name.replace('-', '_')}.py"
