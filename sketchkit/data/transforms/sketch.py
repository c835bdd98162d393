"""What a sketch becomes before a network sees it: white lines on black, or the distance to the nearest line."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
import torch
from torch import Tensor

from sketchkit.data.transforms.sample import Sample, like
from sketchkit.declared import Range
from sketchkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class InvertSketch:
    """White lines on black: source = 255 - source. Comes first, so that a black fill later on adds no line."""

    for_use = ("source",)

    def __call__(self, sample: Sample) -> Sample:
        """The sample with its `source` inverted."""
        return {**sample, "source": like(sample["source"].bitwise_not(), sample["source"])}


@TRANSFORMS.register_module()
class DistanceField:
    """The sketch as Euclidean distance to the nearest ink, over the image's maximum (SketchyGAN, section 3.2).

    Takes black ink on white, before InvertSketch and best before Resize, which thins lines to grey: a pixel is ink when
    it is darker than `threshold`. Gives 0 on ink to 255 farthest from it; a blank sketch, as far as can be, is all 255.
    """

    for_use = ("source",)

    def __init__(self, threshold: Annotated[int, Range(0, 256)] = 128) -> None:
        self.threshold = threshold

    def __call__(self, sample: Sample) -> Sample:
        """The sample with its `source` as a distance field, (3, H, W) uint8."""
        return {**sample, "source": like(self._field(sample["source"]), sample["source"])}

    def _field(self, sketch: Tensor) -> Tensor:
        paper = sketch.float().mean(0).ge(self.threshold).numpy().astype(np.uint8)
        if paper.all():
            return torch.full_like(sketch, 255)
        # The last bit of OpenCV's roots depends on where the picture lies in memory: squares of distances are whole.
        squared = np.rint(np.square(cv2.distanceTransform(paper, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), dtype=np.float64))
        distance = np.sqrt(squared)
        field = np.rint(255 * distance / max(distance.max(), 1)).astype(np.uint8)
        return torch.from_numpy(field).expand(3, -1, -1).contiguous()
