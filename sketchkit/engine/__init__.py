"""Around the loop: config, optimisers, checkpoints, the watchdog, pictures and records."""

from sketchkit.engine import hooks, loop, optim, runner

__all__ = ["hooks", "loop", "optim", "runner"]
