"""Penalties against heads whose gradient is known, and against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sketchkit_plugins.losses.gradient_penalty import (
    NEIGHBORS,
    DRAGANPenalty,
    GradientPenalty,
    R1Penalty,
    R2Penalty,
)
from torch import Tensor, nn

from sketchkit.errors import ConfigError
from sketchkit.registry import HeadOutput

W = torch.tensor([0.3, -0.4], dtype=torch.float64).view(1, 2, 1, 1)
NORM = (16 * (0.3**2 + 0.4**2)) ** 0.5  # 2: of a linear head's gradient over a picture of 2 x 4 x 4


def linear(image: Tensor) -> HeadOutput:
    """Patch logits whose sum over a picture has gradient W at each of its 4 x 4 pixels."""
    return HeadOutput((image * W).sum(1, keepdim=True))


def evaluate(loss: nn.Module, target: Tensor, fake: Tensor, head: Callable[[Tensor], HeadOutput]) -> Tensor:
    if isinstance(loss, R2Penalty):
        return loss(fake, head)
    return loss(target, fake, head) if isinstance(loss, GradientPenalty) else loss(target, head)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (DRAGANPenalty(), (NORM - 1) ** 2),
        (DRAGANPenalty(perturbation="noise", center=0.5), (NORM - 0.5) ** 2),
        (DRAGANPenalty(center=3.0), (NORM - 3) ** 2),
        (DRAGANPenalty(center=3.0, one_sided=True), 0.0),
        (DRAGANPenalty(one_sided=True), (NORM - 1) ** 2),
        (GradientPenalty(), (NORM - 1) ** 2),
        (GradientPenalty(center=0.0), NORM**2),
        (R1Penalty(), NORM**2 / 2),
        (R2Penalty(), NORM**2 / 2),
    ],
)
def test_a_linear_head(loss: nn.Module, expected: float, target: Tensor, fake: Tensor) -> None:
    assert evaluate(loss, target, fake, linear).item() == pytest.approx(expected)


def test_the_norm_is_taken_for_each_picture(target: Tensor) -> None:
    def head(image: Tensor) -> HeadOutput:
        return HeadOutput(image.flatten(1).pow(2).sum(1, keepdim=True) / 2)  # gradient: the picture itself

    norms = target.flatten(1).pow(2).sum(1)
    torch.testing.assert_close(R1Penalty()(target, head), norms.mean() / 2)
    torch.testing.assert_close(R2Penalty()(target, head), norms.mean() / 2)
    torch.testing.assert_close(DRAGANPenalty(scale=0.0)(target, head), ((norms.sqrt() - 1) ** 2).mean())


@pytest.mark.parametrize(
    "loss",
    [DRAGANPenalty(), DRAGANPenalty(perturbation="noise", scale=0.1), GradientPenalty(), R1Penalty(), R2Penalty()],
)
def test_the_gradient_to_the_head_agrees_with_finite_differences(
    loss: nn.Module, target: Tensor, fake: Tensor, head: nn.Module
) -> None:
    def value() -> Tensor:
        torch.manual_seed(1)
        return evaluate(loss, target, fake, head)

    value().backward()
    for parameter in (head.body[0].weight, head.body[0].bias, head.body[2].weight):
        flat, step = parameter.data.view(-1), 1e-6
        for index in range(0, flat.numel(), 5):
            kept = flat[index].item()
            flat[index] = kept + step
            above = value().item()
            flat[index] = kept - step
            slope = (above - value().item()) / (2 * step)
            flat[index] = kept
            assert parameter.grad.view(-1)[index].item() == pytest.approx(slope, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("loss", [DRAGANPenalty(), GradientPenalty(), R1Penalty(), R2Penalty()])
def test_a_flat_head_has_a_finite_gradient(loss: nn.Module, target: Tensor, fake: Tensor, head: nn.Module) -> None:
    nn.init.zeros_(head.body[2].weight)
    value = evaluate(loss, target, fake, head)
    value.backward()
    assert value.item() == (0.0 if isinstance(loss, R1Penalty | R2Penalty) else 1.0)
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())


@pytest.mark.parametrize("loss", [DRAGANPenalty(), GradientPenalty(), R1Penalty(), R2Penalty()])
def test_it_works_without_a_graph(loss: nn.Module, target: Tensor, fake: Tensor, head: nn.Module) -> None:
    with torch.no_grad():
        assert not evaluate(loss, target, fake, head).requires_grad
    assert evaluate(loss, target, fake, head).requires_grad


def test_autocast_does_not_reach_the_penalty(target: Tensor) -> None:
    layer = nn.Conv2d(2, 1, 3)
    seen = []

    def head(image: Tensor) -> HeadOutput:
        seen.append(layer(image))
        return HeadOutput(seen[-1])

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(target.float()).dtype == torch.bfloat16
        value = R1Penalty()(target.bfloat16(), head)
    assert value.dtype == seen[0].dtype == torch.float32


def points(loss: nn.Module, target: Tensor, fake: Tensor) -> Tensor:
    """Where the penalty looks."""
    seen = []

    def head(image: Tensor) -> HeadOutput:
        seen.append(image.detach())
        return HeadOutput(image.sum((1, 2, 3)).view(-1, 1))

    evaluate(loss, target, fake, head)
    return seen[0]


def test_dragan_interpolates_above_the_target() -> None:
    target = torch.randn(4000, 1, 2, 2) * 3
    shift = (points(DRAGANPenalty(scale=0.5), target, target) - target) / (0.5 * 3)
    assert shift.min() >= -1e-5 and shift.max() < 1.03  # a * U with both in [0, 1), std estimated
    assert shift.mean() == pytest.approx(1 / 4, abs=0.01)  # E[a] E[U]
    assert (shift**2).mean() == pytest.approx(1 / 9, abs=0.01)  # E[a^2] E[U^2]
    # Two pixels of a picture share a: E[a^2] E[U]^2, where independent ones would give 1/16.
    assert (shift[:, 0, 0, 0] * shift[:, 0, 1, 1]).mean() == pytest.approx(1 / 12, abs=0.007)


def test_dragan_noise_has_the_covariance_asked_for() -> None:
    target = torch.zeros(4000, 1, 2, 2)
    shift = points(DRAGANPenalty(perturbation="noise", scale=0.25), target, target)
    assert shift.mean() == pytest.approx(0, abs=0.02)
    assert shift.var() == pytest.approx(0.25, rel=0.05)


def test_gradient_penalty_looks_between_target_and_fake() -> None:
    target, fake = torch.ones(2000, 1, 2, 2), torch.full((2000, 1, 2, 2), -1.0)
    seen = points(GradientPenalty(), target, fake)
    assert (seen == seen[:, :, :1, :1]).all()  # one share a picture
    share = (seen[:, 0, 0, 0] + 1) / 2
    assert share.min() >= 0 and share.max() <= 1
    assert share.mean() == pytest.approx(0.5, abs=0.03) and share.var() == pytest.approx(1 / 12, abs=0.01)


@pytest.mark.parametrize("kind", [DRAGANPenalty, GradientPenalty, R1Penalty, R2Penalty])
def test_they_say_that_samples_must_be_independent(kind: type) -> None:
    assert kind.needs_independent_samples is True


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'noise'"):
        DRAGANPenalty(perturbation="nois")
    assert set(NEIGHBORS) == {"interpolate", "noise"}
