import os
from pathlib import Path

import kornia
import numpy as np
import pytest
import skimage
import torch
from scipy.ndimage import binary_dilation, gaussian_filter
from skimage.draw import disk
from torchvision import tv_tensors

from sketchkit.data.image_io import read_image
from sketchkit.data.transforms.build import build_transform
from sketchkit.data.transforms.lines import ExtractLines, extract_lines
from sketchkit.errors import ConfigError

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
METHODS = ["xdog", "canny", "sobel"]


def pictures(count=2, size=(40, 52), seed=0):
    """Smooth random colour pictures in [0, 1], float64."""
    noise = np.random.default_rng(seed).random((count, 3, *size))
    smooth = gaussian_filter(noise, (0, 0, 3, 3))
    return torch.from_numpy((smooth - smooth.min()) / np.ptp(smooth))


def gray_of(image):
    red, green, blue = image.numpy()
    return 0.299 * red + 0.587 * green + 0.114 * blue


def disc(size=64, radius=20):
    """A white disc on black, (1, 3, size, size)."""
    image = torch.zeros(1, 3, size, size)
    rows, columns = disk((size // 2, size // 2), radius)
    image[:, :, rows, columns] = 1
    return image


@pytest.mark.parametrize(
    "options",
    [{}, {"sigma": 0.7, "k": 2.5}, {"gamma": 0.9, "phi": 20.0, "epsilon": 0.05}, {"sigma": 3.0, "epsilon": -0.01}],
)
def test_xdog_is_its_formula(options):
    images = pictures()
    sigma, k, gamma, phi, epsilon = (
        {"sigma": 1.5, "k": 1.6, "gamma": 0.97, "phi": 200, "epsilon": 0.005} | options
    ).values()
    for image, lines in zip(images, extract_lines(images, **options), strict=True):
        gray = gray_of(image)
        wide = gaussian_filter(gray, k * sigma, mode="nearest")
        d = gaussian_filter(gray, sigma, mode="nearest") - gamma * wide
        expected = np.where(d >= epsilon, 1.0, 1 + np.tanh(phi * (d - epsilon)))
        assert 0.01 < (expected < 0.9).mean() < 0.99
        np.testing.assert_allclose(lines[0].numpy(), expected, atol=1e-6)


def test_xdog_keeps_a_thick_outline_whole_and_leaves_flat_colours_white():
    image = torch.full((1, 3, 80, 80), 0.6)
    image[..., 30:50, :] = 0.0
    lines = extract_lines(image)[0, 0]
    assert (lines[:20] == 1).all() and (lines[60:] == 1).all()
    assert (lines[30:50] < 0.3).all()
    assert (extract_lines(image, epsilon=0.0)[0, 0, 38:42] > 0.9).all(), "with epsilon 0 only the edges are ink"


@pytest.mark.parametrize("sigma", [0, 1.3])
def test_sobel_is_scikit_images(sigma):
    image = pictures(1)
    gray = gray_of(image[0])
    smooth = gaussian_filter(gray, sigma, mode="nearest") if sigma else gray
    expected = (1 - 5 * skimage.filters.sobel(smooth)).clip(0, 1)
    assert np.ptp(expected) > 0.3
    lines = extract_lines(image, "sobel", sigma=sigma, gain=5)[0, 0].numpy()
    np.testing.assert_allclose(lines[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-5)


def test_canny_finds_a_step_where_it_is_one_pixel_wide():
    image = torch.zeros(1, 3, 30, 40)
    image[..., 17:] = 1
    ink = extract_lines(image, "canny")[0, 0] == 0
    assert ink.sum(1).tolist() == [1] * 30
    assert set(ink.nonzero()[:, 1].tolist()) <= {16, 17}


def test_canny_finds_what_scikit_image_finds():
    image = disc() * 0.8 + 0.1
    ink = (extract_lines(image, "canny", sigma=1.5)[0, 0] == 0).numpy()
    smooth = gaussian_filter(image[0, 0].numpy(), 1.5, mode="nearest")
    theirs = skimage.feature.canny(smooth, sigma=0.01, low_threshold=0.2, high_threshold=0.4)
    assert theirs.sum() > 80
    assert (binary_dilation(theirs) | ~ink).all() and (binary_dilation(ink) | ~theirs).all()


def test_canny_joins_weak_to_strong_as_kornia_does():
    images = pictures(3, (90, 120), seed=5)
    weak_only = extract_lines(images, "canny", low=0.15, high=0.15)
    lines = extract_lines(images, "canny", low=0.15, high=0.3)
    strong = extract_lines(images, "canny", low=0.3, high=0.3)
    gray = kornia.color.rgb_to_grayscale(images)
    blurred = torch.from_numpy(gaussian_filter(gray.numpy(), (0, 0, 1.5, 1.5), mode="nearest"))
    _, edges = kornia.filters.canny(blurred, 0.15, 0.3, kernel_size=(1, 1))
    assert (lines != 1 - edges).double().mean() < 1e-3
    assert weak_only.sum() < lines.sum() < strong.sum()


def test_canny_goes_the_whole_way_along_a_fading_line():
    """A horizontal step that is strong in its first columns alone, longer than any fixed number of rounds."""
    image = torch.zeros(1, 3, 20, 300)
    image[..., 10:, :] = torch.linspace(1.0, 0.1, 300)
    ink = extract_lines(image, "canny", sigma=0, low=0.2, high=3.8)[0, 0] == 0
    assert ink.any(0).all() and ink.sum() == 300
    image *= 0.9
    assert (extract_lines(image, "canny", sigma=0, low=0.2, high=3.8) == 1).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_its_pictures_and_bytes_are_floats(method, device):
    images = pictures(3).mul(255).round().to(torch.uint8).to(device)
    lines = extract_lines(images, method)
    assert lines.shape == (3, 1, 40, 52) and lines.is_floating_point() and lines.device == images.device
    assert lines.min() >= 0 and 0.99 < lines.max() <= 1 and lines.min() < 0.8
    for image, one in zip(images, lines, strict=True):
        torch.testing.assert_close(extract_lines(image[None], method)[0], one, atol=1e-4, rtol=0)
        torch.testing.assert_close(extract_lines(image[None].float() / 255, method)[0], one, atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (9, 4)])
@pytest.mark.parametrize("value", [255, 128])
def test_a_flat_picture_of_any_size_is_blank(method, size, value):
    image = torch.full((1, 3, *size), value, dtype=torch.uint8)
    assert (extract_lines(image, method, sigma=4) > 0.999).all()


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("xdgo", {}, "no line method is named 'xdgo': did you mean 'xdog'"),
        ("xdog", {"sigm": 1}, "XDoG has no option 'sigm': did you mean 'sigma'"),
        ("canny", {"epsilon": 1}, "Canny has no option 'epsilon'"),
        ("xdog", {"sigma": 0}, "XDoG has sigma=0: give a number from 0.1 to 100"),
        ("sobel", {"gain": float("nan")}, "gain=nan: give a finite number"),
        ("sobel", {"sigma": "big"}, "sigma='big': give a finite number"),
        ("canny", {"low": 0.5}, "Canny has low=0.5 above high=0.4"),
    ],
)
def test_wrong_options_are_refused_by_function_and_transform(method, options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        extract_lines(pictures(1), method, **options)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=message):
        build_transform(dict(type="ExtractLines", method=method, **options))


