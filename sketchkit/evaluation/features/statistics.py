"""What a Fréchet distance needs of a set of features: mean and covariance, in float64."""

from __future__ import annotations

from dataclasses import dataclass

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
            centered = rows.double() - mean
            scatter.addmm_(centered.T, centered)
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
