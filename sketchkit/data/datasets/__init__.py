"""Every data set; importing it registers them."""

from sketchkit.data.datasets import color, curriculum, edge_maps, pairs, sketchy, unpaired

__all__ = ["color", "curriculum", "edge_maps", "pairs", "sketchy", "unpaired"]
