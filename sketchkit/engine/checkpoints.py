"""Checkpoints: plain tensors and Python values, written whole or not at all, loaded strictly or refused.

A file holds `format`, `iter`, `config` (JSON text: parsed, never run), `model`, `optimizers`, `schedulers`,
`runtime_info`, `random_states` (one a rank), `classes` and `versions`. It opens with `torch.load(weights_only=True)`.
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import mmengine
import numpy as np
import torch
from torch import nn

import sketchkit
from sketchkit.atomic import whole
from sketchkit.errors import CheckpointError

FORMAT = "sketchkit/1"
# What torch.save begins a file with: an archive, or in its old form a pickle.
STARTS = (b"PK\x03\x04", b"\x80")


def write_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write under a temporary name, flush to the disk, rename: a kill leaves the old file or the new one."""
    with whole(path) as temporary, temporary.open("wb") as file:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint; nothing in the file is executed.

    Raises:
        CheckpointError: the file is missing, damaged, not ours, or holds anything but plain data.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    with path.open("rb") as file:
        if not file.read(4).startswith(STARTS):
            raise CheckpointError(f"{path} is no checkpoint: torch.save wrote no such file")
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error) or "Unsupported" in str(error):
            raise CheckpointError(f"{path} is refused: it holds code, not only tensors and plain values") from error
        raise CheckpointError(f"{path} is damaged: {_first_line(error)}") from error
    except Exception as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint: {_first_line(error)}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of sketchkit ({FORMAT})")
    return content


def load_strictly(model: nn.Module, state: Mapping[str, Any], origin: str | Path) -> None:
    """Load every key, or none.

    Raises:
        CheckpointError: names the first keys that are missing, unexpected, or of another shape.
    """
    own = model.state_dict()
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)} here {tuple(own[key].shape)}"
        for key in sorted(own.keys() & state.keys())
        if isinstance(own[key], torch.Tensor) and own[key].shape != state[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if keys
    ]
    if problems:
        raise CheckpointError(f"{origin} is of another architecture, keys {'; '.join(problems)}: use its own config")
    model.load_state_dict(state, strict=True)


def latest_checkpoint(folder: str | Path) -> Path | None:
    """The checkpoint of the highest iteration in a run folder; None when there is none."""
    found = [path for path in Path(folder).glob("iter_*.pth") if path.stem[5:].isdigit()]
    return max(found, key=lambda path: int(path.stem[5:]), default=None)


def versions() -> dict[str, str]:
    """What the run is made with."""
    return {
        "sketchkit": sketchkit.__version__, "torch": str(torch.__version__), "mmengine": mmengine.__version__,
        "numpy": np.__version__,
    }  # fmt: skip


def random_state() -> dict[str, Any]:
    """The state of every generator this process's steps draw from, as tensors and plain values."""
    name, keys, position, has_gauss, cached = cast(tuple, np.random.get_state())
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "python": [version, list(internal), gauss],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Take over what `random_state` returned."""
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state(state["cuda"][0].cpu())
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def plain_info(info: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values among a message hub's; mmengine's own form of it needs unsafe classes to load."""
    return {key: value for key, value in info.items() if _is_plain(value)}


def is_finite(state: Mapping[str, Any]) -> bool:
    """Whether every floating-point tensor of a state dict is finite."""
    tensors = [v for v in state.values() if isinstance(v, torch.Tensor) and v.is_floating_point()]
    # One wait for the device, not one a tensor.
    return not tensors or bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, str | int | float | bool)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
