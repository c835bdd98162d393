"""Pretrained weights: which file, where to find it, whether it is the right one, and loading it.

Places, in order: the path a config gives, the folder in SKETCHKIT_WEIGHTS, the torch hub's `checkpoints`, the net
(unless SKETCHKIT_OFFLINE=1). Published files carry their sha256 in their name; we compare it wherever the file lies,
as torch's own check looks at fresh downloads only.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import pickle
import re
import shutil
import textwrap
import urllib.request
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from sketchkit.errors import ConfigError, WeightsError
from sketchkit.options import did_you_mean

TIMEOUT = 10.0  # seconds of silence before the net counts as absent
TIMM = "timm:"
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")


@dataclass(frozen=True)
class WeightsFile:
    """One published file.

    names: the file names it goes by, the first for downloads; none where nothing is published. size in bytes and
    sha256 of that one, where published.
    """

    url: str
    names: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None

    def digest(self, name: str) -> str:
        """How the sha256 of the file called `name` has to start; empty when nothing is known."""
        found = _HASH_IN_NAME.search(name)
        return self.sha256 or (found.group(1) if found else "")


KNOWN = {
    # The older file, of the network's first port to PyTorch, has the same keys and one class more (the background).
    "inception_v4": WeightsFile(
        "https://huggingface.co/timm/inception_v4.tf_in1k/resolve/main/model.safetensors",
        ("inception_v4.tf_in1k.safetensors", "inceptionv4-8e4777a0.pth"),
    ),
    "inception_fid": WeightsFile(
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth"),
        size=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
}


def known_file(name: str) -> WeightsFile:
    """The published file of network `name`: one of `KNOWN`, a torchvision classifier, or `timm:NAME`.

    Raises:
        ConfigError: no such network.
    """
    if name in KNOWN:
        return KNOWN[name]
    return _timm_file(name.removeprefix(TIMM)) if name.startswith(TIMM) else _torchvision_file(name)


def resolve_weights(name: str, path: str | Path | None = None, offline: bool | None = None) -> Path:
    """The verified file with the weights of network `name`, downloaded when it must be.

    Args:
        name: see `known_file`.
        path: a file of the user's own; no other place is tried.
        offline: never download; None asks the environment variable SKETCHKIT_OFFLINE.

    Raises:
        WeightsError: no file can be had, or the one found is not what its name says.
    """
    known = known_file(name)
    if path is not None:
        return _given(Path(path).expanduser(), name, known)
    if not known.names:
        raise WeightsError(f"nobody publishes weights of {name}: give the path of a file")
    folders = search_folders()
    for file in (folder / filename for folder in folders for filename in known.names):
        if file.is_file():
            return _verify(file, file.name, known)
    if offline if offline is not None else os.environ.get("SKETCHKIT_OFFLINE", "0") not in ("", "0"):
        raise _missing(name, known, folders, "downloads are off")
    try:
        return _download(known, folders[-1])
    except (OSError, http.client.HTTPException) as error:
        raise _missing(name, known, folders, f"the download failed ({error})") from error


def search_folders() -> list[Path]:
    """Where files are looked for, in order; downloads go to the last."""
    own = os.environ.get("SKETCHKIT_WEIGHTS")
    return [*([Path(own).expanduser()] if own else []), Path(torch.hub.get_dir()) / "checkpoints"]


def file_digest(path: Path) -> str:
    """The sha256 of a file, in hex; it is read once as long as its size and time of change stay the same."""
    state = path.stat()
    return _digest(path.resolve(), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors in a .safetensors file or a PyTorch state dict, on the CPU; nothing else is ever unpickled.

    Raises:
        WeightsError: the file is damaged, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path} is damaged, or holds more than tensors and could run code: refused") from error
    except Exception as error:  # every reader has its own
        raise WeightsError(f"{path} is damaged or cut short ({type(error).__name__}): delete it") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} is not a state dict of named tensors: save the network's state_dict() alone")
    return dict(state)


def load_weights(
    module: nn.Module, name: str, path: str | Path | None = None, offline: bool | None = None, prefix: str = ""
) -> Path:
    """Load the weights of network `name` into `module`, strictly, and say from which file.

    Args:
        name, path, offline: see `resolve_weights`.
        prefix: take only the tensors whose names start so, and cut that off: 'features.' leaves a classifier aside.

    Raises:
        WeightsError: as `resolve_weights`, or the file does not fit; says which tensors.
    """
    file = resolve_weights(name, path, offline)
    state = {key.removeprefix(prefix): value for key, value in read_tensors(file).items() if key.startswith(prefix)}
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        problem = textwrap.shorten(str(error).partition(":\n")[2], 300)
        raise WeightsError(f"{file} does not fit {name}: {problem}") from error
    return file


def _torchvision_file(name: str) -> WeightsFile:
    from torchvision import models

    available = models.list_models(module=models)
    if name not in available:
        raise ConfigError(f"no network is named '{name}': {did_you_mean(name, [*available, *KNOWN])}")
    published = models.get_model_weights(name).DEFAULT
    size = round(published.meta["_file_size"] * 2**20)
    return WeightsFile(published.url, (published.url.rpartition("/")[2],), size)


def _timm_file(name: str) -> WeightsFile:
    import timm

    if not timm.is_model(name):
        raise ConfigError(f"timm has no network named '{name}': {did_you_mean(name, timm.list_models())}")
    published = timm.get_pretrained_cfg(name)
    if published is not None and published.hf_hub_id:
        repository = published.hf_hub_id
        url = f"https://huggingface.co/{repository}/resolve/main/model.safetensors"
        return WeightsFile(url, (f"{repository.rpartition('/')[2]}.safetensors",))
    if published is not None and published.url:
        return WeightsFile(published.url, (published.url.rpartition("/")[2],))
    return WeightsFile("", ())


def _given(path: Path, name: str, known: WeightsFile) -> Path:
    if not path.is_file():
        raise WeightsError(f"no weights of {name} at {path}: check the path")
    # A file by another name is the user's own, and makes no claim to be the published one.
    return _verify(path, path.name, known) if path.name in known.names else path


def _verify(file: Path, name: str, known: WeightsFile) -> Path:
    expected = known.digest(name)
    if not expected:
        return file
    digest = file_digest(file)
    if not digest.startswith(expected):
        raise WeightsError(
            f"{file} ({file.stat().st_size} bytes) is not {name}: its sha256 starts with {digest[:8]}, not "
            f"{expected[:8]}: delete it, and get it again from {known.url}"
        )
    return file


def _download(known: WeightsFile, folder: Path) -> Path:
    """Write to a temporary name and rename, so that a half file never looks whole."""
    from rich.console import Console
    from rich.progress import wrap_file

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / known.names[0]
    part = folder / f"{target.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        with urllib.request.urlopen(known.url, timeout=TIMEOUT) as response, part.open("wb") as out:
            size = int(response.headers.get("Content-Length") or 0)
            bar = wrap_file(response, size or known.size or 0, description=target.name, console=Console(stderr=True))
            with bar as stream:
                shutil.copyfileobj(stream, out)
        if size and part.stat().st_size != size:
            raise OSError(f"{part.stat().st_size} of {size} bytes came")
        _verify(part, target.name, known)
        return part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _missing(name: str, known: WeightsFile, folders: list[Path], reason: str) -> WeightsError:
    files = " or ".join(known.names)
    facts = [f"{known.size / 2**20:.1f} MB" if known.size else "", f"sha256 {known.sha256}" if known.sha256 else ""]
    about = f" ({', '.join(filter(None, facts))})" if any(facts) else ""
    places = ", ".join(map(str, folders))
    command = f"curl -L --create-dirs -o {folders[0] / known.names[0]} {known.url}"
    return WeightsError(f"{name} needs {files}{about}: not in {places}, and {reason}; put it there with: {command}")
