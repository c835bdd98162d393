"""Configs by their names: those that come with sketchkit, found without importing anything heavy."""

from __future__ import annotations

from pathlib import Path

from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean

PACKAGE = Path(__file__).resolve().parents[1]


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
    known = map(str, Path("configs").glob("*.py")) if len(path.parts) > 1 else config_names()
    raise ConfigError(f"no config at {path}: {did_you_mean(str(path), known)}")
