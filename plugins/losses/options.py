"""What a caller may ask of a loss, checked with one line of explanation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from sketchkit.options import one_of

T = TypeVar("T")


def _euclidean(a: Tensor, b: Tensor, reduction: str = "mean") -> Tensor:
    """||a - b||_2 over all numbers, as written ('sum'), or over the root of their count ('mean')."""
    # The norm of the rows' norms: on a CPU one norm over millions of float32 is 1e-3 too small.
    distance = torch.linalg.vector_norm(torch.linalg.vector_norm(a - b, dim=-1))
    return distance if reduction == "sum" else distance / a.numel() ** 0.5


DISTANCES: Mapping[str, Callable[..., Tensor]] = {"l1": F.l1_loss, "l2": F.mse_loss, "euclidean": _euclidean}
REDUCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"mean": Tensor.mean, "sum": Tensor.sum}


def single(x: Tensor) -> Tensor:
    """x in float32 at least, whatever autocast has made of it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def mean(values: Sequence[Tensor]) -> Tensor:
    """The mean of scalars; of one it is that one."""
    return values[0] if len(values) == 1 else torch.stack(list(values)).mean()


def choose(option: str, value: str, choices: Mapping[str, T]) -> T:
    """What `value` stands for.

    Raises:
        ConfigError: it is not among the choices; names the closest one.
    """
    one_of(option, value, choices)
    return choices[value]
