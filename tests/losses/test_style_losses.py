"""Content and style against the formulas of Gatys et al., written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sketchkit_plugins.losses.style import ContentLoss, StyleLoss, covariance, gram
from torch import Tensor

from sketchkit.errors import ConfigError


def maps(seed: int, channels: int = 3, height: int = 4, width: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, height, width, dtype=torch.float64, generator=generator)


def style_of(*seeds: int, weights: tuple[float, ...] = (1.0, 1.0)) -> tuple:
    # A style need not have the size of the picture.
    return tuple((w, {1: maps(s, 3, 6, 2), "b": maps(s + 50, 2, 3, 3)}) for s, w in zip(seeds, weights, strict=False))


def test_gram_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # two channels of 1 x 2 places
    expected = torch.tensor([[[1 + 4, 3 - 2], [3 - 2, 9 + 1]]]) / (2 * 1 * 2)
    torch.testing.assert_close(gram(features), expected)


def test_covariance_is_numpys() -> None:
    features = maps(0)
    expected = np.cov(features[0].flatten(1).numpy(), bias=True) / 3
    np.testing.assert_allclose(covariance(features)[0].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "mean", "relative"])
def test_content_written_out(reduction: str) -> None:
    seen, goal = {1: maps(0), "b": maps(1, 2)}, {1: maps(2), "b": maps(3, 2)}
    expected = 0.0
    for layer, weight in ((1, 2.0), ("b", 0.5)):
        squares = ((seen[layer] - goal[layer]) ** 2).sum().item()
        divisor = {"sum": 1.0, "mean": seen[layer].numel(), "relative": (goal[layer] ** 2).sum().item()}[reduction]
        expected += weight * squares / divisor
    loss = ContentLoss(layers=(1, "b"), layer_weights=(2.0, 0.5), reduction=reduction)
    assert loss(seen, goal).item() == pytest.approx(expected)


@pytest.mark.parametrize("statistic", ["gram", "covariance"])
@pytest.mark.parametrize("reduction", ["sum", "mean", "relative"])
def test_style_written_out(statistic: str, reduction: str) -> None:
    seen, ((_, style),) = {1: maps(0), "b": maps(1, 2)}, style_of(2)
    expected = 0.0
    for layer, weight in ((1, 3.0), ("b", 0.25)):
        found = []
        for features in (seen[layer][0], style[layer][0]):
            channels, height, width = features.shape
            flat = features.reshape(channels, height * width).numpy()
            flat = flat - flat.mean(1, keepdims=True) if statistic == "covariance" else flat
            found.append(flat @ flat.T / (channels * height * width))
        squares = ((found[0] - found[1]) ** 2).sum()
        expected += weight * squares / {"sum": 1.0, "mean": found[0].size, "relative": (found[1] ** 2).sum()}[reduction]
    loss = StyleLoss((1, "b"), (3.0, 0.25), statistic, reduction)
    assert loss(seen, style_of(2)).item() == pytest.approx(expected)


def test_the_goal_of_several_styles_is_their_weighted_mean() -> None:
    seen = {1: maps(0)}
    (_, first), (_, second) = style_of(2, 3)
    goal = (3 * gram(first[1]) + 1 * gram(second[1])) / 4
    expected = ((gram(seen[1]) - goal) ** 2).sum()
    torch.testing.assert_close(StyleLoss((1,), (1.0,))(seen, style_of(2, 3, weights=(3.0, 1.0))), expected)


def test_styles_are_looked_at_once_for_each_set() -> None:
    class Counted:
        looks = 0

        def __init__(self, seed: int) -> None:
            self.styles = style_of(seed)

        def __iter__(self):
            self.looks += 1
            return iter(self.styles)

    loss, first, second, seen = StyleLoss((1,), (1.0,)), Counted(2), Counted(3), {1: maps(0)}
    values = [loss(seen, first).item(), loss(seen, first).item()]
    assert first.looks == 1 and values[0] == values[1]
    assert loss(seen, second).item() != values[0] and second.looks == 1


@pytest.mark.parametrize("reduction", ["sum", "mean", "relative"])
def test_gradients(reduction: str) -> None:
    seen = maps(0).requires_grad_()
    content = ContentLoss((1,), reduction=reduction)
    assert torch.autograd.gradcheck(lambda x: content({1: x}, {1: maps(1)}), (seen,))
    styles = style_of(2)
    for statistic in ("gram", "covariance"):
        style = StyleLoss((1,), (1.0,), statistic, reduction)
        assert torch.autograd.gradcheck(lambda x, style=style: style({1: x}, styles), (seen,))


@pytest.mark.parametrize("reduction", ["sum", "mean", "relative"])
def test_a_copy_costs_nothing_and_black_is_finite(reduction: str) -> None:
    seen = {1: maps(0)}
    assert ContentLoss((1,), reduction=reduction)(seen, seen) == 0
    assert StyleLoss((1,), (1.0,), reduction=reduction)(seen, ((1.0, seen),)) == 0
    black = {1: torch.zeros(1, 3, 4, 5)}
    assert ContentLoss((1,), reduction=reduction)(black, black).isfinite()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ContentLoss, dict(reduction="total"), "reduction='total' is not a choice"),
        (StyleLoss, dict(statistic="gramm"), "did you mean 'gram'"),
        (StyleLoss, dict(layers=(1, 2)), "4 layer_weights for 2 layers"),
        (ContentLoss, dict(layers=()), "0 layer_weights for 0 layers"),
    ],
)
def test_wrong_options_are_refused(kind: type, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        kind(**options)


def test_one_layer_needs_no_brackets() -> None:
    assert ContentLoss(layers="relu4_2").layers == ("relu4_2",)
