"""Networks built without drawing their weights: for their shapes alone, or where a checkpoint's take their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

# By name, as they are wrapped anew for every version of torch.
_DRAWN = frozenset({"normal_", "uniform_", "trunc_normal_", "xavier_normal_", "xavier_uniform_", "kaiming_normal_",
                    "kaiming_uniform_", "orthogonal_"})  # fmt: skip
_FUNCTIONS = frozenset(
    [getattr(init, name) for name in _DRAWN if hasattr(init, name)] + [Tensor.normal_, Tensor.uniform_]
)


@contextmanager
def undrawn() -> Iterator[None]:
    """In this context parameters, and tensors on 'meta', are not drawn at random: they hold whatever is in memory."""
    with _Undrawn():
        yield


@contextmanager
def shapes_alone() -> Iterator[None]:
    """In this context modules are built on 'meta', without memory.

    torch's own way of drawing there imports its compiler, which takes as long as torch itself.
    """
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _FUNCTIONS:
            tensor = args[0] if args else kwargs["tensor"]
            if isinstance(tensor, nn.Parameter) or tensor.is_meta:
                return tensor
        return func(*args, **kwargs)
