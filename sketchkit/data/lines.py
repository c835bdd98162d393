"""Line drawings made of pictures: XDoG, Canny and Sobel, and the transform that makes a sample's source of its target.

The defaults were chosen by eye on drawings and photos with a short side of 512 pixels. Lengths are in pixels; grey is
0.299 R + 0.587 G + 0.114 B; beyond its border a picture goes on as its last row or column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from kornia.color import rgb_to_grayscale
from kornia.filters import canny, gaussian_blur2d, sobel
from torch import Tensor
from torchvision import tv_tensors

from sketchkit.errors import ConfigError
from sketchkit.registry import TRANSFORMS, check_options, did_you_mean, one_of


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
        _check_limits(self, sigma=(0.1, 100), k=(1.01, 10), gamma=(0, 2), phi=(0.1, 1e9), epsilon=(-1, 1))

    def __call__(self, gray: Tensor) -> Tensor:
        """(B, 1, H, W) in [0, 1] -> lines of the same shape, 0 is ink."""
        difference = _blur(gray, self.sigma) - self.gamma * _blur(gray, self.k * self.sigma)
        return 1 + torch.tanh(self.phi * (difference - self.epsilon).clamp(max=0))


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
        _check_limits(self, sigma=(0, 100), low=(1e-4, 6), high=(1e-4, 6))
        if self.low > self.high:
            raise ConfigError(f"Canny has low={self.low:g} above high={self.high:g}: give low the smaller one")

    def __call__(self, gray: Tensor) -> Tensor:
        """(B, 1, H, W) in [0, 1] -> 0 on edges, else 1."""
        blurred = _blur(gray, self.sigma)
        _, edges = canny(blurred, self.low, self.high, kernel_size=(1, 1), hysteresis=False)  # 0, weak 0.5, strong 1
        return (~_grow(edges == 1, edges > 0)).to(gray.dtype)


@dataclass(frozen=True)
class Sobel:
    """Soft pencil lines: 1 - gain * length of the Sobel gradient after a blur (none with sigma=0).

    The length is scikit-image's, sqrt((x^2 + y^2) / 2) with weights that sum to 1: a step from black to white has 0.71.
    """

    sigma: float = 1.0
    gain: float = 4.0

    def __post_init__(self) -> None:
        _check_limits(self, sigma=(0, 100), gain=(0.01, 1000))

    def __call__(self, gray: Tensor) -> Tensor:
        """(B, 1, H, W) in [0, 1] -> lines of the same shape, 0 is ink."""
        # kornia's weights sum to 1/2. Its epsilon lies under the root, which nothing is differentiated through here.
        length = sobel(_blur(gray, self.sigma), eps=1e-12) * 2**0.5
        return (1 - self.gain * length).clamp(0, 1)


METHODS: Mapping[str, Callable[..., Callable[[Tensor], Tensor]]] = {"xdog": XDoG, "canny": Canny, "sobel": Sobel}


def extract_lines(images: Tensor, method: str = "xdog", **options: float) -> Tensor:
    """Black lines on white out of colour pictures, on the device they lie on.

    Args:
        images: (B, 3, H, W) RGB, float in [0, 1] or uint8.
        method: 'xdog', 'canny' or 'sobel'.
        **options: those of `XDoG`, `Canny` or `Sobel`.

    Returns:
        (B, 1, H, W) float in [0, 1].

    Raises:
        ConfigError: an unknown method or option, or a value outside its limits.
    """
    drawer = _drawer(method, options)
    return drawer(rgb_to_grayscale(images if images.is_floating_point() else images.float() / 255))


@TRANSFORMS.register_module()
class ExtractLines:
    """Draws `source` from `target`, with the options of `extract_lines`.

    An option given as a pair, such as sigma=(0.8, 2.0), is drawn uniformly between the two for every sample.

    Raises:
        ConfigError: as `extract_lines`, for every value that may be drawn.
    """

    def __init__(self, method: str = "xdog", **options: float | Sequence[float]) -> None:
        self.method = method
        self.ranges = {name: _ends(name, value) for name, value in options.items()}
        for corner in product(*self.ranges.values()):
            _drawer(method, dict(zip(self.ranges, corner, strict=True)))

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """The sample with its lines as `source`, (3, H, W) uint8.

        Raises:
            ConfigError: the sample has no target.
        """
        if "target" not in sample:
            raise ConfigError(f"ExtractLines: a sample has no 'target': {did_you_mean('target', sample)}")
        options = {name: _draw(*ends) for name, ends in self.ranges.items()}
        lines = extract_lines(sample["target"].as_subclass(Tensor)[None], self.method, **options)
        pixels = lines[0].mul(255).round().to(torch.uint8).repeat(3, 1, 1)
        return {**sample, "source": tv_tensors.Image(pixels)}


def _drawer(method: str, options: Mapping[str, float]) -> Callable[[Tensor], Tensor]:
    one_of("method", method, METHODS)
    check_options(METHODS[method], options)
    return METHODS[method](**options)


def _blur(gray: Tensor, sigma: float) -> Tensor:
    """A Gaussian cut off at four sigmas, as SciPy's."""
    if sigma == 0:
        return gray
    return gaussian_blur2d(gray, 2 * int(4 * sigma + 0.5) + 1, (sigma, sigma), border_type="replicate")


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


def _check_limits(drawer: object, **limits: tuple[float, float]) -> None:
    for option, (low, high) in limits.items():
        value = getattr(drawer, option)
        if not (isinstance(value, int | float) and low <= value <= high):
            raise ConfigError(f"{type(drawer).__name__} has {option}={value!r}: give a number from {low:g} to {high:g}")


def _ends(option: str, value: float | Sequence[float]) -> tuple[float, float]:
    """Where the drawing of an option begins and ends; a number is both."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value, value
    if len(value) != 2 or value[0] > value[1]:
        raise ConfigError(f"{option}={value!r} is no range: give a number or two, the smaller first")
    return value[0], value[1]


def _draw(low: float, high: float) -> float:
    return low if low == high else torch.empty(()).uniform_(low, high).item()
