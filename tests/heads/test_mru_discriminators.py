"""Both masked residual discriminators: what they promise, at a narrow width; the layers of each, counted by hand."""

from __future__ import annotations

import copy
import inspect
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sketchkit_plugins.heads.mru_discriminator import MRUDiscriminator
from sketchkit_plugins.heads.mru_official_discriminator import OfficialMRUDiscriminator
from sketchkit_plugins.metrics.checkerboard import checkerboard
from torch import Tensor, nn

from sketchkit.errors import ConfigError
from sketchkit.registry import HeadOutput

SEED = partial(MRUDiscriminator, width=4, num_classes=5, image_size=16)
OFFICIAL = partial(OfficialMRUDiscriminator, width=4, num_classes=5, image_size=16)
each_head = pytest.mark.parametrize("make", [SEED, OFFICIAL], ids=["seed", "official"])
LABEL = torch.tensor([1, 4, 0])


def judge(head: nn.Module, image: Tensor) -> HeadOutput:
    source = torch.linspace(-1, 1, image.numel(), dtype=image.dtype).view_as(image)
    return head(image, source, LABEL[: len(image)])


def pictures(size: int = 16, batch: int = 3) -> Tensor:
    return torch.rand(batch, 3, size, size) * 2 - 1


@each_head
@pytest.mark.parametrize("size", [64, 128, 256])
def test_shapes_at_every_size(make: Any, size: int) -> None:
    with torch.no_grad():
        out = judge(make(image_size=size).eval(), pictures(size, batch=1))
    assert out.logits.shape in {(1, 1), (1, 1, 4, 4)}
    assert out.class_logits is not None
    assert out.class_logits.shape == (1, 5)
    sizes = [m.shape[-1] for m in out.features]
    assert sizes == [sizes[0] // 2**level for level in range(len(sizes))]


@each_head
@pytest.mark.parametrize("class_head", ["auxiliary", "projection", None])
@pytest.mark.parametrize("spectral_norm", [True, False])
def test_gradients_reach_every_weight(make: Any, class_head: str | None, spectral_norm: bool) -> None:
    head = make(class_head=class_head, spectral_norm=spectral_norm)
    out = judge(head, pictures())
    assert (out.class_logits is None) == (class_head != "auxiliary")
    loss = out.logits.square().sum() + (0 if out.class_logits is None else out.class_logits.square().sum())
    loss.backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@each_head
def test_spectral_norm_bounds_every_layer(make: Any) -> None:
    head = make(class_head="projection")
    # The report normalizes convolutions alone, each mask by itself; the released code all weights.
    kinds = nn.Conv2d if make is SEED else (nn.Conv2d, nn.Linear, nn.Embedding)
    layers = [m for m in head.modules() if isinstance(m, kinds)]
    assert make is not SEED or len(layers) == 2 * 4 + 1, "the first unit does without `kept` where channels agree"
    for _ in range(150):
        judge(head, pictures())
    head.eval()
    for layer in layers:
        top = np.linalg.svd(layer.weight.detach().flatten(1).numpy(), compute_uv=False)[0]
        assert top == pytest.approx(1, abs=0.03)


@each_head
def test_power_iteration_rests_in_eval_mode(make: Any) -> None:
    head = make()
    vectors = {name: value.clone() for name, value in head.named_buffers()}
    assert vectors
    first, second = (judge(head.eval(), pictures().fill_(0.5)) for _ in range(2))
    assert torch.equal(first.logits, second.logits)
    assert all(torch.equal(value, vectors[name]) for name, value in head.named_buffers())
    judge(head.train(), pictures())
    assert not all(torch.equal(value, vectors[name]) for name, value in head.named_buffers())


@each_head
def test_gradient_penalty_reaches_every_weight(make: Any) -> None:
    head = make(class_head=None)
    image = pictures().requires_grad_()
    (slope,) = torch.autograd.grad(judge(head, image).logits.sum(), image, create_graph=True)
    penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    penalty.backward()
    for name, parameter in head.named_parameters():
        # The penalty does not see a bias after which everything is linear; its gradient is then absent.
        assert name.endswith("bias") or (parameter.grad is not None and parameter.grad.any()), name


@each_head
def test_second_derivatives_against_finite_differences(make: Any) -> None:
    head = make(class_head=None, width=2).double().eval()
    image = pictures(batch=1).double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: judge(head, x).logits, (image,), fast_mode=True)


