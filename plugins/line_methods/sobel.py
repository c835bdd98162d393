"""The length of the gradient: soft pencil lines."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sketchkit.registry import LINE_METHODS

from .parts import blur, check_limits


@LINE_METHODS.register_module(name="sobel")
@dataclass(frozen=True)
class Sobel:
    """Soft pencil lines: 1 - gain * length of the Sobel gradient after a blur (none with sigma=0).

    The length is scikit-image's, sqrt((x^2 + y^2) / 2) with weights that sum to 1: a step from black to white has 0.71.
    """

    sigma: float = 1.0
    gain: float = 4.0

    def __post_init__(self) -> None:
        check_limits(self, sigma=(0, 100), gain=(0.01, 1000))

    def __call__(self, gray: Tensor) -> Tensor:
        """(B, 1, H, W) in [0, 1] -> lines of the same shape, 0 is ink."""
        from kornia.filters import sobel

        # kornia's weights sum to 1/2. Its epsilon lies under the root, which nothing is differentiated through here.
        length = sobel(blur(gray, self.sigma), eps=1e-12) * 2**0.5
        return (1 - self.gain * length).clamp(0, 1)
