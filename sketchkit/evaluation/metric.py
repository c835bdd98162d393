"""What a picture metric is: a feature extractor, a row of numbers for each picture, and what is computed of them.

Rows are a matter of one picture (or of one pair) alone, whatever the batch. So they are kept between calls, shared by
all metrics with the same extractor, gathered from any number of processes, and computed in one pass over the pictures.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sketchkit.evaluation.features.statistics import Statistics
from sketchkit.pretrained.weights import known_file, resolve_weights

# torch-fidelity's, so that what is drawn at random (subsets, splits) is drawn alike.
SEED = 2020
ROLES = ("real", "fake", "pair", "draws")


@dataclass(frozen=True)
class Setup:
    """What all extractors and metrics of one evaluation are made with.

    Attributes:
        device: where networks compute.
        weights: network -> the file with its weights; others are looked for as `sketchkit.pretrained.weights` does.
        allow_random_weights: let networks whose weights are not given be random; a score is then named so.
        offline: never download weights; None asks the environment, as `sketchkit.pretrained.weights` does.
        seed: of what a metric draws at random.
    """

    device: str = "cpu"
    weights: Mapping[str, str | Path] = field(default_factory=dict)
    allow_random_weights: bool = False
    offline: bool | None = None
    seed: int = SEED

    def find(self, network: str, path: str | Path | None = None) -> Path | None:
        """The file with a network's weights: `path`, or the one given for it, or found; None for random ones.

        Raises:
            WeightsError: there is none, and random ones are not allowed.
            ConfigError: there is no such network.
        """
        known_file(network)
        path = path or self.weights.get(network)
        if path is None and self.allow_random_weights:
            return None
        return resolve_weights(network, path, self.offline)


class FeatureExtractor(ABC):
    """What is seen in a picture, or in several together: a row of numbers that depends on nothing else.

    Attributes:
        dtype: of the rows.
        width: how many numbers a row has; 1 but for features.
    """

    dtype: torch.dtype = torch.float32
    width: int = 1

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Everything a row depends on, as JSON can hold it: the network, its weights' digest, the resizing, ..."""

    @abstractmethod
    def prepare(self, *pictures: Tensor) -> Tensor:
        """Pictures (3, H, W) uint8 RGB of any size, made ready to be batched; runs in data workers.

        Raises:
            UnusablePicture: a picture that cannot be seen, such as one that is too small.
        """

    def extract(self, batch: Tensor) -> Tensor:
        """The rows (B, width) of what `prepare` made of B items of one shape; by default `prepare` has done it all."""
        return batch

    @cached_property
    def key(self) -> str:
        """A digest of the identity: two extractors with one key see the same."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def is_random(self) -> bool:
        """Whether the network has random weights, so that its numbers mean nothing outside tests."""
        return self.identity.get("weights") == "random"


class Features(NamedTuple):
    """The rows (N, width) of a metric's extractor, in the order of the pictures' names; None where it asks for none.

    real, fake: one a picture. pair: one a (real, fake). draws: one a source, of all its outputs. labels: the class of
    each fake. statistics: what was kept of a real set in place of its rows.
    """

    real: Tensor | None = None
    fake: Tensor | None = None
    pair: Tensor | None = None
    draws: Tensor | None = None
    labels: Sequence[str] | None = None
    statistics: Statistics | None = None


class PictureMetric(ABC):
    """Rows -> numbers. An entry of PICTURE_METRICS takes `setup` first; every option has a default.

    Attributes:
        extractor: what it sees with.
        needs: which rows `compute` is given, of ROLES, and 'labels'.
        better: "lower" or "higher"; None where neither end is the good one.
        least: rows of each kind without which it cannot be computed.
        takes_statistics: whether `compute` can do with `Features.statistics` in place of real rows.
        companion: the metric that is measured beside it in any case.
        by_default: whether it is measured when nothing is named, and its weights are at hand.
        ranking: how much its value of a pair says, for the order of a report; 0 where it is no order for that.
    """

    extractor: FeatureExtractor
    needs: ClassVar[tuple[str, ...]] = ("real", "fake")
    better: ClassVar[str | None] = None
    least: ClassVar[int] = 1
    takes_statistics: ClassVar[bool] = False
    companion: ClassVar[str | None] = None
    by_default: ClassVar[bool] = False
    ranking: ClassVar[int] = 0

    @abstractmethod
    def compute(self, features: Features) -> dict[str, float]:
        """The metric, under its own name first; then what belongs to it, such as a deviation."""

    def remark(self, features: Features) -> str | None:
        """What goes on after the metric's name in a note on how far its number can be trusted; None where it can."""
        return None

    def per_sample(self, features: Features) -> Tensor | None:
        """A value (N,) of each pair, source or output, for a report; None for what is said of whole sets only.

        Of each pair where `needs` has 'pair', else of each source where it has 'draws', else of each fake.
        """
        return None
