"""Pixel distances and total variation against literal formulas and reference libraries."""

from __future__ import annotations

import math

import kornia
import pytest
import torch
from sketchkit_plugins.losses.pixel import CycleConsistencyLoss, IdentityLoss, PixelLoss
from sketchkit_plugins.losses.total_variation import FORMS, TotalVariationLoss
from torch import Tensor, nn

from sketchkit.errors import ConfigError

# One picture of one channel: down differences 2, -1; right differences 1, -2.
SMALL = torch.tensor([[[[0.0, 1.0], [2.0, 0.0]]]], dtype=torch.float64)


@pytest.mark.parametrize("kind", [PixelLoss, CycleConsistencyLoss, IdentityLoss])
@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_pixel_distances(kind: type[nn.Module], distance: str, reduction: str, fake: Tensor, target: Tensor) -> None:
    loss = kind(distance=distance, reduction=reduction)
    difference = (fake - target).abs() if distance == "l1" else (fake - target) ** 2
    expected = difference.sum() / (3 * 2 * 4 * 4 if reduction == "mean" else 1)
    torch.testing.assert_close(loss(fake, target), expected)
    assert torch.autograd.gradcheck(lambda image: loss(image, target), (fake.requires_grad_(),))


@pytest.mark.parametrize(
    ("penalty", "reduction", "expected"),
    [
        ("sqrt", "sum", math.sqrt(2**2 + 1**2)),  # the one pixel that has both neighbours
        ("sqrt", "mean", math.sqrt(5)),
        ("squared", "sum", 4 + 1 + 1 + 4),
        ("squared", "mean", (4 + 1) / 2 + (1 + 4) / 2),
        ("absolute", "sum", 2 + 1 + 1 + 2),
        ("absolute", "mean", (2 + 1) / 2 + (1 + 2) / 2),
    ],
)
def test_total_variation_by_hand(penalty: str, reduction: str, expected: float) -> None:
    loss = TotalVariationLoss(penalty, reduction)
    assert loss(SMALL).item() == pytest.approx(expected)
    if reduction == "sum":
        assert loss(SMALL.expand(3, 2, 2, 2)).item() == pytest.approx(6 * expected)
    else:
        assert loss(SMALL.expand(3, 2, 2, 2)).item() == pytest.approx(expected)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_absolute_total_variation_agrees_with_kornia(reduction: str, fake: Tensor) -> None:
    by_channel = kornia.losses.total_variation(fake, reduction=reduction)
    expected = by_channel.mean() if reduction == "mean" else by_channel.sum()
    torch.testing.assert_close(TotalVariationLoss("absolute", reduction)(fake), expected)


def test_squared_total_variation_written_out(fake: Tensor) -> None:
    total = 0.0
    for image in fake.tolist():
        for channel in image:
            for i in range(4):
                for j in range(4):
                    total += (channel[i + 1][j] - channel[i][j]) ** 2 if i < 3 else 0
                    total += (channel[i][j + 1] - channel[i][j]) ** 2 if j < 3 else 0
    assert TotalVariationLoss("squared", "sum")(fake).item() == pytest.approx(total)


@pytest.mark.parametrize("penalty", sorted(FORMS))
def test_total_variation_gradients(penalty: str, fake: Tensor) -> None:
    assert torch.autograd.gradcheck(TotalVariationLoss(penalty), (fake.requires_grad_(),))


@pytest.mark.parametrize("penalty", sorted(FORMS))
def test_a_constant_picture_has_no_variation_and_no_gradient(penalty: str) -> None:
    image = torch.full((1, 3, 5, 5), 0.5, requires_grad=True)
    value = TotalVariationLoss(penalty)(image)
    value.backward()
    assert value == 0 and (image.grad == 0).all()


@pytest.mark.parametrize(
    ("kind", "option"),
    [(PixelLoss, dict(distance="l3")), (PixelLoss, dict(reduction="avg")), (TotalVariationLoss, dict(penalty="cubed"))],
)  # fmt: skip
def test_an_unknown_choice_is_named(kind: type[nn.Module], option: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="is not a choice"):
        kind(**option)
