"""Around the loop: optimizers, checkpoints, the watchdog, pictures and records; importing it registers them."""

from sketchkit.engine import hooks, loop, optimizers, runner

__all__ = ["hooks", "loop", "optimizers", "runner"]
