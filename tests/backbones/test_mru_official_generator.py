"""Layers of the released generator, counted by hand."""

from __future__ import annotations

import pytest
import torch
from sketchkit_plugins.backbones.mru_official_generator import OfficialMRUGenerator
from sketchkit_plugins.layers.activation import SmoothReLU
from torch import Tensor, nn

from sketchkit.errors import ConfigError


def conv(kernel: int, before: int, after: int) -> int:
    return kernel**2 * before * after + after


def v3(x: int, image: int, y: int) -> int:
    """Gate, image features, two convolutions, shortcut."""
    return conv(3, x + image, x) + conv(3, image, x) + conv(3, x, y) + conv(3, y, y) + conv(1, x, y)


def v2(x: int, image: int, y: int) -> int:
    """Gates r and g, two convolutions, skip."""
    skip = 0 if x == y else conv(1, x, y)
    return conv(3, x + image, x) + 2 * conv(3, x + image, y) + conv(3, y, y) + skip


def test_parameters_are_22_2_million_at_50_classes() -> None:
    encoder = conv(7, 3, 8) + v3(8, 3, 64) + v3(64, 3, 128) + v3(128, 3, 256) + v3(256, 3, 512)
    noise = 256 * 1024 + 1024
    decoder = v2(512, 3 + 64, 384) + v2(384, 3 + 128, 256) + v2(256, 3 + 64, 128) + v2(128, 3 + 8, 128) + v2(128, 3, 64)
    # Norms: two of x and one of y in a v3 unit, the closing one, the noise's, and two (three with a skip) in a v2 unit.
    v3_norms = (2 * 8 + 64) + (2 * 64 + 128) + (2 * 128 + 256) + (2 * 256 + 512)
    v2_norms = 3 * 384 + 3 * 256 + 3 * 128 + 2 * 128 + 3 * 64
    norms = 2 * 50 * (v3_norms + 512 + 1024 + v2_norms)
    expected = encoder + noise + decoder + conv(7, 64, 3) + norms
    assert expected == 22_235_107
    with torch.device("meta"):
        assert sum(p.numel() for p in OfficialMRUGenerator().parameters()) == expected


def test_maps_lead_from_32_to_2() -> None:
    net = OfficialMRUGenerator(width=8, num_classes=3)
    state = net.encode(torch.rand(2, 3, 64, 64), label=torch.tensor([0, 2]))
    expected = [(8, 32, 32), (8, 16, 16), (16, 8, 8), (32, 4, 4), (64, 2, 2)]
    assert [tuple(m.shape[1:]) for m in state.maps] == expected
    assert [tuple(unit.gates.weight.shape[:2]) for unit in net.decoder.units] == [
        (16 + 8, 16 + 3), (16 + 16, 16 + 3 + 8), (32 + 16, 32 + 3 + 8), (48 + 32, 48 + 3 + 16), (64 + 48, 64 + 3 + 8),
    ]  # fmt: skip


def mean2(x: Tensor) -> Tensor:
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def double(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def smooth(x: Tensor) -> Tensor:
    return (x + torch.sqrt((1 - 0.7) ** 2 + x**2)) / 2


def test_data_takes_the_released_way() -> None:
    net = OfficialMRUGenerator(image_size=32, width=4, num_classes=2)
    i32, label, noise = torch.rand(2, 3, 32, 32), torch.tensor([1, 0]), torch.randn(2, 256)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(
                layer.weight
            )  # with the weights of the start layers fade to rounding in the picture
    net(i32, label=label, noise=noise)  # running statistics leave their starting values
    net.eval()
    i16 = mean2(i32)
    i8 = mean2(i16)
    i4 = mean2(i8)
    encode, decode, norm = net.encoder.units, net.decoder.units, net.noise_map.norm
    h0 = net.stem(i32)
    e1 = mean2(encode[0](h0, i16, label))
    e2 = mean2(encode[1](e1, i8, label))
    e3 = smooth(net.encoder.last.norm(mean2(encode[2](e2, i4, label)), label))
    vector = net.noise_map.linear(noise)
    vector = (vector - norm.norm.running_mean) / (norm.norm.running_var + 1e-5).sqrt()
    maps = smooth(norm.gamma.weight[label] * vector).reshape(2, 4, 4, 4)
    d4 = decode[3](double(e3), torch.cat([i4, maps], 1), label)
    d8 = decode[2](double(d4), torch.cat([i8, e1], 1), label)
    d16 = decode[1](double(d8), torch.cat([i16, h0], 1), label)
    d32 = decode[0](double(d16), i32, label)
    expected = torch.tanh(net.to_image(d32))
    assert expected.abs().max() > 0.5
    assert torch.allclose(net(i32, label=label, noise=noise), expected, atol=1e-5)


def test_noise_is_a_vector() -> None:
    assert OfficialMRUGenerator(width=2, num_classes=2).noise_shape(64, 128) == (256,)


def test_training_on_one_sample_is_refused_and_inference_is_not() -> None:
    net = OfficialMRUGenerator(image_size=16, width=2, num_classes=2)
    source, label = torch.rand(1, 3, 16, 16), torch.tensor([0])
    with pytest.raises(ConfigError, match="batch of one"):
        net(source, label=label)
    first, second = (net.eval()(source, label=label) for _ in range(2))
    assert not torch.allclose(first, second, atol=1e-6)


def test_activation_is_a_smooth_relu() -> None:
    x = torch.linspace(-4, 4, 9)
    expected = [(v + (0.09 + v * v) ** 0.5) / 2 for v in x.tolist()]
    assert torch.allclose(SmoothReLU()(x), torch.tensor(expected), atol=1e-6)
