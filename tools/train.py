"""Train a translator: `python tools/train.py CONFIG`; the same door as `sketchkit train`."""

from __future__ import annotations

import sys
from pathlib import Path

# A bare checkout works without being installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sketchkit.cli import run
from sketchkit.cli.train import command

if __name__ == "__main__":
    run(command, None, "train.py")
