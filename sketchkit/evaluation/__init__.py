"""Images -> numbers."""

from sketchkit.evaluation.held_out import HeldOutMetric

__all__ = ["HeldOutMetric"]
