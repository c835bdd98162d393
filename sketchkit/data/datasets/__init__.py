"""Every data set; importing it registers them."""

from sketchkit.data.datasets import color, pairs, sketchy, unpaired

__all__ = ["color", "pairs", "sketchy", "unpaired"]
