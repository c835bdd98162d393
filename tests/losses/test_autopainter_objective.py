"""Auto-Painter's objective as its config builds it, against the seed's formulas written out."""

import pytest
import torch
from sketchkit_plugins.losses.options import DISTANCES
from torch.nn import functional as F

from sketchkit.config.load import load_config
from sketchkit.registry import HeadOutput
from sketchkit.translators.objective import Objective, StepInputs
from tests.conftest import ROOT

GIVEN = ("source", "target", "label", "hint", "noise", "fake", "fake_output", "head")


def build(name):
    torch.manual_seed(0)
    config = load_config(ROOT / f"configs/{name}.py", ["+generator_losses.feature.weights=None"])
    return Objective(config.generator_losses, "generator", GIVEN, (), ["discriminator"])


@pytest.fixture(scope="module")
def objective():
    return build("autopainter_anime")


def seen_by(phi, *images):
    """Each picture, with ImageNet's mean and deviation, through the network's stages."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen = [((x + 1) / 2 - mean.view(-1, 1, 1)) / std.view(-1, 1, 1) for x in images]
    for stage in phi.network.stages:
        seen = [stage(x) for x in seen]
    return seen


def judged(objective, **values):
    """The total and the terms of these inputs."""
    return objective(StepInputs({name: lambda _, v=value: v for name, value in values.items()}, {}))


def convolutions(phi):
    return [number for number, stage in enumerate(phi.network.stages) if isinstance(stage, torch.nn.Conv2d)]


def test_every_value_and_the_total_are_the_seeds(objective):
    """100 mean|y - G| + 0.01 ||phi(y) - phi(G)||_2 + 1e-4 sum sqrt(dx^2 + dy^2) + BCE(D(G), 1), sums over the batch."""
    torch.manual_seed(1)
    y, g = torch.rand(2, 2, 3, 32, 24).mul(2).sub(1)
    logits = torch.randn(2, 1, 3, 3)
    total, terms = judged(objective, target=y, fake=g, fake_output=HeadOutput(logits))

    phi = objective.losses["feature"].features
    seen = seen_by(phi, y, g)
    # The fourth convolution, followed by its ReLU, is the end.
    assert convolutions(phi) == [0, 2, 5, 7] and len(phi.network.stages) == 9 and seen[0].shape == (2, 128, 16, 12)
    down, right = g[..., 1:, :-1] - g[..., :-1, :-1], g[..., :-1, 1:] - g[..., :-1, :-1]
    expected = {
        "pixel": (y - g).abs().mean(),
        "feature": (seen[0] - seen[1]).square().sum().sqrt(),
        "tv": (down.square() + right.square()).sqrt().sum(),
        "gan": F.softplus(-logits).mean(),
    }
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {name: value.item() for name, value in expected.items()}, rel=1e-5
    )
    formula = 100 * expected["pixel"] + 0.01 * expected["feature"] + 1e-4 * expected["tv"] + expected["gan"]
    assert total.item() == pytest.approx(formula.item(), rel=1e-5)


def test_the_released_objective():
    """50 mean|y - G| + 1e-4 mean|phi(y) - phi(G)| + 1e-3 |2 (l2(dx) + l2(dy))| + mean -log D(G), as in auto-painter.py,
    where l2(x) is TensorFlow's sum(x^2) / 2 and phi the sixth convolution of VGG-16 and its ReLU."""
    objective = build("autopainter_official_anime")
    torch.manual_seed(1)
    y, g = torch.rand(2, 1, 3, 32, 24).mul(2).sub(1)
    logits = torch.randn(1, 1, 3, 3)
    total, _ = judged(objective, target=y, fake=g, fake_output=HeadOutput(logits))

    phi = objective.losses["feature"].features
    seen = seen_by(phi, y, g)
    assert convolutions(phi) == [0, 2, 5, 7, 10, 12] and len(phi.network.stages) == 14
    half_sums = [difference.square().sum() / 2 for difference in (g[..., 1:, :] - g[..., :-1, :], g.diff(dim=-1))]
    formula = (
        50 * (y - g).abs().mean()
        + 1e-4 * (seen[0] - seen[1]).abs().mean()
        + 1e-3 * 2 * (half_sums[0] + half_sums[1])
        - logits.sigmoid().log().mean()
    )
    assert total.item() == pytest.approx(formula.item(), rel=1e-5)


def test_the_means_have_the_balance_of_the_sums_at_512_pixels():
    sums, means = (
        load_config(ROOT / f"configs/autopainter_{name}.py").generator_losses for name in ("anime", "lineart")
    )
    features, differences = 128 * 256 * 256, 3 * 511 * 511
    assert (
        (sums.feature.reduction, means.feature.reduction) == (sums.tv.reduction, means.tv.reduction) == ("sum", "mean")
    )
    assert means.feature.weight == pytest.approx(sums.feature.weight * features**0.5, rel=0.01)
    assert means.tv.weight == pytest.approx(sums.tv.weight * differences, rel=0.01)
    assert means.pixel.weight == sums.pixel.weight and means.gan.weight == sums.gan.weight


def test_a_norm_over_millions_of_numbers_is_right():
    """One norm over 2 x 128 x 256 x 256 float32 numbers, as at 512 pixels, is 5e-4 too small on a CPU."""
    torch.manual_seed(0)
    a, b = torch.rand(2, 128, 256, 256), torch.rand(2, 128, 256, 256)
    distance = DISTANCES["euclidean"]
    exact = (a.double() - b.double()).pow(2).sum().sqrt()
    assert float(distance(a, b, reduction="sum")) == pytest.approx(float(exact), rel=2e-6)
    assert float(distance(a, b)) == pytest.approx(float(exact) / a.numel() ** 0.5, rel=2e-6)


def test_the_norm_of_no_difference_has_no_gradient():
    a = torch.rand(1, 2, 4, 4, requires_grad=True)
    DISTANCES["euclidean"](a, a.detach(), reduction="sum").backward()
    assert torch.equal(a.grad, torch.zeros_like(a))
