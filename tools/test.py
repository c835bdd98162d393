"""Measure a checkpoint: `python tools/test.py CONFIG CHECKPOINT`; the same door as `sketchkit eval CHECKPOINT`."""

from __future__ import annotations

import sys
from pathlib import Path

# A bare checkout works without being installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sketchkit.cli import run
from sketchkit.cli.eval import command

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if "--help" not in arguments and (len(arguments) < 2 or any(word.startswith("-") for word in arguments[:2])):
        print("usage: test.py CONFIG CHECKPOINT [options of `sketchkit eval`]", file=sys.stderr)
        sys.exit(2)
    # CONFIG comes first here, and is an option there.
    run(command, ["--config", *arguments] if "--help" not in arguments else arguments, "test.py")
