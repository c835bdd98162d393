"""Which plugin code a config brings along, and whether it may run.

A Python config is code itself: what it names is loaded. The config of a run, in its folder or in a checkpoint, is data:
code that it names runs when it was trained with here, or when the call asks for it. See docs/security.md.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from sketchkit import loading
from sketchkit.config.validation import validate_plugins
from sketchkit.declared import short
from sketchkit.errors import PluginError
from sketchkit.file_names import printable
from sketchkit.plugin_code import PluginCode, code_of_file, code_of_import, copy_code, is_intact
from sketchkit.problems import first_few
from sketchkit.trust import is_trusted_text, private_folder, trained_in, trust, trust_text, trusted_copy

CODE = "plugin_code"
# What a Python config may name, and a config that is data may not.
NAMED = ("custom_imports", "plugin_files")
KEYS = (*NAMED, CODE)
KEPT, DESCRIBED = "plugins", "config.json"  # the copies in a run's folder, and its config


def load_named(config: Config, files: Sequence[str | Path], folder: Path) -> None:
    """Load what a Python config names, relative to its folder, and the files of the call; write down what they are.

    Raises:
        PluginError: one is missing or fails.
    """
    validate_plugins(config)
    given = [folder / file for file in config.pop("plugin_files", None) or ()]
    codes = [code_of_file(file) for file in (*given, *files)]
    codes += [code_of_import(name, folder) for name in _imports(config.pop("custom_imports", None))]
    _load(config, [(code, Path(code.folder)) for code in codes])


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
    _load(config, codes)


def kept_codes(config: Mapping[str, Any]) -> Iterator[PluginCode]:
    """The code that a run's config names.

    Raises:
        PluginError: it is damaged.
    """
    codes = config.get(CODE) or []
    if not isinstance(codes, list):
        raise PluginError(f"plugin_code={short(codes)}: give a list")
    yield from map(PluginCode.from_dict, codes)


def keep(config: Mapping[str, Any], folder: Path) -> None:
    """Copy the code that a run is trained with into its folder; from now on that, and its config, run unasked."""
    codes = list(map(loading.running, kept_codes(config)))
    if (folder / KEPT).is_dir():
        shutil.rmtree(folder / KEPT)
    for number, code in enumerate(codes):
        copy_code(code, folder / KEPT / str(number))
    try:
        for code in codes:
            trust(code)
        trust_text((folder / DESCRIBED).read_text(encoding="utf-8"))
    except OSError as error:
        warnings.warn(f"{error}: other commands will run this run's code with --trust-code only", stacklevel=2)


def may_train(path: Path, trust_code: bool) -> None:
    """Refuse to train by a config that is data, but for one that a training here has written.

    A training does more than translate: hooks write where they are told to, and a compiler is called.

    Raises:
        PluginError: says how to go on.
    """
    if not trust_code and not is_trusted_text(path.read_text(encoding="utf-8")):
        raise PluginError(f"{path} was not written by a training here, and would say what a training runs and where it "
                          "writes: read it, then add --trust-code")  # fmt: skip


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
            said = f"{code.name} was changed or moved since: the copy is used that was trained with"
            print(printable(said), file=sys.stderr)
        return there or copy
    if not trust_code:
        files = first_few([f"{name} (sha256 {digest})" for name, digest in code.files.items()] or [code.name], ", ")
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
    if not is_intact(code, place):
        raise PluginError(f"{code.name} changed while it was copied from {source}: try again")
    return place


def _load(config: Config, codes: Sequence[tuple[PluginCode, Path | None]]) -> None:
    """Load them, and write down which they are: with all that they import, and where they lay at first."""
    loaded = loading.load_codes(codes)
    named = [replace(one, folder=code.folder) for one, (code, _) in zip(loaded, codes, strict=True)]
    config[CODE] = list({code.digest: code.to_dict() for code in named}.values())
