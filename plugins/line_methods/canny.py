"""Canny's edges: lines of one pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sketchkit.errors import ConfigError
from sketchkit.registry import LINE_METHODS

from .parts import blur, check_limits


@LINE_METHODS.register_module(name="canny")
@dataclass(frozen=True)
class Canny:
    """Canny's edges, one pixel wide, after a blur (none with sigma=0).

    `low` and `high` are the thresholds of the hysteresis, on the length of the Sobel gradient with weights 1, 2, 1: a
    step from black to white has 4.
    """

    sigma: float = 1.5
    low: float = 0.2
    high: float = 0.4

    def __post_init__(self) -> None:
        check_limits(self, sigma=(0, 100), low=(1e-4, 6), high=(1e-4, 6))
        if self.low > self.high:
            raise ConfigError(f"Canny has low={self.low:g} above high={self.high:g}: give low the smaller one")

    def __call__(self, gray: Tensor) -> Tensor:
        """(B, 1, H, W) in [0, 1] -> 0 on edges, else 1."""
        from kornia.filters import canny

        blurred = blur(gray, self.sigma)
        _, edges = canny(blurred, self.low, self.high, kernel_size=(1, 1), hysteresis=False)  # 0, weak 0.5, strong 1
        return (~_grow(edges == 1, edges > 0)).to(gray.dtype)


def _grow(edges: Tensor, weak: Tensor) -> Tensor:
    """Hysteresis: the weak pixels that some way over weak ones joins to an edge. kornia's gives the same, slowly."""
    while True:
        before = edges
        for _ in range(16):  # comparing is what makes a GPU wait
            rows = F.pad(edges, (1, 1, 1, 1))
            rows = rows[..., :-2, :] | rows[..., 1:-1, :] | rows[..., 2:, :]
            edges = (rows[..., :-2] | rows[..., 1:-1] | rows[..., 2:]) & weak
        if torch.equal(before, edges):
            return edges
