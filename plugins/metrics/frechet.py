"""FID: how far apart two sets of pictures are, as Gaussians of features (Heusel et al., NeurIPS 2017)."""

from __future__ import annotations

from sketchkit.evaluation.contract import PictureMetric, Seen, Setup
from sketchkit.evaluation.feature_views import feature_view
from sketchkit.evaluation.frechet import frechet_distance
from sketchkit.registry import PICTURE_METRICS


@PICTURE_METRICS.register_module(name="fid")
class FrechetDistance(PictureMetric):
    """The Fréchet distance between the features of the real and the fake pictures: 0 or more, 0 for equal sets.

    It is biased upwards with few pictures, so KID is measured beside it.

    Args:
        setup: see `Setup`.
        feature_extractor, resize: see `feature_view`; scores compare only where both agree.
    """

    better = "lower"
    least = 2
    takes_statistics = True
    companion = "kid"

    def __init__(self, setup: Setup = Setup(), feature_extractor: str = "inception", resize: str = "tf") -> None:
        self.view = feature_view(setup, feature_extractor, resize)

    def compute(self, seen: Seen) -> dict[str, float]:
        """{'fid': the distance}; kept statistics stand for the real pictures where there are some.

        Raises:
            DataError: see `frechet_distance`.
        """
        real = seen.real if seen.statistics is None else seen.statistics
        assert real is not None and seen.fake is not None
        return {"fid": frechet_distance(real, seen.fake)}

    def remark(self, seen: Seen) -> str | None:
        """That it is biased, where there are fewer pictures than features."""
        assert seen.fake is not None
        real = seen.statistics.count if seen.statistics is not None else None if seen.real is None else len(seen.real)
        fewest = len(seen.fake) if real is None else min(len(seen.fake), real)
        if fewest >= self.view.width:
            return None
        return (
            f"of {fewest} pictures is biased: compare it only with sets of the same size, and at least "
            f"{self.view.width} pictures for {self.view.width} features; kid is not biased"
        )
