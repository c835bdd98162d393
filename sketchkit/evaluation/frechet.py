"""The Fréchet distance between two sets of features, each taken for a Gaussian (Heusel et al., NeurIPS 2017, eq. 6).

    d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)

Whatever F1 and F2 make S1 = F1 F1^T and S2 = F2 F2^T, the last trace is the sum of the singular values of F1^T F2: the
eigenvalues of S1 S2 are those of (F1^T F2)(F1^T F2)^T. So no root of a matrix is taken, and fewer samples than numbers
in a feature cost a matrix of samples by samples only. All of it is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sketchkit.errors import DataError

BLOCK = 2048  # rows that are float64 at a time


@dataclass(frozen=True)
class Statistics:
    """What the distance needs of a set.

    Attributes:
        mean: (D,) float64.
        covariance: (D, D) float64, symmetric, with N - 1 as its denominator.
        count: N, where it is known.

    Raises:
        DataError: the shapes do not fit each other, or a number is not finite.
    """

    mean: Tensor
    covariance: Tensor
    count: int | None = None

    def __post_init__(self) -> None:
        width = self.mean.numel()
        if self.mean.shape != (width,) or self.covariance.shape != (width, width):
            shapes = f"a mean of shape {tuple(self.mean.shape)} and a covariance of {tuple(self.covariance.shape)}"
            raise DataError(f"{shapes} do not belong together: give (D,) and (D, D)")
        if not (self.mean.isfinite().all() and self.covariance.isfinite().all()):
            raise DataError("the statistics have numbers that are not finite: make them again from the pictures")

    @classmethod
    def of(cls, features: Tensor) -> Statistics:
        """Of features (N, D), of any floating type.

        Raises:
            DataError: fewer than two features, or one that is not finite.
        """
        check_features(features)
        mean, count = features.mean(0, dtype=torch.float64), len(features)
        scatter = mean.new_zeros(len(mean), len(mean))
        for rows in features.split(BLOCK):
            centred = rows.double() - mean
            scatter.addmm_(centred.T, centred)
        return cls(mean, scatter / (count - 1), count)


def check_features(features: Tensor, least: int = 2) -> None:
    """Refuse features (N, D) that nothing can be computed of.

    Raises:
        DataError: fewer than `least`, or one with a number that is not finite; its row is named.
    """
    if len(features) < least:
        raise DataError(f"{len(features)} pictures are too few: give at least {least}")
    whole = features.isfinite().all(1)
    if not whole.all():
        row = int(whole.long().argmin())
        raise DataError(f"the features of picture {row} (from 0) are not finite: look at it, and at the weights")


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
    # With N - 1 below D the centred features are a factor themselves.
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
