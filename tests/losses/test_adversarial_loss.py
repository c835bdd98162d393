"""Each mode against its formula, finite differences, and the statistics of drawn labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sketchkit_plugins.losses.adversarial import GAMES, LABELED, AdversarialLoss
from torch import Tensor

from sketchkit.errors import ConfigError
from sketchkit.registry import HeadOutput

MODES = sorted([*GAMES, *LABELED])
REAL = torch.tensor([[[[0.5, -1.5]]], [[[2.0, 0.0]]]], dtype=torch.float64)
FAKE = torch.tensor([[[[-0.3, 1.2]]], [[[-2.5, 0.7]]]], dtype=torch.float64)


def log_sigmoid(x: Tensor) -> Tensor:
    return torch.log(1 / (1 + torch.exp(-x)))


def logistic() -> tuple[Tensor, Tensor]:
    """-log D(real) - log(1 - D(fake)), and the generator's -log D(fake)."""
    return -log_sigmoid(REAL).mean() - torch.log(1 - torch.exp(log_sigmoid(FAKE))).mean(), -log_sigmoid(FAKE).mean()


FORMULAS = {
    "vanilla": logistic(),
    "nonsaturating": logistic(),
    "softplus": logistic(),
    "lsgan": (((REAL - 1) ** 2).mean() + (FAKE**2).mean(), ((FAKE - 1) ** 2).mean()),
    "hinge": ((1 - REAL).clamp(min=0).mean() + (1 + FAKE).clamp(min=0).mean(), -FAKE.mean()),
    "wgan": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
}


def play(loss: AdversarialLoss, fake: Tensor, real: Tensor | None = None) -> Tensor:
    return loss(HeadOutput(fake), None if real is None else HeadOutput(real))


@pytest.mark.parametrize("mode", MODES)
def test_both_players_pay_by_the_formula(mode: str) -> None:
    loss = AdversarialLoss(mode)
    discriminator, generator = FORMULAS[mode]
    torch.testing.assert_close(play(loss, FAKE, REAL), discriminator)
    torch.testing.assert_close(play(loss, FAKE), generator)


@pytest.mark.parametrize("mode", MODES)
def test_gradients(mode: str) -> None:
    loss = AdversarialLoss(mode)
    fake, real = FAKE.clone().requires_grad_(), REAL.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda f, r: play(loss, f, r), (fake, real))
    assert torch.autograd.gradcheck(lambda f: play(loss, f), (fake,))


@pytest.mark.parametrize("mode", MODES)
def test_huge_logits_stay_finite(mode: str) -> None:
    logits = torch.tensor([[-1e4], [1e4]])
    assert play(AdversarialLoss(mode), logits, logits).isfinite()


def test_hinge_pays_nothing_beyond_the_margin() -> None:
    real, fake = torch.tensor([[1.1], [5.0]]).requires_grad_(), torch.tensor([[-1.1], [-9.0]]).requires_grad_()
    value = play(AdversarialLoss("hinge"), fake, real)
    value.backward()
    assert value == 0
    assert not real.grad.any() and not fake.grad.any()


@pytest.mark.parametrize("mode", sorted(LABELED))
def test_soft_labels_change_the_discriminator_only(mode: str) -> None:
    soft = AdversarialLoss(mode, real_label=0.9, fake_label=0.2)
    entropy = -(0.9 * log_sigmoid(REAL) + 0.1 * log_sigmoid(-REAL)).mean()
    entropy = entropy - (0.2 * log_sigmoid(FAKE) + 0.8 * log_sigmoid(-FAKE)).mean()
    squares = ((REAL - 0.9) ** 2).mean() + ((FAKE - 0.2) ** 2).mean()
    torch.testing.assert_close(play(soft, FAKE, REAL), entropy if mode == "vanilla" else squares)
    torch.testing.assert_close(play(soft, FAKE), FORMULAS[mode][1])


def drawn_labels(*shape: int, mode: str = "lsgan", **options: Any) -> Tensor:
    """What real pictures were called, read back from the gradient at logits 0: -2 label / n, or (1/2 - label) / n."""
    logits = torch.zeros(shape or (20000, 1), dtype=torch.float64, requires_grad=True)
    play(AdversarialLoss(mode, **options), torch.zeros(1, 1, dtype=torch.float64), logits).backward()
    slope = logits.grad * logits.numel()
    return -slope / 2 if mode == "lsgan" else 0.5 - slope


def test_labels_are_drawn_from_the_range() -> None:
    labels = drawn_labels(real_label=(0.7, 1.2))
    assert 0.7 <= labels.min() < 0.701 and 1.199 < labels.max() < 1.2
    assert labels.mean() == pytest.approx(0.95, abs=4 * 0.5 / 12**0.5 / 20000**0.5)


def test_flips_come_as_often_as_asked() -> None:
    labels = drawn_labels(flip_probability=0.1)
    assert set(labels.round(decimals=9).abs().flatten().tolist()) == {0.0, 1.0}
    assert (labels < 0.5).double().mean() == pytest.approx(0.1, abs=4 * (0.09 / 20000) ** 0.5)


def test_noise_has_the_deviation_asked_for() -> None:
    labels = drawn_labels(label_noise=0.3)
    assert labels.std() == pytest.approx(0.3, rel=0.03)
    assert labels.mean() == pytest.approx(1.0, abs=0.01)


def test_always_flipping_swaps_real_and_fake() -> None:
    flipped, plain = AdversarialLoss(flip_probability=1.0), AdversarialLoss()
    torch.testing.assert_close(play(flipped, FAKE, REAL), play(plain, REAL, FAKE))


def test_patches_of_a_picture_share_its_label() -> None:
    options = dict(real_label=(0.0, 1.0), label_noise=0.5, flip_probability=0.5)
    labels = drawn_labels(50, 1, 3, 3, mode="vanilla", **options)
    torch.testing.assert_close(labels, labels[:, :, :1, :1].expand_as(labels))
    assert labels[:, 0, 0, 0].unique().numel() > 10
    assert labels.min() > -1e-9 and labels.max() < 1 + 1e-9  # probabilities, whatever the noise


@pytest.mark.parametrize("mode", sorted(GAMES))
@pytest.mark.parametrize(
    "option", [dict(real_label=0.9), dict(fake_label=(0, 0.1)), dict(label_noise=0.1), dict(flip_probability=0.1)]
)
def test_modes_without_labels_refuse_label_options(mode: str, option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"mode='{mode}' has no labels"):
        AdversarialLoss(mode, **option)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(mode="hing"), "did you mean 'hinge'"),
        (dict(real_label=1.2), "probabilities"),
        (dict(real_label=(0.9, 0.7)), "neither a number nor"),
        (dict(flip_probability=1.5), "flip_probability must lie"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AdversarialLoss(**options)
