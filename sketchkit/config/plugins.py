"""Which plugin code a config brings along, and whether it may run.

A Python config is code itself: what it names is loaded. The config of a run, in its folder or in a checkpoint, is data:
code that it names runs when it was trained with here, or when the call asks for it. See docs/security.md.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from sketchkit import loading
from sketchkit.config.validation import validate_plugins
from sketchkit.errors import PluginError
from sketchkit.plugin_code import PluginCode, code_of_file, code_of_import, copy_code, is_intact
from sketchkit.trust import private_folder, trained_in, trust, trusted_copy

CODE = "plugin_code"
# What a Python config may name, and a config that is data may not.
NAMED = ("custom_imports", "plugin_files")
KEYS = (*NAMED, CODE)
KEPT = "plugins"  # the folder of a run with the copies


def load_named(config: Config, files: Sequence[str | Path], folder: Path) -> None:
    """Load what a Python config names, relative to its folder, and the files of the call; write down what they are.

    Raises:
        PluginError: one is missing or fails.
    """
    validate_plugins(config)
    given = [folder / file for file in config.pop("plugin_files", None) or ()]
    codes = [code_of_file(file) for file in (*given, *files)]
    codes += [code_of_import(name, folder) for name in _imports(config.pop("custom_imports", None))]
    loading.load_codes([(code, Path(code.folder)) for code in codes])
    _write_down(config, codes)


def load_kept(config: Config, files: Sequence[str | Path], origin: Path, trust_code: bool = False) -> None:
    """Load the code that a run was trained with, and the files of the call.

    Args:
        config: of a run; data.
        files: plugins; one takes the place of the run's file of the same name.
        origin: the run's checkpoint or config, beside which its copies lie.
        trust_code: run it although it was not trained with here.

    Raises:
        PluginError: the code may not run, is gone, or fails.
    """
    for key in NAMED:
        if config.pop(key, None):
            raise PluginError(f"{origin} is data and names {key}: give the files with --plugin")
    given = [code_of_file(file) for file in files]
    names = {code.file_name for code in given}
    kept = [(code, _place(code, origin, trust_code)) for code in kept_codes(config) if code.file_name not in names]
    codes = [*kept, *((code, Path(code.folder)) for code in given)]
    loading.load_codes(codes)
    _write_down(config, [code for code, _ in codes])


def kept_codes(config: Mapping[str, Any]) -> Iterator[PluginCode]:
    """The code that a run's config names.

    Raises:
        PluginError: it is damaged.
    """
    yield from map(PluginCode.from_dict, config.get(CODE) or [])


def keep(config: Mapping[str, Any], folder: Path) -> None:
    """Copy the code that a run is trained with into its folder, and let it run unasked from now on."""
    for number, code in enumerate(kept_codes(config)):
        running = loading.running(code)
        copy_code(running, folder / KEPT / str(number))
        try:
            trust(running)
        except OSError as error:
            warnings.warn(f"{error}: other commands will run {code.name} with --trust-code only", stacklevel=2)


def changed_code(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The plugin files that two configs do not have in common: changed, new or gone; sorted."""
    files = [{item for code in kept_codes(config) for item in code.files.items()} for config in (before, now)]
    return sorted({name for name, _ in files[0] ^ files[1]})


def _imports(imports: Any) -> list[str]:
    """The modules that `custom_imports` names: mmengine's dict(imports=[...]), a list, or one name."""
    names = imports.get("imports", []) if isinstance(imports, Mapping) else imports or []
    return [names] if isinstance(names, str) else list(names)


def _place(code: PluginCode, origin: Path, trust_code: bool) -> Path | None:
    """The folder that a run's code may run from; None for modules of installed packages."""
    copy = trusted_copy(code)
    if not code.files and (copy or trust_code or loading.is_installed(code.entry)):
        return None
    if copy is not None:
        there = trained_in(code)
        if there is None:
            print(f"{code.name} was changed or moved since: the copy is used that was trained with", file=sys.stderr)
        return there or copy
    if not trust_code:
        files = ", ".join(f"{name} (sha256 {digest[:12]}...)" for name, digest in code.files.items()) or code.name
        raise PluginError(
            f"{origin} wants to run code that was not trained with here: {files}; it runs with --trust-code, and "
            "--plugin FILE runs a file of yours of that name instead"
        )
    copies = (folder for folder in (origin.parent / KEPT).glob("*") if is_intact(code, folder))
    source = next(copies, Path(code.folder))
    if not is_intact(code, source):
        raise PluginError(f"{origin} was trained with {code.name}, which is neither there nor beside it in {KEPT}/: "
                          "give the file with --plugin")  # fmt: skip
    place = private_folder("code", code.digest)
    copy_code(replace(code, folder=str(source)), place)
    return place


def _write_down(config: Config, codes: Sequence[PluginCode]) -> None:
    config[CODE] = [code.to_dict() for code in codes]
