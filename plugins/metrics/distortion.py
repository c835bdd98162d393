"""How far outputs are from the truth, pixel by pixel: PSNR, SSIM and L1, of each pair, then the mean over pairs."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from sketchkit.evaluation.features.networks import check_sizes
from sketchkit.evaluation.metric import FeatureExtractor, Features, PictureMetric, Setup
from sketchkit.registry import PICTURE_METRICS

PEAK = 255
WINDOW = 11


class PairExtractor(FeatureExtractor):
    """A number of a real picture and a fake one, (3, H, W) of 0..255: a row of 1, float64.

    Attributes:
        name: the measure's.
        options: what else its numbers depend on.
        least: the shortest side in pixels.
    """

    dtype = torch.float64
    name: ClassVar[str]
    options: ClassVar[dict[str, Any]]
    least: ClassVar[int] = 1

    @property
    def identity(self) -> dict[str, Any]:
        """The measure and its constants."""
        return {"extractor": self.name, "version": 1, **self.options}

    def prepare(self, *pictures: Tensor) -> Tensor:
        """(3, H, W) uint8, the real picture and the fake one -> (1,).

        Raises:
            UnusablePicture: they differ in size, or are too small.
        """
        check_sizes(self.name, pictures, self.least)
        real, fake = (picture.double() for picture in pictures)
        return self.measure(real, fake).reshape(1)

    @abstractmethod
    def measure(self, real: Tensor, fake: Tensor) -> Tensor:
        """(3, H, W) float64 in 0..255, two of them -> a scalar."""


class PsnrExtractor(PairExtractor):
    """10 log10(255^2 / mean (a - b)^2) over pixels and channels, in dB; inf for identical pictures."""

    name, options = "psnr", {"data_range": PEAK}

    def measure(self, real: Tensor, fake: Tensor) -> Tensor:
        """The PSNR."""
        return 10 * torch.log10(PEAK**2 / (real - fake).square().mean())


class SsimExtractor(PairExtractor):
    """The mean SSIM (Wang et al. 2004, equation 13) over channels and the places where the window fits.

    A Gaussian window of 11 pixels and deviation 1.5, covariances of the population, K1 = 0.01, K2 = 0.03.
    """

    name, options, least = "ssim", {"data_range": PEAK, "window": WINDOW}, WINDOW

    def measure(self, real: Tensor, fake: Tensor) -> Tensor:
        """The SSIM."""
        from kornia.metrics import ssim

        return ssim(real[None], fake[None], WINDOW, max_val=float(PEAK), padding="valid").mean()


class L1Extractor(PairExtractor):
    """mean |a - b| over pixels and channels of pictures in [-1, 1], rounded as files have them."""

    name, options = "l1", {"data_range": 2}

    def measure(self, real: Tensor, fake: Tensor) -> Tensor:
        """The difference."""
        return (real - fake).abs().mean() / (PEAK / 2)


class PairMean(PictureMetric):
    """The mean of an extractor's numbers over all pairs."""

    needs = ("pair",)
    by_default = True
    extractor: PairExtractor
    sees: ClassVar[type[PairExtractor]]

    def __init__(self, setup: Setup = Setup()) -> None:
        self.extractor = self.sees()

    def compute(self, features: Features) -> dict[str, float]:
        """{name: the mean over the pairs}."""
        return {self.extractor.name: self.per_sample(features).mean().item()}

    def per_sample(self, features: Features) -> Tensor:
        """The number (N,) of each pair."""
        assert features.pair is not None
        return features.pair[:, 0]


@PICTURE_METRICS.register_module(name="psnr")
class Psnr(PairMean):
    """Peak signal-to-noise ratio in dB, the mean of each pair's: inf as soon as one pair is identical.

    Args:
        setup: see `Setup`; nothing of it matters here.
    """

    better = "higher"
    sees = PsnrExtractor

    def compute(self, features: Features) -> dict[str, float]:
        """{'psnr': the mean over the pairs}; where some are identical, how many, and the mean over the others:
        'psnr_identical' and, where there are others, 'psnr_others'."""
        values, each = super().compute(features), self.per_sample(features)
        others = each[each.isfinite()]
        if len(others) < len(each):
            values["psnr_identical"] = len(each) - len(others)
            if len(others):
                values["psnr_others"] = others.mean().item()
        return values

    def remark(self, features: Features) -> str | None:
        """That identical pairs make it infinite."""
        values = self.compute(features)
        if "psnr_identical" not in values:
            return None
        others = f"; the others have {values['psnr_others']:.6g}" if "psnr_others" in values else ""
        pairs = len(self.per_sample(features))
        return f"is infinite, as {values['psnr_identical']} of {pairs} pairs are identical{others}"


@PICTURE_METRICS.register_module(name="ssim")
class Ssim(PairMean):
    """Structural similarity, -1 to 1, 1 for identical pictures (Wang et al., IEEE TIP 2004); see `SsimExtractor`.

    Args:
        setup: see `Setup`; nothing of it matters here.
    """

    better = "higher"
    sees = SsimExtractor


@PICTURE_METRICS.register_module(name="l1")
class L1(PairMean):
    """The mean absolute difference of pictures in [-1, 1]: 0 to 2.

    Args:
        setup: see `Setup`; nothing of it matters here.
    """

    better = "lower"
    ranking = 1
    sees = L1Extractor
