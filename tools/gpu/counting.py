"""What a step asks of a machine, what the machine can give, and how long it stood idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from tools.gpu.steps import Row, Setting
from tools.gpu.systems import precision

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


class Counter(TorchDispatchMode):
    """Adds up `flops` (a multiplication and an addition are two) and `bytes` of all operations within the block.

    Bytes are those of every operation's inputs and outputs once each: what a machine must move that fuses nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count it; extractors move nothing."""
        count = flop_registry.get(func.overloadpacket)
        if count is None:
            # Without gradients, operations arrive that are made of others.
            with self:
                result = func.decompose(*args, **(kwargs or {}))
            if result is not NotImplemented:
                return result
        result = func(*args, **(kwargs or {}))
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=result)
        if not func.is_view:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result


@dataclass(frozen=True)
class Ceilings:
    """The measured rates of a machine: operations a second by precision, and bytes a second."""

    flops: dict[str, float]
    bytes: float

    def floor(self, counter: Counter, kind: str) -> float:
        """The seconds that what was counted takes at the least: the larger of arithmetic and moving."""
        return max(counter.flops / self.flops[kind], counter.bytes / self.bytes)


def ceilings(setting: Setting) -> Ceilings:
    """Of a large product of matrices in each precision, and of a large copy, read and written bytes counted."""
    side, length = (256, 1 << 20) if setting.tiny else (8192, 1 << 30)
    rates = {}
    for kind, dtype in DTYPES.items():
        with precision(kind):
            one, other = (torch.randn(side, side, device=setting.device).to(dtype) for _ in range(2))
            rates[kind] = 2 * side**3 / seconds(partial(torch.matmul, one, other), setting.device)
    source = torch.rand(length // 4, device=setting.device)
    target = torch.empty_like(source)
    return Ceilings(rates, 2 * length / seconds(lambda: target.copy_(source), setting.device))


def measure_ceilings(setting: Setting) -> Iterator[Row]:
    """What the machine can give."""
    found = ceilings(setting)
    for kind, rate in found.flops.items():
        yield {"what": f"matrix product, {kind}", "rate": rate / 1e12, "unit": "TFLOP/s"}
    yield {"what": "copy on the device", "rate": found.bytes / 1e9, "unit": "GB/s"}


def seconds(call: Callable[[], Any], device: str, turns: int = 10, warm_up: int = 3) -> float:
    """The median of some calls, after those that warm up."""
    return median([timed(call, device) for _ in range(turns + warm_up)][warm_up:])


def unsound(values: Mapping[str, Tensor | float]) -> Row:
    """What the row of a timing says of what the call gave: nothing, or which values are not finite."""
    bad = [name for name, value in values.items() if not bool(torch.as_tensor(value).isfinite().all())]
    return {"note": f"not finite: {', '.join(bad)}"} if bad else {}


def timed(call: Callable[[], Any], device: str) -> float:
    """The seconds of one call, from an idle device to an idle one."""
    synchronize(device)
    started = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - started


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def idle_share(call: Callable[[], Any], device: str, turns: int = 3) -> float | None:
    """The share of the time in which the GPU ran nothing, from the profiler's record; None without a GPU."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    with profile(activities=activities) as record:
        for _ in range(turns):
            call()
        synchronize(device)
    on_gpu = (event for event in record.events() if event.device_type == torch.autograd.DeviceType.CUDA)
    # Names that programs give to stretches of their work are shown on the GPU too, and are no work.
    spans = [event.time_range for event in on_gpu if not event.is_user_annotation]
    return idle([(span.start, span.end) for span in spans])


def idle(spans: list[tuple[float, float]]) -> float | None:
    """The share of the time between the first start and the last end that no span covers."""
    if not spans:
        return None
    covered, reached = 0.0, min(start for start, _ in spans)
    first = reached
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return 1 - covered / (reached - first)


def peak_mib(call: Callable[[], Any], device: str, held: int) -> float | None:
    """The most memory that a call takes, in MiB, above `held` bytes; None without a GPU."""
    if device != "cuda":
        call()
        return None
    torch.cuda.reset_peak_memory_stats()
    call()
    return (torch.cuda.max_memory_allocated() - held) / 2**20
