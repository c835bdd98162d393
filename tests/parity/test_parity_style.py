"""Style transfer as a course's notebook does it, in float64."""

import pytest
import torch

from sketchkit.config.load import load_config
from sketchkit.registry import LOSSES, MODELS
from tests.conftest import ROOT
from tests.parity.make_style import ITERATIONS, SIZE, network
from tests.parity.networks import fill
from tests.parity.ours import PASS, TRAINED, close
from tests.parity.recipe import draw, pictures, read, summary, symmetric

KEPT = read("style")
TERMS = {
    "content": (0.3, dict(type="ContentLoss", layers=(0,))),
    "style": (7.0, dict(type="StyleLoss", layers=(0,), layer_weights=None)),
    "tv": (0.2, dict(type="TotalVariationLoss", penalty="squared", reduction="sum")),
}


@pytest.mark.parametrize("name", TERMS)
def test_a_loss_and_its_gradient_are_the_originals(double, name):
    weight, options = TERMS[name]
    seen, goal = (torch.from_numpy(draw(f"style.{kind}", (1, 6, 5, 7))) for kind in ("seen", "goal"))
    seen.requires_grad_()
    given = {"content": ({0: seen}, {0: goal}), "style": ({0: seen}, [(1.0, {0: goal})]), "tv": (seen,)}[name]
    value = weight * LOSSES.build(options)(*given)
    value.backward()
    close([value.item()], [KEPT[name]], PASS)
    close(summary(seen.grad), KEPT[f"{name}/gradient"], PASS)


def test_painting_is_the_originals(double):
    # All of those kept are before the 190th, from which on values are free.
    changes = [f"translator.iterations={len(ITERATIONS)}", "translator.bound=[1.5,1.0]"]
    config = load_config(ROOT / "configs" / "style_squeezenet.py", changes)
    model = MODELS.build({**config.translator, "generator_losses": config.generator_losses, "weights": None})
    ours = model.features.network.network.parameters()
    fill(zip((name for name, _ in network().named_parameters()), ours, strict=False), "style.network")
    content, style = (
        torch.from_numpy(symmetric(pictures(f"style.{name}", SIZE, SIZE, 3)).transpose(2, 0, 1)[None])
        for name in ("content", "style")
    )
    for stroke, kept in zip(model.paint(content, [style]), KEPT["iterations"], strict=True):
        close([stroke.values[name] for name in ("content", "style", "tv")], kept, TRAINED)
