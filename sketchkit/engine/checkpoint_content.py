"""What a checkpoint must hold, key by key, and the digest that tells whether its tensors are those that were saved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sketchkit.errors import CheckpointError
from sketchkit.files import parse_json

DEEPEST = 12
MOST_VALUES = 5_000_000
KEPT = "keep_ckpt_ids"  # mmengine's name, in `runtime_info`, for the iterations whose checkpoints are kept


def check_content(content: Mapping[Any, Any], path: Path, resuming: bool = False) -> None:
    """Refuse what is no whole checkpoint.

    Args:
        resuming: whether it must hold also what only a resumed run needs.

    Raises:
        CheckpointError: names the file, the key and what is wrong with it.
    """
    odd = [key for key in content if not isinstance(key, str)]
    if odd:
        raise CheckpointError(f"{path} is damaged: it has a key {odd[0]!r:.60}, which is no word")
    for key, check in NEEDED.items():
        if key not in content:
            raise CheckpointError(f"{path} is damaged: it has no '{key}'")
        _refuse(path, key, check(content[key]))
    parse_json(content["config"], f"the config in {path}", error=CheckpointError)
    for key, check in FOR_RESUMING.items():
        if key in content:
            _refuse(path, key, check(content[key]))
        elif resuming:
            raise CheckpointError(f"{path} has no '{key}': it can be translated with, not resumed")
    for where, value in _values(content, path):
        _refuse(path, where, _not_plain(value))
    if not is_finite(content["model"]):
        raise CheckpointError(
            f"{path} holds weights that are not finite (NaN or infinite): take an earlier checkpoint, or train again"
        )
    if digest(content, path) != content["digest"]:
        raise CheckpointError(f"{path} is damaged: its tensors are not those that were saved (their digest differs)")


def digest(content: Mapping[str, Any], path: Path | str = "a checkpoint") -> str:
    """SHA-256, in hex, over every tensor: where it is, its type and shape, its values."""
    tensors = sorted((where, value) for where, value in _values(content, path) if isinstance(value, Tensor))
    whole = hashlib.sha256()
    for where, tensor in tensors:
        whole.update(f"{where} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        whole.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def is_finite(state: Mapping[str, Any]) -> bool:
    """Whether every floating-point tensor of a state dict is finite."""
    tensors = [v for v in state.values() if isinstance(v, Tensor) and v.is_floating_point()]
    # One wait for the device, not one a tensor.
    return not tensors or bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())


def is_plain(value: Any) -> bool:
    """Whether it is a number, a word, None, or a list of such."""
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, str | int | float | bool)


def _refuse(path: Path, where: str, reason: str | None) -> None:
    if reason:
        raise CheckpointError(f"{path} is damaged: its '{where}' is {reason}")


def _values(value: Any, path: Path | str) -> Iterator[tuple[str, Any]]:
    """Every value that holds no others, with the words of the way to it."""
    left, todo = MOST_VALUES, [("", value, 0)]
    while todo:
        where, one, depth = todo.pop()
        left -= 1
        if depth > DEEPEST or left < 0:
            raise CheckpointError(f"{path} is damaged: its '{where[:60]}' is nested without end")
        if isinstance(one, Mapping):
            todo += [(f"{where}.{key}".lstrip("."), item, depth + 1) for key, item in one.items()]
        elif isinstance(one, list | tuple):
            todo += [(f"{where}.{i}", item, depth + 1) for i, item in enumerate(one)]
        else:
            yield where, one


def _not_plain(value: Any) -> str | None:
    if isinstance(value, Tensor):
        return _not_dense(value)
    return None if is_plain(value) else f"a {type(value).__name__}"


def _not_dense(tensor: Tensor) -> str | None:
    if tensor.layout is not torch.strided:
        return "a sparse tensor"
    for is_so, kind in ((tensor.is_quantized, "quantised"), (tensor.is_meta, "empty (meta)"),
                        (tensor.is_complex(), "complex")):  # fmt: skip
        if is_so:
            return f"a tensor that is {kind}"
    # A view that repeats a few numbers would fill the memory as soon as it is used.
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"a tensor of shape {tuple(tensor.shape)} with fewer numbers than that"
    return None


def _is(kind: type, name: str) -> Callable[[Any], str | None]:
    return lambda value: None if isinstance(value, kind) else f"a {type(value).__name__} and no {name}"


def _not_count(value: Any) -> str | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return None if is_count else f"{value!r:.60} and no count of iterations"


def _not_words(value: Any) -> str | None:
    return None if isinstance(value, list) and all(isinstance(one, str) for one in value) else "no list of names"


def _not_model(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not value:
        return "no table of tensors"
    # `_extra_state` is what a module of torch may keep besides.
    bad = [key for key, one in value.items() if not isinstance(key, str) or not _may_be_weight(key, one)]
    return f"no table of tensors ({bad[0]!r:.60} is none)" if bad else None


def _may_be_weight(key: str, value: Any) -> bool:
    return isinstance(value, Tensor) or key.endswith("_extra_state")


def _not_info(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return "no table of names"
    kept = value.get(KEPT, [])
    # They name files that a run removes.
    return None if isinstance(kept, list) and not any(map(_not_count, kept)) else "no list of iterations"


def _not_states(value: Any) -> str | None:
    if not isinstance(value, list) or not value:
        return "no list of a state a process"
    for one in value:
        if not isinstance(one, Mapping) or not {*STATES} <= one.keys():
            return f"no list of states with {', '.join(STATES)}"
        if bad := [key for key, kind in STATES.items() if not isinstance(one[key], kind)]:
            return f"damaged at {bad[0]}"
    return None


STATES = {"torch": Tensor, "cuda": list, "numpy": list, "python": list, "model": Mapping, "hooks": Mapping}
NEEDED: dict[str, Callable[[Any], str | None]] = {
    "iter": _not_count, "config": _is(str, "text"), "classes": _not_words, "model": _not_model,
    "digest": _is(str, "text"),
}  # fmt: skip
FOR_RESUMING: dict[str, Callable[[Any], str | None]] = {
    "validated": _is(bool, "truth value"), "optimizers": _is(Mapping, "table"), "schedulers": _is(Mapping, "table"),
    "runtime_info": _not_info, "random_states": _not_states,
}  # fmt: skip
