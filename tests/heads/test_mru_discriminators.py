"""What both masked residual discriminators promise, at a narrow width."""

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
    layers = [m for m in head.modules() if isinstance(m, (nn.Conv2d, nn.Linear, nn.Embedding))]
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