@pytest.mark.parametrize("method", METHODS)
def test_the_transform_draws_source_from_target(method):
    image = tv_tensors.Image(pictures(1)[0].mul(255).round().to(torch.uint8))
    sample = build_transform(dict(type="ExtractLines", method=method))({"target": image, "key": "a"})
    source = sample["source"]
    assert isinstance(source, tv_tensors.Image) and source.dtype == torch.uint8 and source.shape == image.shape
    assert torch.equal(source[0], source[1]) and torch.equal(source[0], source[2])
    assert sample["target"] is image and sample["key"] == "a"
    expected = extract_lines(image.as_subclass(torch.Tensor)[None], method)[0, 0] * 255
    assert (source[0] - expected).abs().max() <= 0.5


def test_a_range_is_drawn_from_torchs_generator():
    image = {"target": tv_tensors.Image(disc()[0].mul(255).to(torch.uint8))}
    transform = ExtractLines(sigma=(0.5, 4.0), epsilon=0.0)

    def draw(seed):
        torch.manual_seed(seed)
        return transform(image)["source"]

    assert torch.equal(draw(0), draw(0))
    torch.manual_seed(3)
    sigma = 0.5 + 3.5 * torch.rand(()).item()
    assert torch.equal(draw(3), ExtractLines(sigma=sigma, epsilon=0.0)(image)["source"])
    inks = [(draw(seed) < 128).sum().item() for seed in range(12)]
    narrow, wide = ((ExtractLines(sigma=s, epsilon=0.0)(image)["source"] < 128).sum().item() for s in (0.5, 4.0))
    assert narrow <= min(inks) < (narrow + wide) / 2 < max(inks) <= wide


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(sigma=(2.0, 1.0)), "is no range"),
        (dict(sigma=(1.0, 2.0, 3.0)), "is no range"),
        (dict(sigma=(0.0, 2.0)), "sigma=0.0: give"),
        (dict(method="canny", low=(0.1, 0.5), high=(0.4, 0.6)), "low=0.5 above high=0.4"),
    ],
)
def test_a_range_is_checked_when_it_is_built(options, message):
    with pytest.raises(ConfigError, match=message):
        ExtractLines(**options)


def test_a_sample_without_a_target_is_refused():
    with pytest.raises(ConfigError, match="a sample has no 'target'"):
        ExtractLines()({"source": torch.zeros(3, 4, 4, dtype=torch.uint8)})


def test_xdog_draws_the_lines_of_real_drawings():
    """Coloured drawings beside their own line art: the ink found is the ink there is."""
    data = Path(os.environ.get("SKETCHKIT_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    files = sorted((data / "lineart_openmoji" / "train").glob("*.png"))[:8]
    if not files:
        pytest.skip(f"no drawings at {data}/lineart_openmoji (set SKETCHKIT_TEST_DATA)")
    hits = found = there = 0
    for file in files:
        colored, art = torch.from_numpy(read_image(file)).permute(2, 0, 1).chunk(2, -1)
        ink, truth = extract_lines(colored[None])[0, 0] < 0.5, art[0] < 128
        hits, found, there = hits + (ink & truth).sum(), found + ink.sum(), there + truth.sum()
    assert hits / there > 0.9 and hits / found > 0.75