@each_head
def test_frozen_head_still_passes_gradients_to_the_picture(make: Any) -> None:
    head = make().requires_grad_(False)
    image = pictures().requires_grad_()
    judge(head, image).logits.sum().backward()
    assert image.grad is not None
    assert image.grad.any()
    assert all(p.grad is None for p in head.parameters())
    head.requires_grad_(True)
    judge(head, image).logits.sum().backward()
    assert all(p.grad is not None for name, p in head.named_parameters() if not name.startswith("classes"))


@each_head
def test_two_forwards_can_share_one_backward(make: Any) -> None:
    head = make()
    (judge(head, pictures()).logits.sum() - judge(head, pictures()).logits.sum()).backward()


@each_head
def test_weights_round_trip_and_copy(make: Any) -> None:
    head, other = make(), make().eval()
    image = pictures()
    judge(head, image)
    other.load_state_dict(head.state_dict(), strict=True)
    expected = judge(head.eval(), image).logits
    assert torch.equal(judge(other, image).logits, expected)
    assert torch.equal(judge(copy.deepcopy(head), image).logits, expected)


@each_head
def test_a_sample_never_depends_on_its_batch(make: Any) -> None:
    head = make().eval()
    image, source = pictures(), pictures()
    together, alone = head(image, source).logits, head(image[:1], source[:1]).logits
    assert torch.allclose(together[:1], alone, atol=1e-6)


@each_head
def test_blank_pictures_are_finite_forward_and_backward(make: Any) -> None:
    head, image = make(), -torch.ones(2, 3, 16, 16)
    image.requires_grad_()
    out = head(image, -torch.ones(2, 3, 16, 16))
    out.logits.sum().backward()
    assert out.logits.isfinite().all()
    assert image.grad is not None
    assert image.grad.isfinite().all()


@each_head
def test_bfloat16_autocast_is_near_float32(make: Any) -> None:
    head, image = make().train(), pictures()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        judge(head, image).logits.sum().backward()
        low = judge(head.eval(), image).logits
    assert torch.allclose(low.float(), judge(head, image).logits, atol=0.1)
    assert all(p.grad.isfinite().all() for name, p in head.named_parameters() if not name.startswith("classes"))


@each_head
def test_a_projection_head_needs_labels_in_range(make: Any) -> None:
    head = make(class_head="projection")
    for label, said in ((None, "needs a label"), (torch.tensor([1, 5, 0]), "label 5 is outside 0 .. 4")):
        with pytest.raises(ConfigError, match=said):
            head(pictures(), pictures(), label)


@each_head
def test_an_unknown_class_head_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError, match="did you mean 'projection'"):
        make(class_head="projecton")


@pytest.mark.parametrize("cls", [MRUDiscriminator, OfficialMRUDiscriminator])
def test_every_option_has_a_default(cls: type) -> None:
    assert all(p.default is not p.empty for p in inspect.signature(cls).parameters.values())


# The Sketch2Img discriminator.


def conv3(before: int, after: int) -> int:
    return 9 * before * after + after


def unit(x: int, image: int, y: int) -> int:
    """Mask m, mask n, new features, x path."""
    return conv3(x + image, x) + conv3(x + image, y) + conv3(x + image, y) + conv3(x, y)


def count(**options: object) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in MRUDiscriminator(**options).parameters())


