"""PSNR, SSIM and L1 against scikit-image, and formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sketchkit_plugins.metrics.distortion import L1, PairMean, Psnr, Ssim
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from sketchkit.data.image_io import UnusablePicture
from sketchkit.evaluation.metric import Features

SIZES = [(11, 11), (64, 48), (37, 53)]


def pair(height: int = 24, width: int = 31, deviation: float = 20.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height)
    real = torch.randint(256, (3, height, width), generator=generator).byte()
    other = real + torch.randn(real.shape, generator=generator) * deviation
    return real, other.round().clamp(0, 255).byte()


def score(metric: PairMean, *pairs: tuple[Tensor, Tensor]) -> dict[str, float]:
    return metric.compute(Features(pair=torch.stack([metric.extractor.prepare(*one) for one in pairs])))


def as_array(picture: Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("deviation", [1.0, 40.0, 200.0])
def test_psnr_is_scikit_images(size: tuple[int, int], deviation: float) -> None:
    real, fake = pair(*size, deviation)
    expected = peak_signal_noise_ratio(as_array(real), as_array(fake), data_range=255)
    assert score(Psnr(), (real, fake)) == {"psnr": pytest.approx(expected, abs=1e-9)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("deviation", [1.0, 40.0, 200.0])
def test_ssim_is_scikit_images(size: tuple[int, int], deviation: float) -> None:
    real, fake = pair(*size, deviation)
    settings = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
    expected = structural_similarity(as_array(real), as_array(fake), channel_axis=2, **settings)
    assert score(Ssim(), (real, fake)) == {"ssim": pytest.approx(expected, abs=1e-9)}


def test_psnr_of_one_level_and_of_black_and_white() -> None:
    black = torch.zeros(3, 4, 4, dtype=torch.uint8)
    assert score(Psnr(), (black, black + 1))["psnr"] == pytest.approx(20 * math.log10(255))
    assert score(Psnr(), (black, black + 255))["psnr"] == pytest.approx(0)


def test_ssim_of_flat_pictures_is_its_luminance_term() -> None:
    low = torch.full((3, 12, 12), 100, dtype=torch.uint8)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert score(Ssim(), (low, low + 50))["ssim"] == pytest.approx(expected, rel=1e-9)


def test_l1_is_in_the_range_of_training() -> None:
    real, fake = pair()
    in_range = [picture.numpy() / 127.5 - 1 for picture in (real, fake)]
    assert score(L1(), (real, fake)) == {"l1": pytest.approx(np.abs(in_range[0] - in_range[1]).mean(), rel=1e-12)}
    black = torch.zeros(3, 4, 4, dtype=torch.uint8)
    assert score(L1(), (black, black + 255))["l1"] == pytest.approx(2)


@pytest.mark.parametrize("make", [Psnr, Ssim, L1])
def test_a_score_is_the_mean_of_the_pairs(make: type[PairMean]) -> None:
    metric, pairs = make(), [pair(16, 16, deviation) for deviation in (3.0, 90.0)]
    seen = Features(pair=torch.stack([metric.extractor.prepare(*one) for one in pairs]))
    alone = [score(metric, one)[metric.extractor.name] for one in pairs]
    assert metric.per_sample(seen).tolist() == pytest.approx(alone)
    assert metric.compute(seen)[metric.extractor.name] == pytest.approx(sum(alone) / 2)
    assert metric.extractor.extract(seen.pair).dtype == torch.float64


def test_identical_pairs_are_the_best_there_is() -> None:
    same, other = (pair(16, 16)[0],) * 2, pair(16, 16)
    assert score(Ssim(), same)["ssim"] == pytest.approx(1, abs=1e-12)
    assert score(L1(), same)["l1"] == 0
    others = score(Psnr(), other)["psnr"]
    assert score(Psnr(), same, other, same) == {"psnr": math.inf, "psnr_identical": 2, "psnr_others": others}
    assert score(Psnr(), same) == {"psnr": math.inf, "psnr_identical": 1}
    seen = Features(pair=torch.tensor([[math.inf], [30.0]]))
    assert Psnr().remark(seen) == "is infinite, as 1 of 2 pairs are identical; the others have 30"
    assert Psnr().remark(Features(pair=torch.tensor([[30.0]]))) is None
    assert "psnr_identical" not in score(Psnr(), other)


@pytest.mark.parametrize("make", [Psnr, Ssim, L1])
def test_other_sizes_are_refused_with_both(make: type[PairMean]) -> None:
    metric = make()
    with pytest.raises(UnusablePicture, match=rf"{metric.extractor.name} .* got 31x24 and 24x31: resize one set"):
        metric.extractor.prepare(pair(24, 31)[0], pair(31, 24)[0])


def test_ssim_refuses_what_its_window_does_not_fit_in() -> None:
    with pytest.raises(UnusablePicture, match="ssim needs pictures of 11x11 or more and got 40x10"):
        Ssim().extractor.prepare(*pair(10, 40))


def test_the_three_views_are_not_taken_for_one_another() -> None:
    assert len({make().extractor.key for make in (Psnr, Ssim, L1)}) == 3
