"""Sample sets: small data sets drawn from nothing, so that a first training needs no download."""

from sketchkit.data.sample.writer import write_sample, write_sketchy_sample

__all__ = ["write_sample", "write_sketchy_sample"]
