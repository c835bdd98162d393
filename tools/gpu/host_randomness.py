"""Random numbers drawn on the CPU whatever the device, so that a step on a GPU sees those of the step on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
# Each makes a tensor from shapes and numbers alone.
FACTORIES = {aten.randn, aten.rand, aten.randint, aten.randperm}
# Each fills the tensor it is given, or one like it.
FILLERS = {aten.normal_, aten.uniform_, aten.bernoulli_, aten.random_}
LIKE = {aten.rand_like: aten.rand, aten.randn_like: aten.randn}


class HostRandomness(TorchDispatchMode):
    """Within the block every draw comes from torch's CPU generator, in the order and shape of a run on the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, those that draw on the CPU."""
        options, kind = dict(kwargs or {}), func.overloadpacket
        if kind in FACTORIES:
            device = options.pop("device", None)
            return func(*args, **{**options, "device": "cpu", "pin_memory": None}).to(device or "cpu")
        if kind in LIKE:
            return LIKE[kind](args[0].shape, dtype=options.get("dtype") or args[0].dtype).to(args[0].device)
        if kind in FILLERS:
            return args[0].copy_(func(torch.empty(args[0].shape, dtype=args[0].dtype), *args[1:], **options))
        if kind is aten.native_dropout:
            return _dropout(*args)
        if torch.Tag.nondeterministic_seeded in func.tags and kind is not aten.dropout:
            raise NotImplementedError(f"{func} draws random numbers in a way that is not known here")
        return func(*args, **options)


def _dropout(image: Tensor, probability: float, training: bool | None) -> tuple[Tensor, Tensor]:
    """The fused operation of a GPU, by the mask that the plain one of a CPU draws."""
    kept = torch.empty(image.shape, dtype=image.dtype).bernoulli_(1 - probability).to(image.device)
    return image * (kept / (1 - probability)), kept.bool()
