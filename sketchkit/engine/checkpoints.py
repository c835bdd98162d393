"""Checkpoints: plain tensors and Python values, written whole or not at all, loaded strictly or refused.

A file holds `format`, `iter`, `validated` (whether that iteration's validation is done), `config` (JSON text: parsed,
never run), `model`, `optimizers`, `schedulers`, `runtime_info`, `random_states` (one a rank), `classes`, `data` (their
fingerprint), `drawings` (what sources look like, where they are drawings), `source_half` (which half of a file is the
source, where files hold pairs), `versions` and `digest` (of all tensors).
It opens with `torch.load(weights_only=True)`.
"""

from __future__ import annotations

import os
import pickle
import random
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import mmengine
import numpy as np
import torch
from mmengine.dist import is_main_process
from torch import nn

import sketchkit
from sketchkit.atomic import whole
from sketchkit.engine.checkpoint_content import check_content, digest, is_plain
from sketchkit.engine.uninitialized import shapes_alone
from sketchkit.errors import CheckpointError
from sketchkit.files import regular_file
from sketchkit.memory import is_out_of_memory

FORMAT = "sketchkit/1"
ARCHIVE = b"PK\x03\x04"  # what torch.save begins a file with
# What torch says of a pickle that asks for more than tensors and plain values.
CODE = ("unsupported global", "unsupported class", "unrecognized function", "can only build", "blocked")


def write_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write under a temporary name, flush to the disk, rename: a kill leaves the old file or the new one."""
    with whole(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save({**content, "digest": digest(content, path)}, file)
        except RuntimeError as error:
            # torch's writer miscounts after a disk that is full, and says that instead.
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: str | Path, resuming: bool = False) -> dict[str, Any]:
    """Read a checkpoint to the CPU; nothing in the file is executed.

    Args:
        resuming: whether it must hold also what only a resumed run needs.

    Raises:
        CheckpointError: the file is missing, damaged, not ours, or holds anything but plain data.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"no checkpoint at {path}")
    regular_file(path, CheckpointError)
    _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old forms of such files, which are refused in our own words
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if any(words in str(error).lower() for words in CODE):
            raise CheckpointError(f"{path} is refused: it holds code, not only tensors and plain values") from error
        raise CheckpointError(f"{path} is damaged: its values cannot be read") from error
    except MemoryError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise CheckpointError(f"{path} is damaged: its tensors cannot be read") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of sketchkit ({FORMAT})")
    check_content(content, path, resuming)
    return content


def _check_archive(path: Path) -> None:
    """Refuse what torch would take for something else, or would unpack to more than there is."""
    with path.open("rb") as file:
        if file.read(len(ARCHIVE)) != ARCHIVE:
            raise CheckpointError(f"{path} is no checkpoint of sketchkit: it does not begin as one")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise CheckpointError(f"{path} is damaged: its end is missing or not its own") from error
    packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CheckpointError(f"{path} is refused: it unpacks to more than it holds, and torch.save packs nothing")


def read_latest(folder: str | Path, resuming: bool = False) -> tuple[Path, dict[str, Any]]:
    """The latest checkpoint of a run folder that is whole, and its content; those passed over are warned of.

    Raises:
        CheckpointError: there is none, or none that can be used: says why of the latest.
    """
    refused: list[CheckpointError] = []
    for path in _checkpoints(folder):
        try:
            content = read_checkpoint(path, resuming)
        except CheckpointError as error:
            refused.append(error)
            continue
        if refused and is_main_process():
            warnings.warn(f"{'; '.join(map(str, refused))}: {path} is used instead", stacklevel=2)
        return path, content
    if refused:
        more = f" (nor can {len(refused) - 1} before it be used)" if len(refused) > 1 else ""
        raise CheckpointError(f"{refused[0]}{more}") from refused[0]
    raise CheckpointError(f"{folder} holds no checkpoint (iter_*.pth): name a run folder that was trained")


def load_strictly(model: nn.Module, state: Mapping[str, Any], origin: str | Path) -> None:
    """Load every key, or none.

    Raises:
        CheckpointError: names the first keys that are missing, unexpected, or of another shape or type.
    """
    _refuse(mismatches(model.state_dict(), state), origin)
    model.load_state_dict(state, strict=True)


def refuse_other_sizes(build: Callable[[], nn.Module], state: Mapping[str, Any], origin: str | Path) -> None:
    """Refuse weights of other shapes than a network that is built without memory: its config may ask for any size.

    Raises:
        CheckpointError: names the first of them.
    """
    try:
        with shapes_alone():
            own = build().state_dict()
    except (RuntimeError, NotImplementedError):
        return  # it computes while it is built, so that it can be built for true only
    shapes = mismatches(own, {key: state[key] for key in own.keys() & state.keys()})["of another shape"]
    _refuse({"of another shape": shapes}, origin)


def _refuse(problems: Mapping[str, Sequence[str]], origin: str | Path) -> None:
    said = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in problems.items()
        if keys
    ]
    if said:
        raise CheckpointError(f"{origin} is of another architecture, keys {'; '.join(said)}: use its own config")


def mismatches(own: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, list[str]]:
    """What keeps `state` from being loaded where `own` is, kind -> keys."""
    both = [key for key in sorted(own.keys() & state.keys()) if isinstance(own[key], torch.Tensor)]
    shapes = {key: (tuple(state[key].shape), tuple(own[key].shape)) for key in both}
    kinds = {key: (state[key].dtype, own[key].dtype) for key in both}
    different = {"of another shape": shapes, "of another type": kinds}
    return {
        "missing": sorted(own.keys() - state.keys()),
        "unexpected": sorted(state.keys() - own.keys()),
        **{
            what: [f"{key} {there} here {here}" for key, (there, here) in pairs.items() if there != here]
            for what, pairs in different.items()
        },
    }


def latest_checkpoint(folder: str | Path) -> Path | None:
    """The checkpoint of the highest iteration in a run folder, whole or not; None when there is none."""
    return next(iter(_checkpoints(folder)), None)


def numbered_name(iterations: int) -> str:
    """The name of the checkpoint of that many iterations."""
    return f"iter_{iterations}.pth"


def iteration_of(path: str | Path) -> int | None:
    """The iterations that a checkpoint's name says; None for other names."""
    name = re.fullmatch(r"iter_([0-9]{1,18})\.pth", Path(path).name)
    return int(name[1]) if name else None


def _checkpoints(folder: str | Path) -> list[Path]:
    """Those of a run folder, the latest first."""
    found = {path: iteration_of(path) for path in Path(folder).glob("iter_*.pth")}
    return sorted((path for path in found if found[path] is not None), key=lambda path: found[path] or 0, reverse=True)


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
    """Take over what `random_state` returned.

    Raises:
        CheckpointError: it is none.
    """
    try:
        torch.set_rng_state(state["torch"].cpu())
        if torch.cuda.is_available() and state["cuda"]:
            torch.cuda.set_rng_state(state["cuda"][0].cpu())
        name, keys, position, has_gauss, cached = state["numpy"]
        np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
        version, internal, gauss = state["python"]
        random.setstate((version, tuple(internal), gauss))
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        raise CheckpointError(f"the random state is damaged ({_first_line(error)}): resume an earlier one") from error


def plain_info(info: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values among a message hub's; mmengine's own form of it needs unsafe classes to load."""
    return {key: value for key, value in info.items() if is_plain(value)}


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
