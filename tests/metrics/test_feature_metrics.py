"""KID, Inception Score, precision and recall against torch-fidelity; FID's use of what was kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sketchkit_plugins.metrics import frechet, inception_score, kernel, precision_recall
from sketchkit_plugins.metrics.frechet import FrechetDistance
from sketchkit_plugins.metrics.inception_score import InceptionScore
from sketchkit_plugins.metrics.kernel import KernelDistance, squared_mmd
from sketchkit_plugins.metrics.precision_recall import Precision, Recall, covered, radii
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from sketchkit.errors import ConfigError, DataError
from sketchkit.evaluation.features.statistics import Statistics
from sketchkit.evaluation.metric import FeatureExtractor, Features, PictureMetric, Setup
from sketchkit.registry import PICTURE_METRICS

WIDTH, CLASSES = 32, 12
HEAD = torch.randn(WIDTH, CLASSES, generator=torch.Generator().manual_seed(5))


class Pixels(FeatureExtractor):
    """No network: what is computed of features is tested on rows that are given."""

    width = WIDTH

    @property
    def identity(self) -> dict[str, Any]:
        return {"extractor": "pixels"}

    def prepare(self, *pictures: Tensor) -> Tensor:
        return pictures[0].flatten()[:WIDTH] / 255


class Classes(Pixels):
    def logits(self, features: Tensor) -> Tensor:
        return features @ HEAD


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The metrics see by `Classes`, or by `Pixels` where another extractor is asked for; what they asked for."""
    calls: list[tuple[Any, ...]] = []

    def extractor(*given: Any) -> FeatureExtractor:
        calls.append(given)
        return Classes() if given[1] == "inception" else Pixels()

    for module in (precision_recall, frechet, inception_score, kernel):
        monkeypatch.setattr(module, "make_extractor", extractor)
    return calls


def rows(seed: int, count: int, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed)).add(0.1 * seed)


@pytest.mark.parametrize("name", ["fid", "kid", "is", "precision", "recall"])
def test_every_metric_is_registered_and_asks_for_its_view(name: str, asked: list[tuple[Any, ...]]) -> None:
    setup = Setup(seed=4)
    metric: PictureMetric = PICTURE_METRICS.build({"type": name, "resize": "clean"}, setup)
    assert asked == [(setup, "inception", "clean")]
    assert next(iter(metric.compute(Features(real=rows(0, 30), fake=rows(1, 30))))) == name
    assert metric.per_sample(Features(real=rows(0, 30), fake=rows(1, 30))) is None
    assert metric.better == ("lower" if name in ("fid", "kid") else "higher")


def test_fid_is_torch_fidelitys_and_takes_what_was_kept() -> None:
    real, fake = rows(0, 90), rows(1, 80)
    theirs = [fid_features_to_statistics(f.double()) for f in (real, fake)]
    expected = fid_statistics_to_metric(*theirs, False)["frechet_inception_distance"]
    metric = FrechetDistance()
    assert metric.compute(Features(real=real, fake=fake))["fid"] == pytest.approx(expected, rel=1e-8)
    assert metric.compute(Features(fake=fake, statistics=Statistics.of(real)))["fid"] == pytest.approx(
        expected, rel=1e-8
    )
    assert metric.takes_statistics and metric.companion == "kid"


def test_kid_of_all_pictures_is_torch_fidelitys_one_subset() -> None:
    real, fake = rows(0, 60), rows(1, 60)
    theirs = kid_features_to_metric(fake.double(), real.double(), kid_subsets=1, kid_subset_size=60, verbose=False)
    found = KernelDistance().compute(Features(real=real, fake=fake))
    assert found == {"kid": pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-10)}


def test_kid_of_unequal_sets_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "BLOCK", 4)  # several blocks, the last ones not whole
    a, b = rows(0, 6).double(), rows(1, 11).double()

    def mean(x: Tensor, y: Tensor, same: bool) -> float:
        pairs = [(i, j) for i in range(len(x)) for j in range(len(y)) if not (same and i == j)]
        return float(np.mean([((x[i] * y[j]).sum().item() / WIDTH + 1) ** 3 for i, j in pairs]))

    expected = mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)
    assert squared_mmd(a, b) == pytest.approx(expected, rel=1e-10)
    assert squared_mmd(b, a) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", [2020, 7])
