"""Errors that a person reads: one line with what is wrong, where, and the mend."""

from __future__ import annotations


class SketchkitError(Exception):
    """Something failed while working; the command line prints it as one line and exits with `exit_code`."""

    exit_code = 1


class ConfigError(SketchkitError):
    """The call, or the config it names, is wrong."""

    exit_code = 2


class DataError(SketchkitError):
    """Files are missing, unreadable, or not laid out as expected."""


class WeightsError(SketchkitError):
    """Pretrained weights cannot be had, or are not what they claim to be."""


class CheckpointError(SketchkitError):
    """A checkpoint is damaged, unsafe, or belongs to another architecture."""


class ShortageError(SketchkitError):
    """Memory, or room on a disk, has run out."""


class PluginError(SketchkitError):
    """A plugin failed to load."""


class TrainingStopped(SketchkitError):
    """The watchdog ended a run that had gone wrong."""
