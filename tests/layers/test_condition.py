"""Layers that look at the source, the class or the noise, against their papers' formulas."""

from functools import partial

import pytest
import torch
from sketchkit_plugins.backbones.resnet import ResNetGenerator
from sketchkit_plugins.backbones.unet import UNetGenerator
from sketchkit_plugins.layers.condition import Condition, NoiseShift, SelfAttention, SpatiallyAdaptiveNorm
from torch import nn
from torch.nn import functional as F


def test_a_shift_is_what_noise_maps_beside_the_features_give_a_convolution():
    shift, conv = NoiseShift(4, 3), nn.Conv2d(3, 5, 1, bias=False)
    x, noise = torch.rand(2, 3, 6, 7), torch.randn(2, 4)
    weight = torch.cat([conv.weight, torch.einsum("oc...,cn->on...", conv.weight, shift.weight)], 1)
    maps = noise[:, :, None, None].expand(-1, -1, 6, 7)
    assert torch.allclose(conv(shift(x, noise)), F.conv2d(torch.cat([x, maps], 1), weight), atol=1e-5)


def test_a_shift_starts_as_large_as_what_a_norm_makes():
    assert NoiseShift(8, 512)(torch.zeros(64, 512, 1, 1), torch.randn(64, 8)).std().item() == pytest.approx(1, abs=0.1)


def test_spade_is_the_papers_equation():
    """gamma_c,y,x(m) (h_n,c,y,x - mu_c) / sigma_c + beta_c,y,x(m), its gamma as 1 + a convolution's, as released."""
    norm = SpatiallyAdaptiveNorm(4, 2)
    x, source = torch.randn(3, 4, 5, 6) * 2 + 1, torch.rand(3, 2, 20, 24)
    hidden = norm.maps[0](F.interpolate(source, (5, 6), mode="area")).clamp(min=0)
    gamma, beta = norm.maps[2](hidden).chunk(2, 1)
    for channel in range(4):
        values = x[:, channel]
        normed = (values - values.mean()) / (values.var(unbiased=False) + 1e-5).sqrt()
        expected = (1 + gamma[:, channel]) * normed + beta[:, channel]
        assert torch.allclose(norm(x, Condition(source))[:, channel], expected, atol=1e-4)


def test_what_spade_makes_of_a_source_is_made_once_for_pictures_of_all_noises():
    network = UNetGenerator(width=4, num_downs=2, norm="spade", noise_channels=3).train()
    calls = []
    norms = [one for one in network.modules() if isinstance(one, SpatiallyAdaptiveNorm)]
    for norm in norms:
        norm.maps.register_forward_hook(lambda *_: calls.append(1))
    source, noises = torch.rand(2, 3, 8, 8), torch.randn(2, 2, 3)
    state = network.encode(source)
    pictures = [network.decode(state, noise) for noise in noises]
    torch.stack(pictures).pow(2).sum().backward()
    once = [norm.maps[0].weight.grad.clone() for norm in norms]
    assert len(calls) == len(norms) > 0
    network.zero_grad()
    torch.stack([network(source, noise=noise) for noise in noises]).pow(2).sum().backward()
    for norm, before in zip(norms, once, strict=True):
        assert torch.allclose(norm.maps[0].weight.grad, before, rtol=1e-4, atol=1e-6)


def test_what_was_made_without_gradients_is_made_again_with_them():
    network = UNetGenerator(width=4, num_downs=2, norm="spade", noise_channels=3).train()
    state, noise = network.encode(torch.rand(2, 3, 8, 8)), torch.randn(2, 3)
    with torch.no_grad():
        network.decode(state, noise)
    network.decode(state, noise).sum().backward()
    assert all(value.grad is not None for name, value in network.named_parameters() if ".maps." in name)


@pytest.mark.parametrize("kind", [partial(UNetGenerator, num_downs=2), partial(ResNetGenerator, num_blocks=1)])
def test_without_noise_nothing_that_spade_makes_is_kept(kind):
    assert kind(width=4, norm="spade").encode(torch.rand(2, 3, 8, 8)).condition.told is None
    assert kind(width=4, norm="spade", noise_channels=3).encode(torch.rand(2, 3, 8, 8)).condition.told == {}


def test_attention_is_the_papers_sum_over_all_places():
    """beta_j,i = exp(f(x_i) g(x_j)) / sum_i exp(f(x_i) g(x_j)), o_j = v(sum_i beta_j,i h(x_i)), y = gamma o + x."""
    layer = SelfAttention(16)
    x = torch.randn(1, 16, 2, 3)
    assert torch.equal(layer(x), x)
    nn.init.constant_(layer.gamma, 0.7)
    f, g, h = (one.weight[:, :, 0, 0] for one in (layer.key, layer.query, layer.value))
    places = x[0].flatten(1).T
    expected = []
    for j in places:
        shares = torch.stack([((f @ i) @ (g @ j)).exp() for i in places])
        mixed = sum(share * (h @ i) for share, i in zip(shares / shares.sum(), places, strict=True))
        expected.append(0.7 * layer.out.weight[:, :, 0, 0] @ mixed + j)
    assert torch.allclose(layer(x)[0].flatten(1).T, torch.stack(expected), atol=1e-5)
