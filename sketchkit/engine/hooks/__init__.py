"""What happens around the loop: progress, the run folder's record, pictures, the watchdog."""

from sketchkit.engine.hooks.checkpoint import SafeCheckpointHook
from sketchkit.engine.hooks.early_stopping import StopEarlyHook
from sketchkit.engine.hooks.grids import SampleGridHook
from sketchkit.engine.hooks.progress import ProgressHook
from sketchkit.engine.hooks.record import RunRecordHook, RuntimeHook
from sketchkit.engine.hooks.watchdog import WatchdogHook

__all__ = [
    "ProgressHook",
    "RunRecordHook",
    "RuntimeHook",
    "SafeCheckpointHook",
    "SampleGridHook",
    "StopEarlyHook",
    "WatchdogHook",
]
