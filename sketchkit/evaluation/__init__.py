"""Images -> numbers; importing it registers what a validation measures."""

from sketchkit.evaluation.validation import Validation

__all__ = ["Validation"]
