"""The diversity loss against what the two published codes compute, written out number by number; and in training."""

import math
from typing import Any

import pytest
import torch
from sketchkit_plugins.losses.diversity import DiversityLoss

from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.errors import ConfigError
from sketchkit.registry import MODELS

REPORT = dict(type="MRUGenerator", image_size=32, num_classes=2, width=4)
OFFICIAL = dict(type="OfficialMRUGenerator", image_size=32, num_classes=2, width=4)


def test_of_a_noise_vector_the_norm_runs_over_its_numbers() -> None:
    """The released code: mean over all numbers of |a - b| / ||z1 - z2|| (src_single/graph_single.py, get_losses)."""
    torch.manual_seed(0)
    fake, fake_alt = torch.rand(2, 3, 2, 4, 4, dtype=torch.float64)
    noise, noise_alt = torch.randn(2, 3, 256, dtype=torch.float64)
    total = 0.0
    for a, b, z1, z2 in zip(fake, fake_alt, noise.tolist(), noise_alt.tolist(), strict=True):
        norm = math.sqrt(sum((one - other) ** 2 for one, other in zip(z1, z2, strict=True)))
        numbers = zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)
        total += sum(abs(one - other) / norm for one, other in numbers)
    assert DiversityLoss()(fake, fake_alt, noise, noise_alt).item() == pytest.approx(-total / fake.numel(), rel=1e-12)


def test_of_a_noise_map_the_norm_runs_over_the_channels_at_each_place() -> None:
    """The report's code: the mean over places of L1(a, b) / ||z1 - z2|| (final/loss.py, diversity_loss)."""
    torch.manual_seed(0)
    fake, fake_alt = torch.rand(2, 1, 3, 4, 4, dtype=torch.float64)
    noise, noise_alt = torch.randn(2, 1, 512, 2, 2, dtype=torch.float64)
    change = sum(abs(one - other) for one, other in zip(fake.flatten(), fake_alt.flatten(), strict=True)) / 48
    total = 0.0
    for row in range(2):
        for column in range(2):
            moves = (noise - noise_alt)[0, :, row, column].tolist()
            total += change.item() / math.sqrt(sum(move**2 for move in moves))
    assert DiversityLoss()(fake, fake_alt, noise, noise_alt).item() == pytest.approx(-total / 4, rel=1e-12)


@pytest.mark.parametrize(("shape", "count"), [((256,), 256), ((512, 8, 8), 512)])
def test_the_size_independent_form_is_a_known_multiple(shape: tuple[int, ...], count: int) -> None:
    torch.manual_seed(0)
    fake, fake_alt = torch.rand(2, 4, 3, 8, 8)
    noise, noise_alt = torch.randn(2, 4, *shape)
    own = DiversityLoss("root_mean_square")(fake, fake_alt, noise, noise_alt)
    assert DiversityLoss()(fake, fake_alt, noise, noise_alt) * count**0.5 == pytest.approx(own.item(), rel=0.01)
    assert own == pytest.approx(-(fake - fake_alt).abs().mean().item() / 2**0.5, rel=0.1)


def test_diversity_rewards_difference() -> None:
    fake, other = torch.rand(2, 3, 2, 4, 4, dtype=torch.float64)
    noise, noise_alt = torch.randn(2, 3, 5, 2, 2, dtype=torch.float64)
    loss = DiversityLoss()
    assert loss(fake, fake, noise, noise_alt) == 0
    assert loss(fake, 2 * fake, noise, noise_alt) < loss(fake, 1.5 * fake, noise, noise_alt) < 0
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, noise, noise_alt), (fake.requires_grad_(), other))
    assert loss(fake, other, noise, noise).isfinite()


def test_an_unknown_distance_is_named() -> None:
    with pytest.raises(ConfigError, match="noise_distance='manhattan' is not a choice"):
        DiversityLoss("manhattan")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "weight", "distance"),
    [(REPORT, 1.0, "euclidean"), (OFFICIAL, 10.0, "euclidean"), (REPORT, 1.0, "root_mean_square")],
    ids=["report", "released", "control"],
)
def test_the_published_weights_leave_the_sketch_in_charge(
    backbone: dict[str, Any], weight: float, distance: str
) -> None:
    """Pixel and diversity alone, at their published weights: L1 falls. By root mean square at weight 1 it stays."""
    torch.manual_seed(0)
    terms = dict(
        pixel=dict(type="PixelLoss", weight=weight),
        diversity=dict(type="DiversityLoss", weight=weight, noise_distance=distance),
    )
    model = MODELS.build(dict(type="ConditionalTranslator", backbone=backbone, generator_losses=terms))
    adam = dict(optimizer=dict(type="Adam", lr=2e-3, betas=(0.5, 0.999)))
    wrapper = GroupOptimizers(dict(generator=adam))(model)
    photos = torch.randint(64, 192, (4, 3, 1, 1)).byte().expand(4, 3, 32, 32).contiguous()
    batch = dict(
        source=torch.randint(256, (4, 3, 32, 32)).byte(), target=photos, label=torch.arange(4) % 2, key=list("abcd")
    )
    losses = [float(model.train_step(batch, wrapper)["G/pixel"]) for _ in range(50)]
    change = sum(losses[-10:]) / 10 / losses[0]
    assert change < 0.4 if distance == "euclidean" else change > 0.6, change
