"""How trained networks translate: whose statistics their norms take, and whether dropout drops."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from sketchkit.errors import ConfigError, DataError
from sketchkit.options import one_of

TestNorm: TypeAlias = Literal["running", "batch"]


@dataclass(frozen=True)
class InferenceProtocol:
    """What norms and dropout do outside of training, whatever the networks are made of.

    It reaches `torch.nn.functional.batch_norm`, `instance_norm` and `dropout`, and with them the layers of torch that
    call these, without changing a network: several threads may use one under different protocols.

    Attributes:
        norm: 'running' statistics, or those of the 'batch', which is one picture: each is normalized by its own mean
            and variance, as in train mode at batch 1, whatever is translated beside it.
        dropout: whether dropout drops, by masks that depend on the sample's name and the number of the draw alone.

    Raises:
        ConfigError: a norm of another name, or what is neither True nor False.
    """

    norm: TestNorm = "running"
    dropout: bool = False

    def __post_init__(self) -> None:
        one_of("test_norm", self.norm, get_args(TestNorm))
        if not isinstance(self.dropout, bool):
            raise ConfigError(f"test_dropout={self.dropout!r}: give True or False")

    @property
    def is_plain(self) -> bool:
        """Whether networks in eval mode do all of it by themselves."""
        return self == InferenceProtocol()

    def drops_in(self, network: nn.Module) -> bool:
        """Whether a network's pictures differ from draw to draw by its dropout."""
        return self.dropout and has_dropout(network)

    def followed(self, count: int, names: Sequence[str] | None = None) -> AbstractContextManager[Any]:
        """In this context networks in eval mode translate a batch as the protocol says.

        Args:
            count: samples in the batch.
            names: of the draw of each sample; None draws masks from torch's own generator.
        """
        if self.is_plain:
            return nullcontext()
        return _Followed(self, count, [seeded(f"{name}#dropout") for name in names] if names is not None else None)

    def about(self) -> dict[str, Any]:
        """What is kept with a score."""
        return {"test_norm": self.norm, "test_dropout": self.dropout, "test_batch": 1}


def has_dropout(network: nn.Module) -> bool:
    """Whether a network has layers that drop something in training."""
    return any(isinstance(layer, _DropoutNd) and layer.p > 0 for layer in network.modules())


def protocol_of(translator: Mapping[str, Any]) -> InferenceProtocol:
    """The protocol that a translator's config names."""
    options = {"norm": "test_norm", "dropout": "test_dropout"}
    return InferenceProtocol(**{name: translator[key] for name, key in options.items() if key in translator})


def in_words(about: Mapping[str, Any]) -> str:
    """A protocol for people, as `InferenceProtocol.about` keeps it."""
    return f"{about['test_norm']} statistics, dropout {'on' if about['test_dropout'] else 'off'}"


def seeded(name: str) -> torch.Generator:
    """A generator on the CPU whose numbers depend on a name alone."""
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


class _Followed(TorchFunctionMode):
    """Calls others in place of torch's norms and dropout, in this thread and for as long as it is entered."""

    def __init__(self, protocol: InferenceProtocol, count: int, generators: Sequence[torch.Generator] | None) -> None:
        super().__init__()
        self._count = count
        self._generators = [None] * count if generators is None else generators
        self._calls: dict[Any, Callable[..., Tensor]] = {}
        if protocol.norm == "batch":
            self._calls |= {F.batch_norm: self._normalize, F.instance_norm: self._normalize}
        if protocol.dropout:
            channels = (F.dropout1d, F.dropout2d, F.dropout3d)
            self._calls[F.dropout] = self._drop
            self._calls |= {call: partial(self._drop, whole_channels=True) for call in channels}
            self._calls |= dict.fromkeys((F.alpha_dropout, F.feature_alpha_dropout), _refuse_alpha)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._calls.get(func, func)(*args, **(kwargs or {}))

    def _normalize(
        self, input: Tensor, *running: Any, weight: Tensor | None, bias: Tensor | None, eps: float, **others: Any
    ) -> Tensor:
        """Each sample of a batch as a batch norm would have it alone."""
        self._check_count(input)
        if input[0, 0].numel() == 1:
            raise DataError(
                f"a norm sees one number a channel, in maps of {tuple(input.shape[1:])}, and a picture by itself has "
                "no variance there: use test_norm='running' (--test-norm running), or work at a larger size (--size) "
                "where that makes larger maps"
            )
        return F.instance_norm(input, weight=weight, bias=bias, eps=eps)

    def _drop(
        self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, whole_channels: bool = False
    ) -> Tensor:
        self._check_count(input)
        if p == 0:
            return input
        shape = (input.shape[1], *[1] * (input.dim() - 2)) if whole_channels else input.shape[1:]
        kept = [torch.empty(shape).bernoulli_(1 - p, generator=one) for one in self._generators]
        mask = torch.stack(kept).div_(1 - p or 1).to(input)
        return input.mul_(mask) if inplace else input * mask

    def _check_count(self, input: Tensor) -> None:
        if len(input) != self._count:
            raise ConfigError(
                f"a layer sees {len(input)} samples where there are {self._count} pictures: its network works with "
                "test_norm='running' and test_dropout=False alone"
            )


def _refuse_alpha(*args: Any, **options: Any) -> Tensor:
    raise ConfigError("test_dropout=True knows no alpha dropout: use torch.nn.Dropout, or test_dropout=False")
