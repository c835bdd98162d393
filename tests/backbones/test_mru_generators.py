"""Both masked residual generators: what they promise, at a narrow width; the layers of each, counted by hand."""

from __future__ import annotations

import copy
import inspect
from functools import partial
from typing import Any

import pytest
import torch
from sketchkit_plugins.backbones.mru_generator import LabelMap, MRUGenerator
from sketchkit_plugins.backbones.mru_official_generator import OfficialMRUGenerator
from sketchkit_plugins.backbones.mru_trunk import image_pyramid
from sketchkit_plugins.layers.activation import SmoothReLU
from sketchkit_plugins.layers.upsampling import UPSAMPLINGS
from sketchkit_plugins.metrics.checkerboard import checkerboard
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


# The Sketch2Img generator.


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
            spread = 5 * 0.02 / layer.weight.numel() ** 0.5  # of the mean; that of the deviation is smaller
            assert abs(layer.weight.std().item() - 0.02) < spread
            assert abs(layer.weight.mean().item()) < spread


def test_the_published_upsampling_is_a_transposed_convolution_of_2_by_2() -> None:
    decoder = MRUGenerator(image_size=32, width=2, num_classes=2).decoder
    for layer, (below, here) in zip(decoder.ups, [(4, 2), (8, 4)], strict=True):
        assert isinstance(layer, nn.ConvTranspose2d)
        assert layer.weight.shape == (below, here, 2, 2)
        assert (layer.stride, layer.padding, layer.output_padding) == ((2, 2), (0, 0), (0, 0))


@pytest.mark.parametrize("name", [*UPSAMPLINGS, {"type": "nearest"}])
def test_every_upsampling_learns_in_the_generator(name: Any) -> None:
    net = MRUGenerator(image_size=32, width=2, num_classes=5, in_channels=1, upsampling=name)
    out = call(net, given(net))
    out.square().sum().backward()
    assert out.shape == (2, 3, 32, 32)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.decoder.ups.parameters())


@pytest.mark.parametrize(("name", "has_grid"), [("transposed", True), ("resize", False), ("bilinear", False)])
def test_a_flat_sketch_is_drawn_without_a_grid_but_by_transposed_convolutions(name: str, has_grid: bool) -> None:
    net = MRUGenerator(image_size=32, width=4, num_classes=1, start="sketch", norm=None, upsampling=name)
    strengthen(net)
    with torch.no_grad():
        out = net(torch.ones(1, 3, 128, 128), noise=torch.ones(1, 16, 32, 32))
    middle = out[..., 56:72, 56:72].double()  # which sees no border
    assert (middle.std((2, 3)).max() > 1e-3) == has_grid
    assert not has_grid or checkerboard(middle, 4).item() == pytest.approx(1)  # of two doublings


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'sketch'"):
        MRUGenerator(start="skecth")


# The released generator.


def test_released_weights_start_from_the_released_distributions() -> None:
    """Convolutions N(0, 0.02), the linear layer Glorot's uniform, scales 1, gates of v3 units 0.5, the rest 0."""
    net = OfficialMRUGenerator(num_classes=3)
    drawn = torch.cat([layer.weight.flatten() for layer in net.modules() if isinstance(layer, nn.Conv2d)]).detach()
    assert len(drawn) > 2e7
    assert abs(drawn.std().item() / 0.02 - 1) < 1e-3
    assert abs((drawn.abs() < 0.02).double().mean().item() - 0.6827) < 1e-3  # of a normal distribution
    linear, bound = net.noise_map.linear.weight.detach(), (6 / (256 + 64 * 4 * 4)) ** 0.5
    assert 0.999 * bound < linear.abs().max() <= bound
    assert abs(linear.square().mean().item() / (bound**2 / 3) - 1) < 0.01
    assert abs((linear.abs() < bound / 2).double().mean().item() - 0.5) < 0.01  # of a uniform one
    for name, values in net.named_parameters():
        if name.endswith("bias"):
            assert values.eq(0.5 if ".gate." in name else 0).all(), name
        elif ".norm." in name:
            assert values.eq(1 if "gamma" in name else 0).all(), name


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
    # TensorFlow's SAME: output o sees inputs 2 o - 2 to 2 o + 4.
    wide = torch.zeros(2, 3, 40, 40)
    wide[..., 2:34, 2:34] = i32
    h0 = net.stem(wide)[..., :16, :16]
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
