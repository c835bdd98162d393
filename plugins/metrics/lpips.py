"""LPIPS: how far outputs are from the truth (Zhang et al. 2018), or from one another (Zhu et al. 2017)."""

from __future__ import annotations

from torch import Tensor

from sketchkit.evaluation.metric import Features, PictureMetric, Setup
from sketchkit.registry import PICTURE_METRICS

from .lpips_extractor import DrawsExtractor, LpipsExtractor


@PICTURE_METRICS.register_module(name="lpips")
class Lpips(PictureMetric):
    """The mean LPIPS of the pairs: 0 for equal ones, about 0.7 for pictures that have nothing in common.

    Args:
        setup, net: see `LpipsExtractor`; the paper's authors score with 'alex'.

    Raises:
        ConfigError, WeightsError: see `LpipsExtractor`.
    """

    needs = ("pair",)
    better = "lower"
    by_default = True
    ranking = 2

    def __init__(self, setup: Setup = Setup(), net: str = "alex") -> None:
        self.extractor = LpipsExtractor(setup, net)

    def compute(self, features: Features) -> dict[str, float]:
        """{'lpips': the mean over the pairs}."""
        return {"lpips": self.per_sample(features).double().mean().item()}

    def per_sample(self, features: Features) -> Tensor:
        """The LPIPS (N,) of each pair."""
        assert features.pair is not None
        return features.pair[:, 0]


@PICTURE_METRICS.register_module(name="lpips-diversity")
class LpipsDiversity(PictureMetric):
    """The mean LPIPS between the outputs of one source, then over the sources: 0 where noise changes nothing.

    Zhu et al., "Toward Multimodal Image-to-Image Translation", section 5, take random pairs; here are all pairs.
    It says nothing of how good the outputs are: noise is diverse too.

    Args:
        setup, net: see `LpipsExtractor`.

    Raises:
        ConfigError, WeightsError: see `LpipsExtractor`.
    """

    needs = ("draws",)
    better = "higher"

    def __init__(self, setup: Setup = Setup(), net: str = "alex") -> None:
        self.extractor = DrawsExtractor(setup, net)

    def compute(self, features: Features) -> dict[str, float]:
        """{'lpips-diversity': the mean over the sources}."""
        return {"lpips-diversity": self.per_sample(features).double().mean().item()}

    def per_sample(self, features: Features) -> Tensor:
        """The mean LPIPS (N,) of all pairs of each source's outputs."""
        assert features.draws is not None
        return features.draws[:, 0]
