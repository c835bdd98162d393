"""What both masked residual generators promise, at a narrow width."""

from __future__ import annotations

import copy
import inspect
from functools import partial
from typing import Any

import pytest
import torch
from sketchkit_plugins.backbones.mru_generator import MRUGenerator
from sketchkit_plugins.backbones.mru_official_generator import OfficialMRUGenerator
from torch import Tensor, nn

from sketchkit.errors import ConfigError

MAKERS: list[Any] = [
    partial(MRUGenerator, width=4, num_classes=5, in_channels=1),
    partial(MRUGenerator, width=4, num_classes=5, in_channels=1, start="sketch", variant="student", norm="instance"),
    partial(OfficialMRUGenerator, width=8, num_classes=5, in_channels=1),
]
each_generator = pytest.mark.parametrize("make", MAKERS, ids=["label", "sketch", "official"])


def given(net: Any, batch: int = 2, size: int = 32) -> dict[str, Tensor]:
    return {
        "source": torch.rand(batch, 1, size, size) * 2 - 1,
        "label": torch.arange(batch) % 5,
        "noise": torch.randn(batch, *net.noise_shape(size, size)),
    }


def call(net: nn.Module, values: dict[str, Tensor]) -> Tensor:
    return net(values["source"], label=values["label"], noise=values["noise"])


@each_generator
@pytest.mark.parametrize("size", [64, 128, 256])
def test_picture_of_the_sketch_size(make: Any, size: int) -> None:
    net = make(image_size=size).eval()
    assert size % net.size_multiple == 0
    with torch.no_grad():
        out = net(torch.rand(1, 1, size, size), label=torch.tensor([3]))
    assert out.shape == (1, net.out_channels, size, size)
    assert out.abs().max() <= 1


@each_generator
def test_other_sizes_than_the_one_it_was_built_for(make: Any) -> None:
    net = make(image_size=16).eval()
    source = torch.rand(2, 1, 3 * net.size_multiple, 2 * net.size_multiple)
    assert net(source, label=torch.tensor([0, 1])).shape[-2:] == source.shape[-2:]


@each_generator
def test_gradients_reach_every_weight(make: Any) -> None:
    net = make(image_size=32)
    call(net, given(net)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A bias in front of a norm has no effect: its gradient is zero but for rounding.
        assert name.endswith("bias") or parameter.grad.any(), name


@each_generator
def test_state_is_decoded_without_encoding_again(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net = make(image_size=32).eval()
    values, other = given(net), torch.randn(2, *net.noise_shape(32, 32))
    expected = [call(net, values), call(net, {**values, "noise": other})]
    state = net.encode(values["source"], label=values["label"])
    monkeypatch.setattr(net.encoder, "forward", None)
    assert torch.equal(net.decode(state, values["noise"]), expected[0])
    assert torch.equal(net.decode(state, other), expected[1])
    assert not torch.allclose(expected[0], expected[1])


@each_generator
def test_noise_is_drawn_when_none_is_given(make: Any) -> None:
    net = make(image_size=32).eval()
    values = given(net)
    torch.manual_seed(3)
    drawn = net(values["source"], label=values["label"])
    torch.manual_seed(3)
    noise = torch.randn(2, *net.noise_shape(32, 32))
    assert torch.equal(drawn, call(net, {**values, "noise": noise}))


@each_generator
def test_eval_output_does_not_depend_on_batch_mates(make: Any) -> None:
    net = make(image_size=32)
    values = given(net, batch=4)
    call(net, values)
    net.eval()
    alone = call(net, {name: value[2:3] for name, value in values.items()})
    assert torch.allclose(call(net, values)[2:3], alone, atol=1e-6)


@each_generator
def test_train_mode_repeats_itself(make: Any) -> None:
    net = make(image_size=32)
    values = given(net)
    assert torch.equal(call(net, values), call(net, values))


@each_generator
def test_blank_sketch_is_finite_forward_and_backward(make: Any) -> None:
    net = make(image_size=32)
    values = given(net) | {"source": -torch.ones(2, 1, 32, 32)}
    out = call(net, values)
    out.square().sum().backward()
    assert out.isfinite().all()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@each_generator
def test_bfloat16_autocast_is_finite_and_near_float32(make: Any) -> None:
    net = make(image_size=16).eval()
    values = given(net, size=16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = call(net, values)
    assert out.dtype == torch.bfloat16
    assert torch.allclose(out.float(), call(net, values), atol=0.05)


@each_generator
def test_weights_round_trip_and_copy(make: Any) -> None:
    net, other = make(image_size=16), make(image_size=16).eval()
    values = given(net, size=16)
    call(net, values)
    other.load_state_dict(net.state_dict(), strict=True)
    expected = call(net.eval(), values)
    assert torch.equal(call(other, values), expected)
    assert torch.equal(call(copy.deepcopy(net), values), expected)


@each_generator
def test_double_precision_noise_follows_the_source(make: Any) -> None:
    net = make(image_size=16).double().eval()
    assert net(torch.rand(1, 1, 16, 16).double(), label=torch.tensor([0])).dtype == torch.float64


@pytest.mark.parametrize("make", [MAKERS[0], MAKERS[2]], ids=["label", "official"])
@pytest.mark.parametrize(
    ("label", "said"),
    [(None, "needs a label"), ([0, 5], "label 5 is outside 0 .. 4"), ([-1, 0], "label -1")],
)
def test_a_wrong_label_is_explained(make: Any, label: list[int] | None, said: str) -> None:
    net = make(image_size=16)
    with pytest.raises(ConfigError, match=said):
        net(torch.rand(2, 1, 16, 16), label=None if label is None else torch.tensor(label))


@each_generator
def test_a_size_that_does_not_divide_is_explained(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"18x32 does not divide by"):
        make(image_size=32)(torch.rand(1, 1, 18, 32), label=torch.tensor([0]))


@each_generator
@pytest.mark.parametrize("size", [0, 8, 48, 65])
def test_an_image_size_off_the_grid_is_explained(make: Any, size: int) -> None:
    with pytest.raises(ConfigError, match=r"use one of 16, 32, 64"):
        make(image_size=size)


@pytest.mark.parametrize("cls", [MRUGenerator, OfficialMRUGenerator])
def test_every_option_has_a_default(cls: type) -> None:
    assert all(p.default is not p.empty for p in inspect.signature(cls).parameters.values())
