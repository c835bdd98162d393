"""The extended difference of Gaussians: strokes of a width of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sketchkit.registry import LINE_METHODS

from .parts import blur, check_limits


@LINE_METHODS.register_module(name="xdog")
@dataclass(frozen=True)
class XDoG:
    """Extended difference of Gaussians (Winnemoeller, Kyprianidis, Olsen, Computers & Graphics 2012).

    D = G_sigma - gamma G_(k sigma); a pixel is 1 where D >= epsilon, else 1 + tanh(phi (D - epsilon)).

    A flat grey I has D = (1 - gamma) I: areas below epsilon / (1 - gamma), here 0.17, come out dark. So a thick black
    outline stays one line; an epsilon of 0 or less splits it into its two edges, a larger one fills shadows with ink.
    """

    sigma: float = 1.5
    k: float = 1.6
    gamma: float = 0.97
    phi: float = 200.0
    epsilon: float = 0.005

    def __post_init__(self) -> None:
        check_limits(self, sigma=(0.1, 100), k=(1.01, 10), gamma=(0, 2), phi=(0.1, 1e9), epsilon=(-1, 1))

    def __call__(self, gray: Tensor) -> Tensor:
        """(B, 1, H, W) in [0, 1] -> lines of the same shape, 0 is ink."""
        difference = blur(gray, self.sigma) - self.gamma * blur(gray, self.k * self.sigma)
        return 1 + torch.tanh(self.phi * (difference - self.epsilon).clamp(max=0))