def test_kid_of_subsets_is_torch_fidelitys(seed: int) -> None:
    real, fake = rows(0, 70), rows(1, 50)
    options = dict(kid_subsets=5, kid_subset_size=20, rng_seed=seed, verbose=False)
    theirs = kid_features_to_metric(fake.double(), real.double(), **options)
    found = KernelDistance(Setup(seed=seed), subsets=5, subset_size=20).compute(Features(real=real, fake=fake))
    assert found["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert found["kid_std"] == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-9)


@pytest.mark.parametrize(("count", "splits", "seed"), [(101, 10, 2020), (30, 10, 3), (57, 1, 2020)])
def test_inception_score_is_torch_fidelitys(count: int, splits: int, seed: int) -> None:
    fake = rows(1, count)
    theirs = isc_features_to_metric(fake @ HEAD, splits=splits, rng_seed=seed)
    found = InceptionScore(Setup(seed=seed), splits=splits).compute(Features(fake=fake))
    assert found["is"] == pytest.approx(theirs["inception_score_mean"], rel=1e-10)
    assert found["is_std"] == pytest.approx(theirs["inception_score_std"], rel=1e-10, abs=1e-14)


def test_a_sure_classifier_scores_the_number_of_its_classes() -> None:
    sure = torch.eye(4).repeat(5, 1) * 2000.0  # exp(-2000) is 0: nor may its logarithm spoil the score
    assert inception_score.score(sure) == pytest.approx(4.0)
    assert inception_score.score(torch.zeros(6, 4)) == pytest.approx(1.0)


@pytest.mark.parametrize("neighbors", [1, 3])
@pytest.mark.parametrize("block", [2, 2048])
def test_precision_and_recall_are_torch_fidelitys(neighbors: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision_recall, "BLOCK", block)
    # Narrower fakes, so that the two differ; more of them, so that swapped roles show.
    real, fake = rows(0, 45)[:, :3], rows(1, 61, spread=0.8)[:, :3]
    theirs = prc_features_to_metric(fake.double(), real.double(), prc_neighborhood=neighbors, verbose=False)
    for metric, count in ((Precision, 61), (Recall, 45)):
        ((name, found),) = metric(neighbors=neighbors).compute(Features(real=real, fake=fake)).items()
        assert found == pytest.approx(theirs[name], abs=1e-6)
        assert 0 < found < 1 and found * count == pytest.approx(round(found * count))
    assert theirs["precision"] != pytest.approx(theirs["recall"], abs=0.05)


def test_balls_by_hand() -> None:
    # On a line: to the second of the others it is 3, 2, 3 and 7.
    centers = torch.tensor([[0.0], [1.0], [3.0], [8.0]])
    reach = radii(centers, 2)
    assert reach.tolist() == [3.0, 2.0, 3.0, 7.0]
    inside = covered(torch.tensor([[-3.5], [-2.5], [16.0], [15.0], [5.0]]), centers, reach)
    assert inside.tolist() == [False, True, False, True, True]


def test_few_pictures_are_remarked_on() -> None:
    few, many = torch.rand(3, WIDTH), torch.rand(200, WIDTH)
    fid, kid = FrechetDistance(), KernelDistance()
    for seen in (Features(real=few, fake=many), Features(real=many, fake=few)):
        assert str(fid.remark(seen)).startswith("of 3 pictures is biased")
        assert str(kid.remark(seen)).startswith("of 3 pictures is moved by chance")
    kept = Features(fake=many, statistics=Statistics(torch.zeros(WIDTH), torch.eye(WIDTH), 5))
    assert str(fid.remark(kept)).startswith("of 5 pictures is biased")
    assert fid.remark(Features(real=many, fake=many)) is None and kid.remark(Features(real=many, fake=many)) is None


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (KernelDistance, dict(subsets=0), "subsets=0: give a whole number of 1 or more"),
        (KernelDistance, dict(subsets=2, subset_size=1), "subset_size=1: give a whole number of 2 or more"),
        (KernelDistance, dict(subset_size=5), "subset_size=5 is of subsets: give their number too"),
        (InceptionScore, dict(splits=2.5), "splits=2.5: give a whole number of 1 or more"),
        (InceptionScore, dict(feature_extractor="dino"), "^is needs the logits of the Inception network: leave out "),
        (Precision, dict(neighbors=0), "neighbors=0: give a whole number of 1 or more"),
    ],
)
def test_wrong_options_are_refused(kind: type, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**options)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda: KernelDistance(subsets=2, subset_size=9), "subsets of 9 from 3 pictures: give subset_size=3 or less"),
        (lambda: InceptionScore(), "is cannot deal 3 pictures into 10 splits: give splits=3 or less"),
        (lambda: Recall(), "3 pictures have no 3 neighbors each: give at least 4"),
    ],
)
def test_too_few_pictures_are_refused(metric: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        metric().compute(Features(real=rows(0, 20), fake=rows(1, 3)))


@pytest.mark.parametrize("kind", [FrechetDistance, KernelDistance, InceptionScore, Precision, Recall])
def test_features_that_are_not_finite_are_refused(kind: type) -> None:
    fake = rows(1, 20)
    fake[6, 0] = float("inf")
    with pytest.raises(DataError, match=r"picture 6 .* are not finite"):
        kind().compute(Features(real=rows(0, 20), fake=fake))
