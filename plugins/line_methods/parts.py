"""What line methods share."""

from __future__ import annotations

from torch import Tensor

from sketchkit.errors import ConfigError


def blur(gray: Tensor, sigma: float) -> Tensor:
    """A Gaussian cut off at four sigmas, as SciPy's."""
    from kornia.filters import gaussian_blur2d

    if sigma == 0:
        return gray
    return gaussian_blur2d(gray, 2 * int(4 * sigma + 0.5) + 1, (sigma, sigma), border_type="replicate")


def check_limits(drawer: object, **limits: tuple[float, float]) -> None:
    """Refuse an option of a method that is no number within its limits.

    Raises:
        ConfigError: names the method, the option and the limits.
    """
    for option, (low, high) in limits.items():
        value = getattr(drawer, option)
        if not (isinstance(value, int | float) and low <= value <= high):
            raise ConfigError(f"{type(drawer).__name__} has {option}={value!r}: give a number from {low:g} to {high:g}")
