"""mmengine's models without those that are sharded over machines, for quick starts.

`mmengine.model` imports FSDP and the sharded optimizer of torch, and with them torch's compiler: longer than all of
torch takes, for what a translation never needs. `leave_out` imports mmengine.model without; `bring_back` adds them,
which a training does first.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

OPTIMIZER = "mmengine.optim.optimizer.zero_optimizer"
SHARDED = "ZeroRedundancyOptimizer"
WRAPPER = "mmengine.model.wrappers.fully_sharded_distributed"
WRAPPED = "MMFullyShardedDataParallel"
_ASKED_FOR = "torch.distributed.optim"


def leave_out() -> None:
    """Import `mmengine.model` without what is sharded, unless it is imported already."""
    if any(name in sys.modules for name in (OPTIMIZER, WRAPPER, _ASKED_FOR)):
        return
    stand_in = ModuleType(WRAPPER)
    setattr(stand_in, WRAPPED, type(WRAPPED, (), {}))
    sys.modules[_ASKED_FOR] = None  # type: ignore[assignment]  # importing it fails, and mmengine goes without
    sys.modules[WRAPPER] = stand_in
    try:
        importlib.import_module("mmengine.model")
    finally:
        del sys.modules[_ASKED_FOR], sys.modules[WRAPPER]


def bring_back() -> None:
    """Import what `leave_out` has left out; nothing where it left out nothing."""
    optimizer = sys.modules.get(OPTIMIZER)
    if optimizer is not None and optimizer._ZeroRedundancyOptimizer is object:
        optimizer.OPTIMIZERS.module_dict.pop(SHARDED)
        importlib.reload(optimizer)
        for name in ("mmengine.optim.optimizer", "mmengine.optim"):
            setattr(sys.modules[name], SHARDED, getattr(optimizer, SHARDED))
    if "mmengine.model" in sys.modules and WRAPPER not in sys.modules:
        wrapper = getattr(importlib.import_module(WRAPPER), WRAPPED)
        for name in ("mmengine.model.wrappers", "mmengine.model"):
            setattr(sys.modules[name], WRAPPED, wrapper)
