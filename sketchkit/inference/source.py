"""Which source code makes a run's pictures."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

import sketchkit
from sketchkit.config.plugins import kept_codes
from sketchkit.loading import distributions, is_of_metrics
from sketchkit.registry import BUILT_IN, SCOPE


def code_record(config: Mapping[str, Any], networks: Iterable[nn.Module]) -> dict[str, Any]:
    """What made the pictures, for `metrics.json`: the same record means the same code.

    Returns:
        `sketchkit`: its version. `source`: the SHA-256 of its source, its plugins' and that of the networks' classes.
        `plugins`: of each user plugin but metrics, file -> SHA-256. `packages`: name -> version of installed ones.
    """
    plugins = {code.entry: dict(code.files) for code in kept_codes(config) if not is_of_metrics(code)}
    source = _digest(_files(networks))
    return {"sketchkit": sketchkit.__version__, "source": source, "plugins": plugins, "packages": distributions()}


def _files(networks: Iterable[nn.Module]) -> set[Path]:
    names = {type(module).__module__ for network in networks for module in network.modules()}
    files = {getattr(sys.modules.get(name), "__file__", None) for name in names}
    folders = [folder for name in (SCOPE, BUILT_IN) for folder in sys.modules[name].__path__]
    own = {file.resolve() for folder in folders for file in Path(folder).rglob("*.py")}
    return own | {Path(file).resolve() for file in files if file}


def _digest(files: Iterable[Path]) -> str:
    digests = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()
