"""Images -> numbers."""

from sketchkit.evaluation.validation import CycleValidation, PairedValidation

__all__ = ["CycleValidation", "PairedValidation"]
