"""Files to samples: data sets, transforms and samplers; importing it registers them."""

from sketchkit.data import base, datasets, samplers, transforms

__all__ = ["base", "datasets", "samplers", "transforms"]
