"""The four units against their equations, written out with separate convolutions."""

from __future__ import annotations

import pytest
import torch
from sketchkit_plugins.backbones.mru import MRU, ConvNormAct
from sketchkit_plugins.backbones.mru_official import MRUv2, MRUv3, NormAct, initialize_official, minmax_gate
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError

LABEL = torch.tensor([0, 2, 1])
Unit = type[MRUv2] | type[MRUv3]


def inputs(channels: int) -> tuple[Tensor, Tensor]:
    return torch.randn(3, channels, 8, 8), torch.randn(3, 2, 8, 8)


def conv(layer: nn.Conv2d, x: Tensor, rows: slice = slice(None)) -> Tensor:
    assert layer.bias is not None
    return F.conv2d(x, layer.weight[rows], layer.bias[rows], padding=layer.kernel_size[0] // 2)


def batch_norm(block: ConvNormAct | NormAct, x: Tensor) -> Tensor:
    """Conditional batch norm of train mode, by hand."""
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    gamma, beta = (getattr(block.norm, name).weight[LABEL][:, :, None, None] for name in ("gamma", "beta"))
    return gamma * (x - mean) / (variance + 1e-5).sqrt() + beta


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def smooth(x: Tensor) -> Tensor:
    return (x + torch.sqrt((1 - 0.7) ** 2 + x**2)) / 2


def minmax(x: Tensor) -> Tensor:
    x = leaky(x).flatten(2)
    low, high = x.min(2, keepdim=True).values, x.max(2, keepdim=True).values
    return ((x - low) / (high - low + 1e-5)).unflatten(2, (8, 8))


@pytest.mark.parametrize("norm", ["conditional_batch", None])
@pytest.mark.parametrize("variant", ["paper", "student"])
@pytest.mark.parametrize(("before", "after"), [(4, 6), (4, 4)])
def test_masked_residual_unit_is_its_equations(variant: str, before: int, after: int, norm: str | None) -> None:
    unit = MRU(before, 2, after, variant=variant, norm=norm, num_classes=3)
    x, image = inputs(before)

    def block(part: nn.Module, given: Tensor) -> Tensor:
        assert isinstance(part, ConvNormAct)
        y = conv(part.conv, given)
        return leaky(batch_norm(part, y) if norm else y)

    m = torch.sigmoid(conv(unit.keep, torch.cat([x, image], 1)))
    z = block(unit.new, torch.cat([m * x, image], 1))
    n = torch.sigmoid(conv(unit.mix, torch.cat([x, image], 1)))
    kept = x if variant == "paper" and before == after else block(unit.kept, x)
    assert torch.allclose(unit(x, image, LABEL), (1 - n) * kept + n * z, atol=1e-5)


@pytest.mark.parametrize(("before", "after"), [(4, 6), (4, 4)])
def test_v3_is_its_equations(before: int, after: int) -> None:
    unit = MRUv3(before, 2, after, num_classes=3)
    x, image = inputs(before)
    gate = minmax(conv(unit.gate, torch.cat([smooth(batch_norm(unit.before, x)), image], 1)))
    merged = x + gate * conv(unit.image, image)
    u = conv(unit.first.conv, smooth(batch_norm(unit.merged, merged)))
    u = conv(unit.second, smooth(batch_norm(unit.first, u)))
    shortcut = x if before == after else conv(unit.shortcut, x)
    assert torch.allclose(unit(x, image, LABEL), shortcut + u, atol=1e-5)


@pytest.mark.parametrize(("before", "after"), [(4, 6), (4, 4)])
def test_v2_is_its_equations(before: int, after: int) -> None:
    unit = MRUv2(before, 2, after, num_classes=3)
    h, image = inputs(before)
    joint = torch.cat([h, image], 1)
    r, g = minmax(conv(unit.gates, joint, slice(0, before))), minmax(conv(unit.gates, joint, slice(before, None)))
    u = smooth(batch_norm(unit.first, conv(unit.first.conv, torch.cat([r * h, image], 1))))
    u = smooth(batch_norm(unit.second, conv(unit.second.conv, u)))
    skip = h if unit.skip is None else smooth(batch_norm(unit.skip, conv(unit.skip.conv, h)))
    assert torch.allclose(unit(h, image, LABEL), (1 - g) * skip + g * u, atol=1e-5)


def test_gate_spans_zero_to_one_by_channel_and_is_zero_on_a_constant_map() -> None:
    x = torch.randn(2, 3, 8, 8) * 10
    x[1, 2] = 7.0
    x.requires_grad_()
    gate = minmax_gate(x)
    assert gate.amin((2, 3)).eq(0).all()
    assert torch.allclose(gate.amax((2, 3)).flatten()[:5], torch.ones(5), atol=1e-4)
    assert not gate[1, 2].any()
    (gradient,) = torch.autograd.grad(gate.square().sum(), x)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("unit", [MRUv3, MRUv2])
def test_official_units_are_finite_on_blank_input(unit: Unit) -> None:
    x = torch.zeros(2, 4, 8, 8, requires_grad=True)
    out = unit(4, 2, 6, norm=None)(x, torch.zeros(2, 2, 8, 8))
    out.square().sum().backward()
    assert out.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("unit", [MRU(3, 2, 3), MRU(3, 2, 4), MRUv3(3, 2, 4, norm=None), MRUv2(3, 2, 3, norm=None)])
def test_gradients_against_finite_differences(unit: nn.Module) -> None:
    unit = unit.double()
    x, image = torch.randn(1, 3, 4, 4).double().requires_grad_(), torch.randn(1, 2, 4, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(unit, (x, image), fast_mode=True)


def test_released_gate_bias_survives_initialisation() -> None:
    unit = MRUv3(4, 2, 4, norm=None)
    initialize_official(unit)
    assert unit.gate.bias is not None
    assert unit.second.bias is not None
    assert unit.gate.bias.eq(0.5).all()
    assert not unit.second.bias.any()


@pytest.mark.parametrize(
    ("options", "said"), [({"norm": "btach"}, "did you mean 'batch'"), ({"variant": "Paper"}, "paper")]
)
def test_unknown_options_are_refused(options: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MRU(4, 2, 4, **options)
