"""What every translator shares: the contract, objectives, padding, preprocessing."""

from sketchkit.translators.lab import LabPreprocessor
from sketchkit.translators.objective import INPUTS, Objective, StepInputs
from sketchkit.translators.preprocessing import TranslationPreprocessor

__all__ = ["INPUTS", "LabPreprocessor", "Objective", "StepInputs", "TranslationPreprocessor"]