def test_parameters_are_10_0_million_at_125_classes() -> None:
    units = unit(6, 6, 64) + unit(64, 6, 128) + unit(128, 6, 256) + unit(256, 6, 512)
    downs = sum(4 * c * c + c for c in (64, 128, 256))
    flat = 512 * 8 * 8
    expected = units + downs + (flat + 1) + (125 * flat + 125)
    assert expected == 10_034_636
    assert count() == count(spectral_norm=False) == expected
    assert count(class_head=None, spectral_norm=False) == expected - (125 * flat + 125)
    assert count(class_head="projection", spectral_norm=False) == expected - (125 * flat + 125) + 125 * 512
    assert count(norm="batch", spectral_norm=False) == expected + 2 * 2 * (64 + 128 + 256 + 512)


def narrow_seed(**options: object) -> MRUDiscriminator:
    return MRUDiscriminator(image_size=16, width=2, num_classes=3, **options).eval()


def test_trunk_starts_from_and_sees_picture_and_sketch() -> None:
    head = narrow_seed()
    seen: list[tuple[Tensor, ...]] = []
    for layer in head.trunk.units:
        layer.register_forward_pre_hook(lambda _, args: seen.append(args))
    image, source = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    head(image, source)
    joint = torch.cat([image, source], 1)
    assert torch.equal(seen[0][0], joint)
    assert torch.equal(seen[0][1], joint)
    assert torch.allclose(seen[1][1], joint.reshape(2, 6, 8, 2, 8, 2).mean((3, 5)), atol=1e-6)


def test_linear_heads_read_the_flattened_last_map() -> None:
    head = narrow_seed()
    out = head(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
    flat = out.features[-1].reshape(2, -1)
    assert isinstance(head.classes, nn.Linear)
    assert torch.allclose(out.logits, flat @ head.real.weight.T + head.real.bias, atol=1e-6)
    assert torch.allclose(out.class_logits, flat @ head.classes.weight.T + head.classes.bias, atol=1e-6)


def test_projection_adds_the_class_vector_times_pooled_features() -> None:
    head = narrow_seed(class_head="projection")
    label = torch.tensor([2, 0])
    out = head(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), label)
    last = out.features[-1]
    assert head.projection is not None
    for b in range(2):
        plain = last[b].flatten() @ head.real.weight[0] + head.real.bias[0]
        vector = head.projection.table.weight[label[b]]
        inner = sum(vector[c] * last[b, c].mean() for c in range(len(vector)))
        assert torch.allclose(out.logits[b, 0], plain + inner, atol=1e-6)


def test_picture_alone() -> None:
    head = narrow_seed(source_channels=0)
    image = torch.rand(2, 3, 16, 16)
    assert torch.equal(head(image).logits, head(image, torch.rand(2, 3, 16, 16)).logits)


def test_a_missing_sketch_and_a_wrong_size_are_explained() -> None:
    with pytest.raises(ConfigError, match="give source"):
        narrow_seed()(torch.rand(2, 3, 16, 16))
    with pytest.raises(ConfigError, match="built for 16x16 and got 32x16"):
        narrow_seed()(torch.rand(2, 3, 32, 16), torch.rand(2, 3, 32, 16))


def test_conditional_norm_is_refused() -> None:
    with pytest.raises(ConfigError, match="norm='conditional_batch'"):
        narrow_seed(norm="conditional_batch")


@pytest.mark.parametrize(("antialias", "least", "most"), [(False, 0.035, 1.0), (True, 0.0, 0.025)])
def test_antialiasing_keeps_the_grid_out_of_gradients(antialias: bool, least: float, most: float) -> None:
    """Untrained, strided convolutions leave what white noise has of it, 0.06, and training raises that."""
    head = MRUDiscriminator(image_size=32, width=8, num_classes=3, antialias=antialias, spectral_norm=False)
    for layer in head.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    image = pictures(32, batch=8).requires_grad_()
    (gradient,) = torch.autograd.grad(judge_many(head, image), image)
    assert least < checkerboard(gradient.double()).mean() < most


def judge_many(head: nn.Module, image: Tensor) -> Tensor:
    return head(image, torch.zeros_like(image)).logits.sum()


# The released discriminator.


