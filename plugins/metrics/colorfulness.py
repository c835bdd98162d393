"""Colourfulness: whether outputs are as colourful as real pictures (Hasler & Suesstrunk 2003)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sketchkit.data.prepare.colorfulness import FORMS, colorfulness
from sketchkit.evaluation.metric import FeatureExtractor, Features, PictureMetric, Setup
from sketchkit.options import one_of
from sketchkit.registry import PICTURE_METRICS


class ColorfulnessExtractor(FeatureExtractor):
    """The colourfulness of a picture: a row of 1, float64.

    Args:
        opponent: see `sketchkit.data.prepare.colorfulness.colorfulness`.

    Raises:
        ConfigError: there is no such choice.
    """

    dtype = torch.float64

    def __init__(self, opponent: str) -> None:
        one_of("opponent", opponent, FORMS)
        self.opponent = opponent

    @property
    def identity(self) -> dict[str, Any]:
        """The form."""
        return {"extractor": "colorfulness", "version": 1, "opponent": self.opponent}

    def prepare(self, *pictures: Tensor) -> Tensor:
        """One picture (3, H, W) uint8 -> (1,)."""
        (picture,) = pictures
        return colorfulness(picture[None], self.opponent).to(self.dtype)


@PICTURE_METRICS.register_module(name="colorfulness")
class Colorfulness(PictureMetric):
    """The mean colourfulness of the fakes less that of the real pictures.

    0 is best: below it the fakes are too pale, above it too colourful. So neither end is better.

    Args:
        setup: see `Setup`; nothing of it matters here.
        opponent: 'signed' as in the paper, or 'absolute'; see `sketchkit.data.prepare.colorfulness.colorfulness`.

    Raises:
        ConfigError: there is no such choice.
    """

    by_default = True

    def __init__(self, setup: Setup = Setup(), opponent: str = "signed") -> None:
        self.extractor = ColorfulnessExtractor(opponent)

    def compute(self, features: Features) -> dict[str, float]:
        """{'colorfulness': the difference, and each set's mean: 'colorfulness_real', 'colorfulness_fake'}."""
        assert features.real is not None
        assert features.fake is not None
        real, fake = features.real.mean().item(), features.fake.mean().item()
        return {"colorfulness": fake - real, "colorfulness_real": real, "colorfulness_fake": fake}

    def per_sample(self, features: Features) -> Tensor:
        """The colourfulness (N,) of each fake less the mean of the real pictures."""
        assert features.real is not None and features.fake is not None
        return features.fake[:, 0] - features.real.mean()
