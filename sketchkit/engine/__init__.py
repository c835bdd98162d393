"""Around the loop: optimizers, checkpoints, the watchdog, pictures and records."""
