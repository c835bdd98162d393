"""Antialiased halving and doubling against their formulas (Zhang, ICML 2019) written out."""

import pytest
import torch
from sketchkit_plugins.layers.blur import BlurDownsampling
from sketchkit_plugins.layers.upsampling import make_upsampling
from torch.nn import functional as F


@pytest.mark.parametrize("size", [(2, 2), (5, 8), (7, 7), (16, 9)])
def test_halving_is_a_blur_of_one_two_one_and_every_second_pixel(size):
    picture = torch.rand(2, 3, *size)
    mirrored = F.pad(picture, (1, 1, 1, 1), mode="reflect")
    rows = (mirrored[..., :-2, :] + 2 * mirrored[..., 1:-1, :] + mirrored[..., 2:, :]) / 4
    blurred = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4
    assert torch.allclose(BlurDownsampling()(picture), blurred[..., ::2, ::2], atol=1e-6)


def test_it_has_no_weights_and_nothing_in_a_checkpoint():
    layer = BlurDownsampling()
    assert not list(layer.parameters()) and not layer.state_dict()


def test_a_pattern_of_single_pixels_is_gone_and_a_flat_picture_stays():
    pattern = (torch.arange(16) % 2).float().expand(1, 1, 16, 16)
    assert torch.allclose(BlurDownsampling()(pattern), torch.full((1, 1, 8, 8), 0.5))
    flat = torch.full((1, 2, 6, 6), 0.3)
    assert torch.allclose(BlurDownsampling()(flat), flat[..., ::2, ::2])


def test_bilinear_doubling_is_a_transposed_convolution_by_one_three_three_one():
    """As CUT writes it: borders repeated, the kernel [1, 3, 3, 1] / 4 both ways; then a convolution."""
    layer = make_upsampling("bilinear", 3, 5, kernel=3)
    picture = torch.rand(2, 3, 6, 7)
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    kernel = torch.outer(row, row).expand(3, 1, 4, 4)
    wide = F.conv_transpose2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, padding=2, groups=3)
    doubled = wide[..., 1:-1, 1:-1]
    assert doubled.shape[-2:] == (12, 14)
    expected = F.conv2d(doubled, layer[1].weight, layer[1].bias, padding=1)
    assert torch.allclose(layer(picture), expected, atol=1e-5)
