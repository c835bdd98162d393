"""FID: how far apart two sets of pictures are, as Gaussians of features (Heusel et al., NeurIPS 2017, eq. 6).

    d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)

Whatever F1 and F2 make S1 = F1 F1^T and S2 = F2 F2^T, the last trace is the sum of the singular values of F1^T F2: the
eigenvalues of S1 S2 are those of (F1^T F2)(F1^T F2)^T. So no root of a matrix is taken, and fewer samples than numbers
in a feature cost a matrix of samples by samples only. All of it is float64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sketchkit.errors import DataError
from sketchkit.evaluation.features.classifiers import make_extractor
from sketchkit.evaluation.features.statistics import Statistics, check_features
from sketchkit.evaluation.metric import Features, PictureMetric, Setup
from sketchkit.registry import PICTURE_METRICS


@PICTURE_METRICS.register_module(name="fid")
class FrechetDistance(PictureMetric):
    """The Fréchet distance between the features of the real and the fake pictures: 0 or more, 0 for equal sets.

    It is biased upwards with few pictures, so KID is measured beside it.

    Args:
        setup: see `Setup`.
        feature_extractor, resize: see `make_extractor`; scores compare only where both agree.
    """

    better = "lower"
    least = 2
    takes_statistics = True
    companion = "kid"
    by_default = True

    def __init__(self, setup: Setup = Setup(), feature_extractor: str = "inception", resize: str = "tf") -> None:
        self.extractor = make_extractor(setup, feature_extractor, resize)

    def compute(self, features: Features) -> dict[str, float]:
        """{'fid': the distance}; kept statistics stand for the real pictures where there are some.

        Raises:
            DataError: see `frechet_distance`.
        """
        real = features.real if features.statistics is None else features.statistics
        assert real is not None and features.fake is not None
        return {"fid": frechet_distance(real, features.fake)}

    def remark(self, features: Features) -> str | None:
        """That it is biased, where there are fewer pictures than features."""
        assert features.fake is not None
        real = (
            features.statistics.count
            if features.statistics is not None
            else None
            if features.real is None
            else len(features.real)
        )
        fewest = len(features.fake) if real is None else min(len(features.fake), real)
        if fewest >= self.extractor.width:
            return None
        return (
            f"of {fewest} pictures is biased: compare it only with sets of the same size, and at least "
            f"{self.extractor.width} pictures for {self.extractor.width} features; kid is not biased"
        )


def frechet_distance(first: Tensor | Statistics, second: Tensor | Statistics) -> float:
    """The squared distance d^2, which is the FID of Inception features; symmetric, and 0 or more.

    Args:
        first, second: features (N, D), or what was kept of them.

    Raises:
        DataError: sets whose features differ in length, and what `check_features` refuses.
    """
    a, b = _gaussian(first), _gaussian(second)
    if len(a.mean) != len(b.mean):
        raise DataError(
            f"features of {len(a.mean)} and of {len(b.mean)} numbers cannot be compared: make both with one extractor"
        )
    apart = (a.mean - b.mean).square().sum()
    return max(0.0, float(apart + _trace(a) + _trace(b) - 2 * _trace_of_root(a, b)))


class _Gaussian(NamedTuple):
    """mean (D,), and S as a factor (D, N) with S = factor factor^T, or whole (D, D)."""

    mean: Tensor
    factor: Tensor | None = None
    covariance: Tensor | None = None


def _gaussian(side: Tensor | Statistics) -> _Gaussian:
    """Either, in float64."""
    if isinstance(side, Statistics):
        return _Gaussian(side.mean.double(), covariance=side.covariance.double())
    check_features(side)
    # With N - 1 below D the centered features are a factor themselves.
    if len(side) > side.shape[1]:
        return _gaussian(Statistics.of(side))
    features = side.double()
    mean = features.mean(0)
    return _Gaussian(mean, (features - mean).T / (len(side) - 1) ** 0.5)


def _trace(gaussian: _Gaussian) -> Tensor:
    if gaussian.factor is not None:
        return gaussian.factor.square().sum()
    assert gaussian.covariance is not None
    return gaussian.covariance.trace()


def _trace_of_root(a: _Gaussian, b: _Gaussian) -> Tensor:
    """tr (S1 S2)^(1/2), a scalar, by the smallest symmetric problem with its eigenvalues."""
    if a.factor is not None and b.factor is not None:
        return torch.linalg.svdvals(a.factor.T @ b.factor).sum()
    if a.covariance is not None and b.covariance is not None:
        return _root_of_both(*_factor(a.covariance), *_factor(b.covariance))
    low, high = (a, b) if a.factor is not None else (b, a)
    assert low.factor is not None and high.covariance is not None
    lower, failed = torch.linalg.cholesky_ex(high.covariance)
    if not failed:
        return torch.linalg.svdvals(low.factor.T @ lower).sum()
    # The exact factor of a singular matrix takes a hundred times as long; this is right to some 1e-7 of the distance.
    return _sum_of_roots(low.factor.T @ high.covariance @ low.factor)


def _root_of_both(first: Tensor, first_is_full: bool, second: Tensor, second_is_full: bool) -> Tensor:
    """Of two factors (D, R1) and (D, R2)."""
    product = first.T @ second
    # Squaring is four times as fast, but makes round-off of 1e-16 in a singular value that should be 0 into 1e-8; with
    # full rank on both sides there is none that should.
    if not (first_is_full and second_is_full):
        return torch.linalg.svdvals(product).sum()
    return _sum_of_roots(product @ product.T)


def _sum_of_roots(symmetric: Tensor) -> Tensor:
    return torch.linalg.eigvalsh((symmetric + symmetric.T) / 2).clamp_min(0).sqrt().sum()


def _factor(covariance: Tensor) -> tuple[Tensor, bool]:
    """Cholesky's (D, D) and True; where it fails, the eigenvectors of what is above round-off, (D, R), and False."""
    lower, failed = torch.linalg.cholesky_ex(covariance)
    if not failed:
        return lower, True
    values, vectors = torch.linalg.eigh(covariance)
    above = values > values[-1].clamp_min(0) * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, above] * values[above].sqrt(), False
