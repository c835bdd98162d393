"""Transforms of a sample; importing it registers them."""

from sketchkit.data.transforms import build, geometry, hints, lines, sketch, thinning

__all__ = ["build", "geometry", "hints", "lines", "sketch", "thinning"]
