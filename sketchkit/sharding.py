"""mmengine without its sharded optimizer, which is 1.2 of the 5 seconds that a translation would take to start.

`mmengine.optim`, which every model of mmengine imports, asks torch for ZeroRedundancyOptimizer, and with it come FSDP
and the compiler. Where that cannot be imported, mmengine goes without: so it does here, until there is a training.
"""

from __future__ import annotations

import importlib
import sys

SHARDED = "mmengine.optim.optimizer.zero_optimizer"
_ASKED_FOR = "torch.distributed.optim"


def leave_out() -> None:
    """Import `mmengine.optim` without the sharded optimizer, unless it is imported already."""
    if SHARDED in sys.modules or _ASKED_FOR in sys.modules:
        return
    sys.modules[_ASKED_FOR] = None  # type: ignore[assignment]  # what makes importing it an ImportError
    try:
        importlib.import_module("mmengine.optim")
    finally:
        del sys.modules[_ASKED_FOR]


def bring_back() -> None:
    """Have what `leave_out` has left out; nothing where it was not called."""
    module = sys.modules.get(SHARDED)
    if module is not None and module._ZeroRedundancyOptimizer is object:
        module.OPTIMIZERS.module_dict.pop("ZeroRedundancyOptimizer")
        importlib.reload(module)
