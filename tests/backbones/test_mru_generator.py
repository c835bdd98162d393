"""Layers of the Sketch2Img generator, counted by hand."""

from __future__ import annotations

import pytest
import torch
from sketchkit_plugins.backbones.mru_generator import LabelMap, MRUGenerator
from sketchkit_plugins.backbones.mru_trunk import image_pyramid
from torch import nn

from sketchkit.errors import ConfigError


def conv3(before: int, after: int) -> int:
    return 9 * before * after + after


def conv2(before: int, after: int) -> int:
    return 4 * before * after + after


def unit(x: int, image: int, y: int) -> int:
    """Mask m, mask n, new features, x path."""
    return conv3(x + image, x) + conv3(x + image, y) + conv3(x + image, y) + conv3(x, y)


def convolutions(first: int) -> int:
    encoder = unit(first, 3, 64) + unit(64, 3, 128) + unit(128, 3, 256) + unit(256, 3, 512)
    downs = conv2(64, 64) + conv2(128, 128) + conv2(256, 256)
    decoder = unit(1024, 3, 512) + unit(512, 3, 256) + unit(256, 3, 128) + unit(128, 3, 64)
    ups = conv2(512, 256) + conv2(256, 128) + conv2(128, 64)
    return encoder + downs + decoder + ups + conv3(64, 3)


# Two normalised convolutions in each of eight units.
NORMALIZED = 2 * 2 * (64 + 128 + 256 + 512)


def count(**options: object) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in MRUGenerator(**options).parameters())


def test_batch_norm_form_has_38_5_million_parameters() -> None:
    expected = convolutions(1) + 125 * 64 * 64 + 2 * NORMALIZED
    assert expected == 38_485_416
    assert count(norm="batch") == expected


def test_conditional_form_adds_a_scale_and_shift_for_each_class() -> None:
    expected = convolutions(1) + 125 * 64 * 64 + 2 * 125 * NORMALIZED
    assert expected == 39_437_736
    assert count() == expected
    assert count(variant="student") == expected


def test_sketch_start_replaces_the_label_map() -> None:
    assert count(norm=None, start="sketch") == convolutions(8) + conv3(3, 8)


def test_sketch_start_without_conditional_norm_needs_no_label() -> None:
    net = MRUGenerator(image_size=16, width=2, start="sketch", norm="batch")
    assert net(torch.rand(2, 3, 16, 16)).shape == (2, 3, 16, 16)


def test_noise_enters_at_8_by_8_with_the_bottleneck_channels() -> None:
    net = MRUGenerator(image_size=128, width=2, num_classes=2)
    assert net.noise_shape(128, 128) == (16, 8, 8)
    assert MRUGenerator(image_size=32, width=2, num_classes=2, noise_channels=0).noise_shape(32, 64) == (0, 8, 16)


def strengthen(net: nn.Module) -> None:
    """Make every layer matter: with the weights of the start each fades to rounding in the picture."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(layer.weight)


def test_data_takes_the_published_way() -> None:
    net = MRUGenerator(image_size=32, width=4, num_classes=2).eval()
    strengthen(net)
    sketch, label, noise = torch.rand(1, 3, 32, 32), torch.tensor([1]), torch.randn(1, 16, 8, 8)
    half, quarter = (sketch.reshape(1, 3, 32 // k, k, 32 // k, k).mean((3, 5)) for k in (2, 4))
    encode, down, decode, up = net.encoder.units, net.encoder.downs, net.decoder.units, net.decoder.ups
    assert net.label_map is not None
    e0 = encode[0](net.label_map.table.weight[1].reshape(1, 1, 32, 32), sketch, label)
    e1 = encode[1](down[0](e0), half, label)
    e2 = encode[2](down[1](e1), quarter, label)
    d2 = decode[2](torch.cat([e2, noise], 1), quarter, label)
    d1 = decode[1](torch.cat([e1, up[1](d2)], 1), half, label)
    d0 = decode[0](torch.cat([e0, up[0](d1)], 1), sketch, label)
    expected = torch.tanh(net.to_image(d0))
    assert expected.abs().max() > 0.5
    assert torch.allclose(net(sketch, label=label, noise=noise), expected, atol=1e-5)


def test_skips_are_taken_before_the_strided_convolution() -> None:
    net = MRUGenerator(image_size=32, width=2, num_classes=2)
    state = net.encode(torch.rand(1, 3, 32, 32), label=torch.tensor([1]))
    assert [tuple(m.shape[1:]) for m in state.maps] == [(2, 32, 32), (4, 16, 16), (8, 8, 8)]
    assert [tuple(m.shape[1:]) for m in state.pyramid] == [(3, 32, 32), (3, 16, 16), (3, 8, 8)]


def test_pyramid_averages_pixels() -> None:
    image = torch.randn(2, 3, 8, 16)
    expected = image.reshape(2, 3, 2, 4, 4, 4).mean((3, 5))
    assert torch.allclose(image_pyramid(image, 3)[2], expected, atol=1e-6)


def test_label_map_is_the_row_of_the_class() -> None:
    maps = LabelMap(3, 16)
    assert torch.equal(maps(torch.tensor([2]), (16, 16)).flatten(), maps.table.weight[2])
    resized = maps(torch.tensor([2]), (8, 8)).flatten()
    halved = maps.table.weight[2].reshape(8, 2, 8, 2).mean((1, 3))  # bilinear, corners not aligned: a 2 x 2 mean
    assert torch.allclose(resized, halved.flatten(), atol=1e-6)


def test_weights_start_from_the_published_distribution() -> None:
    net = MRUGenerator(image_size=32, width=32, num_classes=2)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            assert layer.bias is not None
            assert not layer.bias.any()
            assert abs(layer.weight.std().item() - 0.02) < 0.003
            assert abs(layer.weight.mean().item()) < 0.003


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'sketch'"):
        MRUGenerator(start="skecth")
