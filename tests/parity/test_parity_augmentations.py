"""DiffAugment and ADA as their authors' code has them, of the same throws; in float64."""

import pytest
import torch

from sketchkit.registry import AUGMENTATIONS
from tests.parity.make_ada import PIPELINES, P, spots
from tests.parity.make_diffaugment import POLICIES, SHAPES
from tests.parity.ours import PASS, close
from tests.parity.recipe import draw, read, summary
from tests.parity.throws import thrown

# The original keeps its filter's taps as float32, and mirrors before it filters what comes in at the borders.
FILTERED = 1e-5


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", SHAPES)
def test_diffaugment(double, kind, policy):
    ours = AUGMENTATIONS.build(dict(type="DiffAugment", policy=policy.split(",")))
    with thrown(f"diffaugment.{kind}/{policy}"):
        changed = ours({"image": torch.from_numpy(draw("diffaugment", SHAPES[kind], 0.5))})["image"]
    close(summary(changed), read("diffaugment")[f"{kind}/{policy}"], PASS)


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("channels", [3, 1])
def test_ada(double, name, channels):
    pipeline = ("blit", "geometry", "color") if name == "all" else (name,)
    ours = AUGMENTATIONS.build(dict(type="ADA", pipeline=pipeline, p=P))
    with thrown(f"ada.{name}.{channels}"):
        changed = ours({"image": spots(channels)})["image"]
    close(summary(changed), read("ada")[f"{name}/{channels}"], PASS if name == "color" else FILTERED)
