"""Samples -> images and losses."""

from sketchkit.translators.conditional import ConditionalTranslator
from sketchkit.translators.objective import INPUTS, Objective, StepInputs
from sketchkit.translators.preprocessor import TranslationPreprocessor

__all__ = ["INPUTS", "ConditionalTranslator", "Objective", "StepInputs", "TranslationPreprocessor"]
