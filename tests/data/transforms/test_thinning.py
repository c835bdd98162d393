"""Thin lines without specks and spurs, against scikit-image."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.morphology import remove_small_objects, thin
from torchvision import tv_tensors

from sketchkit.data.drawings import thinning
from sketchkit.data.transforms.build import build_transform
from sketchkit.errors import ConfigError


def blots(seed, shape=(90, 70), sigma=1.5):
    return (gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma) > 0.1).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_thinning_is_scikit_images(seed):
    lines = blots(seed, sigma=1 + seed / 2)
    assert np.array_equal(thinning.thin(lines), thin(lines))


@pytest.mark.parametrize("smallest", [0, 1, 5, 12])
def test_small_components_are_dropped_as_scikit_image_does(smallest):
    lines = (np.random.default_rng(smallest).random((60, 80)) < 0.25).astype(np.uint8)
    expected = remove_small_objects(lines.astype(bool), max_size=smallest - 1, connectivity=2) if smallest else lines
    assert np.array_equal(thinning.drop_small(lines, smallest), expected)


def drawing(*strokes):
    lines = np.zeros((30, 40), np.uint8)
    for rows, columns in strokes:
        lines[rows, columns] = 1
    return lines


STEM = (slice(15, 16), slice(5, 35))


@pytest.mark.parametrize(("length", "is_left"), [(2, False), (3, False), (6, True)])
def test_spurs_go_and_branches_and_lines_stay(length, is_left):
    branch = (slice(14 - length, 15), slice(20, 21))
    free = (slice(25, 26), slice(5, 10))  # shorter than twice the spur, and no spur: it has no fork
    found = thinning.prune(drawing(STEM, branch, free), 4)
    stem = drawing(STEM, free)
    assert (found[stem == 1] == 1).all()
    assert found[14 - length : 14, 20].all() if is_left else not found[:14, 20].any()


@pytest.mark.parametrize("length", range(1, 12))
def test_a_line_without_a_fork_stays_whole(length):
    lines = drawing((slice(4, 5), slice(3, 3 + length)))
    assert np.array_equal(thinning.prune(lines, 4), lines)


def test_a_ring_is_no_spur():
    ring = (np.abs(np.hypot(*(np.indices((40, 40)) - 20)) - 10) < 1).astype(np.uint8)
    ring = thinning.thin(ring)
    assert ring.sum() > 40 and np.array_equal(thinning.prune(ring, 4), ring)


def test_a_picture_becomes_black_lines_of_a_pixel_on_white():
    gray = torch.from_numpy(255 - 205 * blots(1)).expand(3, -1, -1)
    out = build_transform(dict(type="ThinLines", smallest=5, spur=0))({"source": tv_tensors.Image(gray)})["source"]
    expected = remove_small_objects(thin(blots(1)), max_size=4, connectivity=2)
    assert out.dtype == torch.uint8 and torch.equal(out[0], out[2])
    assert np.array_equal(out[1].numpy(), np.where(expected, 0, 255))
    paper = build_transform(dict(type="ThinLines", threshold=40))({"source": tv_tensors.Image(gray)})["source"]
    assert (paper == 255).all()


@pytest.mark.parametrize("value", [0, 255])
def test_a_blank_picture_is_no_error(value):
    blank = tv_tensors.Image(torch.full((3, 9, 7), value, dtype=torch.uint8))
    assert build_transform(dict(type="ThinLines"))({"source": blank})["source"].shape == (3, 9, 7)


def test_a_sample_without_a_source_is_a_line():
    with pytest.raises(ConfigError, match="ThinLines: a sample has no 'source'"):
        build_transform(dict(type="ThinLines"))({"target": torch.zeros(3, 4, 4)})
