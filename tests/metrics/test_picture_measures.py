"""The measures of single pictures: the checkerboard's share and the colourfulness, against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sketchkit_plugins.metrics.checkerboard import Checkerboard, checkerboard
from sketchkit_plugins.metrics.colorfulness import Colorfulness
from torch import Tensor

from sketchkit.data.image_io import UnusablePicture
from sketchkit.errors import ConfigError
from sketchkit.evaluation.metric import Features


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def pattern(stride: int, size: int) -> Tensor:
    """One bright pixel in each `stride` along a row, all rows alike."""
    return (torch.arange(size) % stride == 0).double().expand(1, 1, size, size)


def test_a_checkerboard_and_stripes_are_nothing_else() -> None:
    signs = torch.tensor([1.0, -1.0]).repeat(32)
    assert checkerboard((signs[:, None] * signs).expand(1, 1, 64, 64)).item() == pytest.approx(1)
    assert checkerboard(signs.expand(1, 1, 64, 64)).item() == pytest.approx(1)


@pytest.mark.parametrize("stride", [2, 3, 4, 5])
def test_what_repeats_with_the_stride_is_all_pattern(stride: int) -> None:
    assert checkerboard(pattern(stride, 60), stride).item() == pytest.approx(1)
    assert checkerboard(pattern(stride, 60).mT, stride).item() == pytest.approx(1)


def test_a_pattern_of_another_stride_is_not_counted() -> None:
    assert checkerboard(pattern(3, 60), 2).item() == pytest.approx(0, abs=1e-12)
    # One bright pixel in four has three frequencies of equal energy; that of stride 2 is one of them.
    assert checkerboard(pattern(4, 60), 2).item() == pytest.approx(1 / 3)


def test_white_noise_has_as_much_as_it_has_frequencies() -> None:
    # 60 x 60 with the first frequency, the mean, taken off; a stride of 3 leaves two rows and two columns.
    for stride, frequencies in ((2, 60 + 60 - 1), (3, 4 * 60 - 4)):
        share = checkerboard(noise(8, 3, 60, 60) - 0.5, stride).mean().item()
        assert share == pytest.approx(frequencies / 3599, rel=0.05)


@pytest.mark.parametrize("stride", [2, 3])
def test_the_share_is_the_formula_written_out(stride: int) -> None:
    image = noise(1, 2, 12, 18)
    inside = total = 0.0
    for y in range(12):
        for x in range(18):
            wave = np.exp(-2j * np.pi * (y * np.arange(12)[:, None] / 12 + x * np.arange(18) / 18))
            energy = sum(abs((channel * wave).sum()) ** 2 for channel in image[0].numpy()) if y or x else 0
            total += energy
            inside += energy * any(y * stride == k * 12 or x * stride == k * 18 for k in range(1, stride))
    assert checkerboard(image, stride).item() == pytest.approx(inside / total, rel=1e-9)


def test_smooth_pictures_have_next_to_none() -> None:
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    assert checkerboard(torch.stack([torch.sin(2 * x + y), torch.cos(2 * x * y), x * y])[None]).item() < 1e-3


@pytest.mark.parametrize("value", [0.0, 0.1, 0.7, 255.0])
def test_a_flat_picture_has_none(value: float) -> None:
    # The mean of that many equal numbers is off by a rounding error.
    image = torch.full((1, 3, 254, 202), value)
    image[:, 1] /= 3
    assert checkerboard(image, 3).item() == pytest.approx(0, abs=1e-12)


def test_rows_are_the_pictures_own_and_their_range_does_not_matter() -> None:
    images = noise(3, 3, 16, 16)
    alone = torch.cat([checkerboard(image[None]) for image in images])
    torch.testing.assert_close(checkerboard(images), alone, rtol=1e-12, atol=0)
    torch.testing.assert_close(checkerboard(images * 255 - 40), alone, rtol=1e-9, atol=0)


def test_odd_sizes_are_cut_to_a_multiple() -> None:
    images = noise(1, 3, 17, 13)
    torch.testing.assert_close(checkerboard(images, 4), checkerboard(images[..., :16, :12], 4))


def test_a_wrong_stride_and_a_small_picture_are_refused() -> None:
    with pytest.raises(ConfigError, match="stride=1: give a whole number of 2 or more"):
        checkerboard(noise(1, 3, 8, 8), 1)
    with pytest.raises(ConfigError, match="stride=1: give a whole number of 2 or more"):
        Checkerboard(stride=1)
    with pytest.raises(UnusablePicture, match=r"a picture of 8x3 is smaller than stride=4"):
        Checkerboard(stride=4).extractor.prepare(torch.zeros(3, 3, 8, dtype=torch.uint8))


def test_the_checkerboard_metric_gives_both_sets() -> None:
    metric = Checkerboard()
    striped = (torch.arange(8) % 2 * 200).byte().expand(3, 8, 8)
    flat = torch.full((3, 8, 8), 9, dtype=torch.uint8)
    fake = metric.extractor.extract(torch.stack([metric.extractor.prepare(striped), metric.extractor.prepare(flat)]))
    seen = Features(real=metric.extractor.extract(metric.extractor.prepare(flat)[None]), fake=fake)
    assert fake.shape == (2, 1) and fake.dtype == torch.float64
    assert metric.compute(seen) == pytest.approx({"checkerboard": 0.5, "checkerboard_real": 0})
    assert metric.per_sample(seen).tolist() == pytest.approx([1, 0])
    assert metric.extractor.key != Checkerboard(stride=4).extractor.key


def hasler(picture: Tensor) -> float:
    """sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2), of equation 3."""
    red, green, blue = picture.double().numpy()
    rg, yb = red - green, 0.5 * (red + green) - blue
    return np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)


def test_colourfulness_is_the_difference_of_the_means() -> None:
    metric = Colorfulness()
    pictures = [(noise(3, 9, 7) * scale).byte() for scale in (255, 100, 30)]
    rows = [metric.extractor.prepare(picture) for picture in pictures]
    seen = Features(real=torch.stack(rows[:1]), fake=torch.stack(rows[1:]))
    first, second, third = map(hasler, pictures)
    expected = {"colorfulness_real": first, "colorfulness_fake": (second + third) / 2}
    expected["colorfulness"] = expected["colorfulness_fake"] - first
    assert metric.compute(seen) == pytest.approx(expected, rel=1e-6)
    assert next(iter(metric.compute(seen))) == "colorfulness"
    assert metric.per_sample(seen).tolist() == pytest.approx([second - first, third - first], rel=1e-5)
    assert metric.better is None


def test_the_form_of_colourfulness_is_checked_and_part_of_the_view() -> None:
    assert Colorfulness(opponent="absolute").extractor.key != Colorfulness().extractor.key
    with pytest.raises(ConfigError, match="did you mean 'signed'"):
        Colorfulness(opponent="sign")
