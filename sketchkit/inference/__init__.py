"""A run folder -> a translator one can call."""

from sketchkit.inference.trained import TrainedTranslator

__all__ = ["TrainedTranslator"]