def conv(kernel: int, before: int, after: int) -> int:
    return kernel**2 * before * after + after


def v3(x: int, y: int) -> int:
    """Gate, image features, two convolutions, shortcut."""
    return conv(3, x + 3, x) + conv(3, 3, x) + conv(3, x, y) + conv(3, y, y) + conv(1, x, y)


def test_parameters_are_17_2_million_at_50_classes() -> None:
    trunk = conv(7, 3, 8) + v3(8, 128) + v3(128, 256) + v3(256, 512) + v3(512, 768)
    slopes = 1 + 3 * 4 + 1  # one PReLU after the stem, three a unit, one at the end
    expected = trunk + slopes + conv(1, 768, 1) + (768 * 50 + 50)
    assert expected == 17_178_977
    with torch.device("meta"):
        assert sum(p.numel() for p in OfficialMRUDiscriminator().parameters()) == expected


def narrow_official(**options: object) -> OfficialMRUDiscriminator:
    return OfficialMRUDiscriminator(width=2, num_classes=3, **options).eval()


def test_maps_lead_from_32_to_4_and_patches_follow_the_picture() -> None:
    head = narrow_official()
    out = head(torch.rand(2, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in out.features] == [(4, 32, 32), (8, 16, 16), (16, 8, 8), (24, 4, 4)]
    assert out.logits.shape == (2, 1, 4, 4)
    assert head(torch.rand(1, 3, 96, 64)).logits.shape == (1, 1, 6, 4)


def test_source_is_not_looked_at() -> None:
    head, image = narrow_official(), torch.rand(2, 3, 64, 64)
    assert torch.equal(head(image).logits, head(image, torch.rand(2, 3, 64, 64)).logits)


def test_class_logits_read_averaged_features() -> None:
    head = narrow_official()
    out = head(torch.rand(2, 3, 64, 64))
    assert isinstance(head.classes, nn.Linear)
    pooled = out.features[-1].flatten(2).mean(2)
    assert torch.allclose(out.class_logits, pooled @ head.classes.weight.T + head.classes.bias, atol=1e-6)


def test_projection_adds_the_inner_product_to_each_patch() -> None:
    head, label = narrow_official(class_head="projection"), torch.tensor([2, 0])
    out = head(torch.rand(2, 3, 64, 64), None, label)
    last, weight, bias = out.features[-1], head.real.weight[0, :, 0, 0], head.real.bias
    assert head.projection is not None
    assert bias is not None
    for b, y, x in ((0, 0, 0), (1, 3, 2)):
        place = last[b, :, y, x]
        expected = place @ weight + bias[0] + place @ head.projection.table.weight[label[b]]
        assert torch.allclose(out.logits[b, 0, y, x], expected, atol=1e-6)


def test_last_map_is_closed_by_a_prelu_of_slope_0_2() -> None:
    head = narrow_official()
    closing = head.trunk.last.activation
    assert torch.allclose(closing(torch.tensor([[-1.0], [2.0]])), torch.tensor([[-0.2], [2.0]]))


def test_released_judges_start_from_the_released_distributions() -> None:
    """Convolutions N(0, 0.02), the linear layer Glorot's uniform, class vectors N(0, 1)."""
    head = OfficialMRUDiscriminator(spectral_norm=False)
    drawn = torch.cat([layer.weight.flatten() for layer in head.modules() if isinstance(layer, nn.Conv2d)]).detach()
    assert abs(drawn.std().item() / 0.02 - 1) < 1e-3
    assert isinstance(head.classes, nn.Linear)
    classes, bound = head.classes.weight.detach(), (6 / (768 + 50)) ** 0.5
    assert 0.999 * bound < classes.abs().max() <= bound
    assert abs(classes.square().mean().item() / (bound**2 / 3) - 1) < 0.02
    projection = OfficialMRUDiscriminator(width=8, spectral_norm=False, class_head="projection").projection
    assert projection is not None
    assert abs(projection.table.weight.std().item() - 1) < 0.05
