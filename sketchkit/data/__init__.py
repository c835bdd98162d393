"""Files to samples: data sets, transforms and samplers; importing it registers them."""

from sketchkit.data import color, files, hints, lines, pairs, samplers, sketchy, transforms, unpaired

__all__ = ["color", "files", "hints", "lines", "pairs", "samplers", "sketchy", "transforms", "unpaired"]
