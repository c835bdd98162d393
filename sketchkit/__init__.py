"""sketchkit: train, judge, draw with and extend image translators."""

__version__ = "0.1.0"
