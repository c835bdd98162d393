"""Auto-Painter's objective as its config builds it, against the seed's formulas written out."""

import pytest
import torch
from torch.nn import functional as F

from sketchkit.config.load import load_config
from sketchkit.registry import HeadOutput
from sketchkit.translators.objective import Objective, StepInputs
from tests.conftest import ROOT

GIVEN = ("source", "target", "label", "hint", "noise", "fake", "fake_output", "head")


@pytest.fixture(scope="module")
def objective():
    torch.manual_seed(0)
    config = load_config(ROOT / "configs/autopainter_anime.py", ["+generator_losses.feature.weights=None"])
    return Objective(config.generator_losses, "generator", GIVEN, (), ["discriminator"])


def test_every_value_and_the_total_are_the_seeds(objective):
    """100 mean|y - G| + 0.01 ||phi(y) - phi(G)||_2 + 1e-4 sum sqrt(dx^2 + dy^2) + BCE(D(G), 1), sums over the batch."""
    torch.manual_seed(1)
    y, g = torch.rand(2, 2, 3, 32, 24).mul(2).sub(1)
    logits = torch.randn(2, 1, 3, 3)
    values = {"target": y, "fake": g, "fake_output": HeadOutput(logits)}
    total, terms = objective(StepInputs({name: lambda _, v=value: v for name, value in values.items()}, {}))

    phi = objective.losses["feature"].features
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen = [((x + 1) / 2 - mean.view(-1, 1, 1)) / std.view(-1, 1, 1) for x in (y, g)]
    for number, stage in enumerate(phi.network.stages):
        seen = [stage(x) for x in seen]
        # The fourth convolution, followed by its ReLU, is the end.
        assert isinstance(stage, torch.nn.Conv2d) == (number in (0, 2, 5, 7))
    assert number == 8 and seen[0].shape == (2, 128, 16, 12)
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
