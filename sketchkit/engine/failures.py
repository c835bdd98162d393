"""What ends a training unforeseen: a line for the screen, the traceback for a file."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process

from sketchkit.engine.hooks.progress import SCALARS, read_scalars
from sketchkit.errors import ConfigError, SketchkitError, TrainingStopped

FILE = "failure.txt"


@contextmanager
def leaving_nothing(folder: Path) -> Iterator[None]:
    """A run that is refused before it has anything to show leaves no folder where there was none."""
    is_new = not folder.exists()
    try:
        yield
    except ConfigError:
        worth = [*folder.glob("*.pth"), *folder.glob(f"*/{FILE}"), *read_scalars(folder / SCALARS)]
        if is_new and not worth and is_main_process():
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def reported(runner: Any) -> Iterator[None]:
    """Say in a line what fails while the runner trains: parts of a config that do not go together, or a plugin.

    Raises:
        ConfigError: it failed before its first iteration was done.
        TrainingStopped: it failed later.
    """
    start = runner.iter
    try:
        yield
    except (SketchkitError, OSError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        file = Path(runner.log_dir) / FILE
        file.write_text(traceback.format_exc())
        kind = ConfigError if runner.iter == start else TrainingStopped
        reason = " ".join(str(error).split())[:400]
        raise kind(
            f"training failed in iteration {runner.iter + 1}: {type(error).__name__}: {reason}; the whole is in {file}"
        ) from error
    finally:
        # Its threads would write into a folder that may be gone.
        runner.visualizer.close()
