"""Samples -> images and losses."""

from sketchkit.translators.conditional import ConditionalTranslator
from sketchkit.translators.cycle import CycleTranslator
from sketchkit.translators.lab import LabPreprocessor
from sketchkit.translators.objective import INPUTS, Objective, StepInputs
from sketchkit.translators.preprocessor import TranslationPreprocessor
from sketchkit.translators.style import StyleTranslator

__all__ = [
    "INPUTS",
    "ConditionalTranslator",
    "CycleTranslator",
    "LabPreprocessor",
    "Objective",
    "StepInputs",
    "StyleTranslator",
    "TranslationPreprocessor",
]
