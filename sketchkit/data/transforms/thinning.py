"""Edge maps made to look like sketches: lines one pixel wide, without specks and spurs."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch

from sketchkit.data.drawings.thinning import drop_small, prune, thin
from sketchkit.data.transforms.sample import as_picture, require
from sketchkit.declared import Range, Whole
from sketchkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ThinLines:
    """Thins the lines of `source`, black on white, and drops what is no stroke (SketchyGAN, section 3.1).

    Binarise, thin, drop components, prune: the order of the published code, which does so with the edges that a network
    finds in photos, and prunes by a pixel.

    Args:
        threshold: what is darker is ink.
        smallest: components of fewer pixels are dropped.
        spur: branches of up to so many pixels, between an end and a fork, are pruned.
    """

    def __init__(self, threshold: Annotated[int, Range(0, 256)] = 128, smallest: Whole = 5, spur: Whole = 4) -> None:
        self.threshold, self.smallest, self.spur = threshold, smallest, spur

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """The sample with its `source` (3, H, W) of 0 on lines and 255 beside them.

        Raises:
            ConfigError: the sample has no source.
        """
        require(sample, "source", "ThinLines")
        drawn = sample["source"].float().mean(0).lt(self.threshold).numpy().astype(np.uint8)
        lines = prune(drop_small(thin(drawn), self.smallest), self.spur)
        pixels = torch.from_numpy(255 * (1 - lines)).expand(3, -1, -1).contiguous()
        return {**sample, "source": as_picture(pixels)}
