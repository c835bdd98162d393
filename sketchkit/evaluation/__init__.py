"""Images -> numbers."""

from sketchkit.evaluation.held_out import CycleMetric, HeldOutMetric

__all__ = ["CycleMetric", "HeldOutMetric"]
