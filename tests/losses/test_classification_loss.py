"""The auxiliary classifier's loss against hand counts and kornia's focal loss."""

from __future__ import annotations

import math

import kornia
import pytest
import torch
from sketchkit_plugins.losses.classification import AuxiliaryClassificationLoss

from sketchkit.errors import ConfigError
from sketchkit.registry import HeadOutput

LABEL = torch.tensor([0, 2])
# probabilities 2/4, 1/4, 1/4 and 1/8, 2/8, 5/8
FAKE = torch.log(torch.tensor([[2.0, 1.0, 1.0], [1.0, 2.0, 5.0]], dtype=torch.float64))
# probabilities 1/10, 4/10, 5/10 and 1/4, 1/4, 2/4
REAL = torch.log(torch.tensor([[1.0, 4.0, 5.0], [1.0, 1.0, 2.0]], dtype=torch.float64))
ON_FAKE = -(math.log(2 / 4) + math.log(5 / 8)) / 2
ON_REAL = -(math.log(1 / 10) + math.log(2 / 4)) / 2


def output(logits: torch.Tensor | None) -> HeadOutput:
    return HeadOutput(torch.zeros(2, 1), logits)


def test_each_player_pays_for_its_own_pictures() -> None:
    loss = AuxiliaryClassificationLoss()
    assert loss(LABEL, output(FAKE)).item() == pytest.approx(ON_FAKE)
    assert loss(LABEL, output(FAKE), output(REAL)).item() == pytest.approx(ON_REAL)
    both = AuxiliaryClassificationLoss(on_fake=True)
    assert both(LABEL, output(FAKE), output(REAL)).item() == pytest.approx(ON_REAL + ON_FAKE)


def test_real_pictures_may_have_labels_of_their_own() -> None:
    on_real = -(math.log(4 / 10) + math.log(1 / 4)) / 2
    loss, real_label = AuxiliaryClassificationLoss(on_fake=True), torch.tensor([1, 1])
    assert loss(LABEL, output(FAKE), output(REAL), real_label).item() == pytest.approx(on_real + ON_FAKE)


def test_focal_form_by_hand() -> None:
    expected = -((1 / 2) ** 2 * math.log(1 / 2) + (3 / 8) ** 2 * math.log(5 / 8)) / 2
    assert AuxiliaryClassificationLoss(focal_gamma=2)(LABEL, output(FAKE)).item() == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_form_agrees_with_kornia(gamma: float) -> None:
    logits, label = torch.randn(16, 5, dtype=torch.float64), torch.randint(5, (16,))
    expected = (
        kornia.losses.focal_loss(logits, label, alpha=None, gamma=gamma, reduction="sum") / 16
    )  # its mean is over classes too
    # kornia up to 0.8 adds 1e-6 to the probabilities.
    torch.testing.assert_close(AuxiliaryClassificationLoss(gamma)(label, output(logits)), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradients(gamma: float) -> None:
    loss = AuxiliaryClassificationLoss(gamma, on_fake=True)
    inputs = (FAKE.clone().requires_grad_(), REAL.clone().requires_grad_())
    assert torch.autograd.gradcheck(lambda fake, real: loss(LABEL, output(fake), output(real)), inputs)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_certain_classifier_has_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0], [0.0, -200.0]], requires_grad=True)
    AuxiliaryClassificationLoss(gamma)(torch.tensor([0, 1]), output(logits)).backward()
    assert logits.grad.isfinite().all()


def test_a_head_without_classes_is_refused() -> None:
    with pytest.raises(ConfigError, match="use a head with classes") as caught:
        AuxiliaryClassificationLoss()(LABEL, output(None))
    assert "\n" not in str(caught.value)


def test_a_negative_gamma_is_refused() -> None:
    with pytest.raises(ConfigError, match="focal_gamma=-1"):
        AuxiliaryClassificationLoss(focal_gamma=-1)
