"""Precision and recall of a set of pictures: are the fakes like real ones, and are all the real ones reached.

Improved precision and recall (Kynkäänniemi et al., NeurIPS 2019, eqs. 1 and 2): a set is taken for the union of balls
around its features, each as wide as the way to its k-th nearest neighbour in the set.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sketchkit.errors import DataError
from sketchkit.evaluation.features.classifiers import make_extractor
from sketchkit.evaluation.features.statistics import check_features
from sketchkit.evaluation.metric import Features, PictureMetric, Setup
from sketchkit.options import whole_number
from sketchkit.registry import PICTURE_METRICS

BLOCK = 2048  # rows and columns of the distances in memory at a time


class ManifoldShare(PictureMetric):
    """The share of one set that lies in the union of the other's balls.

    Args:
        setup: see `Setup`.
        feature_extractor, resize: see `make_extractor`.
        neighbors: k, which neighbour a ball reaches to.

    Raises:
        ConfigError: no neighbour.
    """

    better = "higher"
    least = 2

    def __init__(
        self, setup: Setup = Setup(), feature_extractor: str = "inception", resize: str = "tf", neighbors: int = 3
    ) -> None:
        whole_number("neighbors", neighbors, 1)
        self.extractor = make_extractor(setup, feature_extractor, resize)
        self.neighbors = neighbors

    def share(self, points: Tensor, centers: Tensor) -> float:
        """How many of the points (N, D) lie in a ball of the centers (M, D): 0 to 1."""
        check_features(points, least=1)
        check_features(centers, least=1)
        if len(centers) <= self.neighbors:
            raise DataError(
                f"{len(centers)} pictures have no {self.neighbors} neighbors each: "
                f"give at least {self.neighbors + 1}, or a smaller neighbors"
            )
        return covered(points, centers, radii(centers, self.neighbors)).double().mean().item()


@PICTURE_METRICS.register_module(name="precision")
class Precision(ManifoldShare):
    """The share of fakes that lie where real pictures do: 0 to 1. Its options are those of `ManifoldShare`."""

    def compute(self, features: Features) -> dict[str, float]:
        """{'precision': the share of fakes in the balls of the real pictures}.

        Raises:
            DataError: no more real pictures than neighbors, no fakes, or features that are not finite.
        """
        assert features.real is not None and features.fake is not None
        return {"precision": self.share(features.fake, features.real)}


@PICTURE_METRICS.register_module(name="recall")
class Recall(ManifoldShare):
    """The share of real pictures that lie where fakes do: 0 to 1. Its options are those of `ManifoldShare`."""

    def compute(self, features: Features) -> dict[str, float]:
        """{'recall': the share of real pictures in the balls of the fakes}.

        Raises:
            DataError: no more fakes than neighbors, no real pictures, or features that are not finite.
        """
        assert features.real is not None and features.fake is not None
        return {"recall": self.share(features.real, features.fake)}


def radii(centers: Tensor, neighbors: int) -> Tensor:
    """The distance (M,) of each of the centers (M, D) to its k-th nearest neighbour among the others, float64."""
    # A centre is its own nearest neighbour.
    ranks = neighbors + 1
    found = []
    for rows in centers.split(BLOCK):
        nearest = [_distances(rows, others) for others in centers.split(BLOCK)]
        nearest = [part.topk(min(ranks, part.shape[1]), largest=False).values for part in nearest]
        found.append(torch.cat(nearest, 1).kthvalue(ranks).values)
    return torch.cat(found)


def covered(points: Tensor, centers: Tensor, reach: Tensor) -> Tensor:
    """Which of the points (N, D) lie within `reach` (M,) of one of the centers (M, D): (N,) bool."""
    balls = list(zip(centers.split(BLOCK), reach.split(BLOCK), strict=True))
    return torch.cat(
        [
            torch.stack([(_distances(rows, middles) <= far).any(1) for middles, far in balls]).any(0)
            for rows in points.split(BLOCK)
        ]
    )


def _distances(first: Tensor, second: Tensor) -> Tensor:
    """(M, D) and (N, D) -> (M, N) float64."""
    return torch.cdist(first.double(), second.double())
