"""The Fréchet distance against closed forms and against the libraries that people report."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from sketchkit_plugins.metrics.frechet import frechet_distance
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from sketchkit.errors import DataError
from sketchkit.evaluation.features import statistics as frechet
from sketchkit.evaluation.features.statistics import Statistics, check_features

WIDTH = 64
# Below, at and above the rank of the features, on either side.
COUNTS = [(40, 50), (64, 64), (40, 300), (300, 40), (65, 300), (400, 300)]


def features(seed: int, count: int, width: int = WIDTH) -> Tensor:
    """Correlated numbers that are 0 or more, of unequal size, as pooled activations are; float32."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.rand(width, width, generator=torch.Generator().manual_seed(99))
    size = torch.linspace(0.05, 1.0, width)
    return (torch.randn(count, width, generator=generator) @ mix / 8 + 0.1 * seed).relu() * size


def closed_form(a: Tensor, b: Tensor) -> float:
    one, two = a.double().numpy(), b.double().numpy()
    s1, s2 = np.cov(one.T), np.cov(two.T)
    roots = np.sqrt(np.linalg.eigvals(s1 @ s2).astype(complex)).real.sum()
    return ((one.mean(0) - two.mean(0)) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * roots


def test_diagonal_gaussians_have_a_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    (m1, d1), (m2, d2) = torch.rand(2, 2, 30, dtype=torch.float64, generator=generator)
    expected = sum((m1[i] - m2[i]) ** 2 + (d1[i] - d2[i]) ** 2 for i in range(30)).item()
    found = frechet_distance(Statistics(m1, torch.diag(d1**2)), Statistics(m2, torch.diag(d2**2)))
    assert found == pytest.approx(expected, rel=1e-12)


def test_one_number_by_hand() -> None:
    # Means 2 and 5, variances 1 and 4: (2 - 5)^2 + (1 - 2)^2.
    assert frechet_distance(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[3.0], [5.0], [7.0]])) == 10.0


@pytest.mark.parametrize(("first", "second"), COUNTS)
def test_the_formula_written_out(first: int, second: int) -> None:
    a, b = features(1, first), features(2, second)
    # The general eigenvalues of a product without full rank are right to the root of round-off only.
    assert frechet_distance(a, b) == pytest.approx(closed_form(a, b), rel=1e-5)


@pytest.mark.parametrize(("first", "second"), COUNTS)
def test_torch_fidelity_and_pytorch_fid_say_the_same(first: int, second: int) -> None:
    a, b = features(1, first), features(2, second)
    theirs = [fid_features_to_statistics(f.double()) for f in (a, b)]
    found = frechet_distance(a, b)
    assert found == pytest.approx(fid_statistics_to_metric(*theirs, False)["frechet_inception_distance"], rel=1e-5)
    moments = [side[part] for side in theirs for part in ("mu", "sigma")]
    assert found == pytest.approx(calculate_frechet_distance(*moments), rel=1e-5)
    kept = [Statistics(torch.from_numpy(side["mu"]), torch.from_numpy(side["sigma"])) for side in theirs]
    assert frechet_distance(*kept) == pytest.approx(found, rel=1e-8)


@pytest.mark.parametrize("count", [2, 40, 64, 65, 300])
@pytest.mark.parametrize("kept", itertools.product([False, True], repeat=2))
def test_a_set_is_nowhere_but_at_itself(count: int, kept: tuple[bool, bool]) -> None:
    own = features(1, count)
    # Shifted, the round-off of the traces shows on both sides of the shift's square.
    for shift in (0.0, 0.5):
        a, b = (Statistics.of(f) if keep else f for f, keep in zip((own, own.double() + shift), kept, strict=True))
        assert frechet_distance(a, b) == pytest.approx(WIDTH * shift**2, abs=1e-6)


@pytest.mark.parametrize(("first", "second"), COUNTS)
def test_it_is_symmetric_and_the_routes_agree(first: int, second: int) -> None:
    a, b = features(1, first), features(2, second)
    found = frechet_distance(a, b)
    assert frechet_distance(b, a) == pytest.approx(found, rel=1e-8)
    for one, two in ((Statistics.of(a), b), (a, Statistics.of(b)), (Statistics.of(a), Statistics.of(b))):
        # What is singular and kept as statistics is squared on the way; see `_trace_of_root`.
        assert frechet_distance(one, two) == pytest.approx(found, rel=1e-8 if min(first, second) > WIDTH else 1e-6)


def test_numbers_that_never_change_leave_the_rest_alone() -> None:
    a, b = features(1, 300, 24), features(2, 200, 24)
    dead = [torch.cat([f, torch.full((len(f), 8), 3.0)], 1) for f in (a, b)]
    assert frechet_distance(*dead) == pytest.approx(closed_form(a, b), rel=1e-9)


def test_sets_of_one_repeated_picture_differ_by_their_means() -> None:
    a, b = features(1, 1).expand(5, -1), features(2, 1).expand(90, -1)
    assert frechet_distance(a, b) == pytest.approx((a[0] - b[0]).double().square().sum().item(), rel=1e-6)


def test_few_pictures_need_no_covariance() -> None:
    # Of 300,000 numbers a feature, a covariance would be 720 GB.
    a, b = (torch.randn(3, 300_000, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    # Independent directions: almost nothing is shared, so that the traces are nearly all of it.
    assert frechet_distance(a, b) == pytest.approx(2 * 300_000 * (1 + 1 / 3), rel=0.02)


def test_statistics_are_numpys_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frechet, "BLOCK", 7)
    of = features(1, 40)
    found = Statistics.of(of)
    assert found.count == 40 and found.covariance.dtype == torch.float64
    np.testing.assert_allclose(found.mean.numpy(), of.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance.numpy(), np.cov(of.double().numpy().T), rtol=1e-9, atol=1e-15)


def test_what_cannot_be_compared_is_refused() -> None:
    fine, broken = features(1, 5), features(1, 80)
    broken[3, 2] = float("nan")
    with pytest.raises(DataError, match="features of 64 and of 32 numbers"):
        frechet_distance(fine, features(1, 5, 32))
    with pytest.raises(DataError, match=r"^1 pictures are too few: give at least 2$"):
        frechet_distance(fine, fine[:1])
    for several in (broken[:5], broken):
        with pytest.raises(DataError, match=r"features of picture 3 .* are not finite"):
            frechet_distance(several, fine)
    with pytest.raises(DataError, match="at least 4"):
        check_features(fine[:3], least=4)


def test_statistics_that_do_not_belong_together_are_refused() -> None:
    mean, covariance = torch.zeros(4).double(), torch.eye(4).double()
    with pytest.raises(DataError, match=r"\(4,\) and a covariance of \(3, 3\)"):
        Statistics(mean, covariance[:3, :3])
    with pytest.raises(DataError, match="not finite"):
        Statistics(mean, covariance * float("inf"))
