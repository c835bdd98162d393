"""Files to samples: data sets, transforms and samplers; importing it registers them."""

from sketchkit.data import samplers, sketchy, transforms

__all__ = ["samplers", "sketchy", "transforms"]
