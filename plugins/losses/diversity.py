"""Diversity: pictures from different noise should differ (Chen & Hays, CVPR 2018, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from sketchkit.registry import LOSSES

from .options import choose


def _euclidean(move: Tensor) -> Tensor:
    return (
        torch.linalg.vector_norm(move, dim=1).flatten(1)
        if move.ndim > 2
        else torch.linalg.vector_norm(move, dim=1, keepdim=True)
    )


def _root_mean_square(move: Tensor) -> Tensor:
    return move.flatten(1).square().mean(1, keepdim=True).sqrt()


NOISE_DISTANCES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "euclidean": _euclidean,
    "root_mean_square": _root_mean_square,
}


@LOSSES.register_module()
class DiversityLoss(nn.Module):
    """-mean over the batch of |G(x, z1) - G(x, z2)| / ||z1 - z2||: the generator's slope in its noise, negated.

    The change of the picture is the mean over its numbers. The distance of the noises is, by `noise_distance`:

    - 'euclidean': as both published codes have it. Of a vector (B, N) the norm over its N numbers (SketchyGAN: 256
      numbers, typically 22.6 apart, weight 10); of a map (B, C, h, w) the norm over the channels at each place, and
      the mean of 1 / norm over the places (Sketch2Img: 512 channels, typically 32, weight 1).
    - 'root_mean_square': over all numbers of the noise, typically 1.4 apart whatever their count. Weight w of
      'euclidean' is w / sqrt(N) of this one: 10 is 0.62 and 1 is 0.044 in the two networks.

    Keep weight / distance below the weight of the pixel term, which charges a change by its mean as well: beyond that
    the two together are least where the pictures are as different as can be, whatever the sketch.

    Raises:
        ConfigError: an option that is not a choice.
    """

    def __init__(self, noise_distance: str = "euclidean") -> None:
        super().__init__()
        self.distance = choose("noise_distance", noise_distance, NOISE_DISTANCES)

    def forward(self, fake: Tensor, fake_alt: Tensor, noise: Tensor, noise_alt: Tensor) -> Tensor:
        """fake and fake_alt (B, C, H, W) from noise and noise_alt (B, ...); a scalar, never positive."""
        change = (fake - fake_alt).abs().flatten(1).mean(1)
        distance = self.distance(noise - noise_alt).clamp_min(1e-8)
        return -(change * distance.reciprocal().mean(1)).mean()
