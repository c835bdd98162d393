"""Inception Score: how sure a classifier is of each picture, and how many classes it sees (Salimans et al., 2016)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sketchkit.errors import ConfigError, DataError
from sketchkit.evaluation.features.classifiers import make_extractor
from sketchkit.evaluation.features.statistics import check_features
from sketchkit.evaluation.metric import Features, PictureMetric, Setup
from sketchkit.options import whole_number
from sketchkit.registry import PICTURE_METRICS


@PICTURE_METRICS.register_module(name="is")
class InceptionScore(PictureMetric):
    """exp of the mean KL(p(class | picture) || p(class)): 1 to the number of classes, over parts of the fakes.

    Args:
        setup: see `Setup`; its seed shuffles the pictures.
        feature_extractor, resize: see `make_extractor`; only 'inception' has classes.
        splits: how many parts the pictures are dealt into; the score grows with the pictures in a part.

    Raises:
        ConfigError: an extractor without classes, or no split.
    """

    needs = ("fake",)
    better = "higher"
    least = 2

    def __init__(
        self, setup: Setup = Setup(), feature_extractor: str = "inception", resize: str = "tf", splits: int = 10
    ) -> None:
        whole_number("splits", splits, 1)
        self.extractor = make_extractor(setup, feature_extractor, resize)
        if not hasattr(self.extractor, "logits"):
            raise ConfigError("is needs the logits of the Inception network: leave out --feature-extractor")
        self.seed, self.splits = setup.seed, splits

    def compute(self, features: Features) -> dict[str, float]:
        """{'is': the mean over the splits, 'is_std': their deviation (over all of them)}.

        Raises:
            DataError: fewer pictures than splits, or features that are not finite.
        """
        assert features.fake is not None
        check_features(features.fake)
        count = len(features.fake)
        if count < self.splits:
            raise DataError(f"is cannot deal {count} pictures into {self.splits} splits: give splits={count} or less")
        # torch-fidelity's order and parts: the same seed gives the same score.
        order = torch.from_numpy(np.random.RandomState(self.seed).permutation(count))
        bounds = [i * count // self.splits for i in range(self.splits + 1)]
        # The extractor as it is now, which other metrics may share: another would load the network again.
        extractor: Any = self.extractor
        logits = extractor.logits(features.fake).cpu()[order]
        scores = [score(logits[start:end]) for start, end in pairwise(bounds)]
        return {"is": float(np.mean(scores)), "is_std": float(np.std(scores))}


def score(logits: Tensor) -> float:
    """exp of the mean over pictures of KL(p(y|x) || p(y)), p(y) the mean of p(y|x); logits (N, classes)."""
    given = logits.double().log_softmax(1)
    overall = given.logsumexp(0) - np.log(len(given))
    return (given.exp() * (given - overall)).sum(1).mean().exp().item()
