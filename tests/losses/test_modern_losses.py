"""Feature matching, relativistic pairing, LeCam, mode seeking and variety, number by number; and what they refuse."""

from __future__ import annotations

import copy
import math
import re
from typing import Any

import pytest
import torch
from sketchkit_plugins.heads.multi_scale import MultiScaleDiscriminator
from sketchkit_plugins.losses.feature_matching import FeatureMatchingLoss
from sketchkit_plugins.losses.lecam import LeCamLoss
from sketchkit_plugins.losses.mode_seeking import ModeSeekingLoss
from sketchkit_plugins.losses.relativistic import RelativisticDiscriminatorLoss, RelativisticGeneratorLoss
from sketchkit_plugins.losses.variety import VarietyLoss
from torch import Tensor

from sketchkit.config.checks import TERM_OPTIONS
from sketchkit.engine.hooks.watchdog import examine
from sketchkit.errors import ConfigError
from sketchkit.options import check_options
from sketchkit.registry import AUGMENTATIONS, HEADS, LOSSES, MODELS, HeadOutput
from tests.conftest import ROOT

D = torch.float64


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=D)


def said(*logits: Tensor) -> HeadOutput:
    return HeadOutput(logits if len(logits) > 1 else logits[0])


# Feature matching


def test_feature_matching_is_that_of_pix2pixhds_code() -> None:
    """models/pix2pixHD_model.py: over scales and layers, 1 / num_D * 4 / (n_layers + 1) * mean L1."""
    head = MultiScaleDiscriminator(num_scales=2, num_layers=3, width=2, source_channels=0)
    fake, real = torch.rand(2, 2, 3, 64, 64)
    outputs = head(fake), head(real)
    expected, place = 0.0, 0
    for _ in range(2):
        for _ in range(4):
            one, other = (output.features[place].detach().double() for output in outputs)
            expected += 1 / 2 * 4 / (3 + 1) * sum((one - other).abs().flatten().tolist()) / one.numel()
            place += 1
    assert place == len(outputs[0].features)
    assert FeatureMatchingLoss()(*outputs).item() == pytest.approx(expected, rel=1e-5)


def test_feature_matching_teaches_the_fake_alone() -> None:
    fake, real = numbers(2, 3, 4, 4).requires_grad_(), numbers(2, 3, 4, 4).requires_grad_()
    outputs = [HeadOutput(one.mean((1, 2, 3))[:, None], features=(one, 2 * one)) for one in (fake, real)]
    FeatureMatchingLoss()(*outputs).backward()
    assert real.grad is None
    torch.testing.assert_close(fake.grad, 3 * (fake - real).detach().sign() / fake.numel())


def test_a_head_without_features_matches_none() -> None:
    with pytest.raises(ConfigError, match="this head gives none"):
        FeatureMatchingLoss()(said(numbers(2, 1)), said(numbers(2, 1)))


# Relativistic pairing


def test_a_picture_is_compared_with_its_own_partner() -> None:
    real, fake = numbers(3, 1, 2, 2), numbers(3, 1, 2, 2)
    pairs = list(zip(real.flatten().tolist(), fake.flatten().tolist(), strict=True))
    critic = sum(math.log(1 + math.exp(-(r - f))) for r, f in pairs) / len(pairs)
    generator = sum(math.log(1 + math.exp(-(f - r))) for r, f in pairs) / len(pairs)
    assert RelativisticDiscriminatorLoss()(said(fake), said(real)).item() == pytest.approx(critic, rel=1e-12)
    assert RelativisticGeneratorLoss()(said(fake), said(real)).item() == pytest.approx(generator, rel=1e-12)


def test_what_both_share_counts_nothing_and_scales_count_alike() -> None:
    loss, real, fake = RelativisticDiscriminatorLoss(), numbers(2, 1, 4, 4), numbers(2, 1, 4, 4)
    torch.testing.assert_close(loss(said(fake + 7), said(real + 7)), loss(said(fake), said(real)))
    small = numbers(2, 1, 2, 2), numbers(2, 1, 2, 2)
    both = loss(said(fake, small[0]), said(real, small[1]))
    torch.testing.assert_close(both, (loss(said(fake), said(real)) + loss(said(small[0]), said(small[1]))) / 2)


def test_logits_without_partners_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(3, 1\) of the ones and \(1, 1\) of the others"):
        RelativisticGeneratorLoss()(said(numbers(3, 1)), said(numbers(1, 1)))


@pytest.mark.parametrize(("side", "name"), [
    ("generator", "RelativisticDiscriminatorLoss"), ("discriminator", "RelativisticGeneratorLoss"),
    ("generator", "LeCamLoss"), ("generator", "R1Penalty"), ("discriminator", "FeatureMatchingLoss"),
])  # fmt: skip
def test_a_loss_of_the_other_side_is_refused(side: str, name: str) -> None:
    terms = {f"{side}_losses": {"mine": {"type": name}}}
    with pytest.raises(ConfigError, match=rf"{side}_losses.mine: {name} teaches the .*: name it in .*_losses"):
        build(**terms)


def build(kind: str = "ConditionalTranslator", **options: Any) -> Any:
    patch = dict(type="PatchDiscriminator", num_layers=1, width=2, norm=None, source_channels=0)
    unet = dict(type="UNetGenerator", num_downs=3, width=2)
    pixel = {"generator_losses": {"pixel": {"type": "IdentityLoss" if kind == "CycleTranslator" else "PixelLoss"}}}
    return MODELS.build(dict(type=kind, backbone=unet, heads={"discriminator": patch}, **{**pixel, **options}))


# LeCam


def expected_lecam(looks: list[tuple[Tensor, Tensor]], decay: float, one_sided: bool) -> list[float]:
    """TensorFlow's zero-debiased averages, begun at 0 and divided by 1 - decay^t, then the authors' two means."""
    averages, values = [0.0, 0.0], []
    for count, (real, fake) in enumerate(looks, 1):
        averages = [
            decay * old + (1 - decay) * new.mean().item() for old, new in zip(averages, (real, fake), strict=True)
        ]
        a_real, a_fake = (average / (1 - decay**count) for average in averages)
        beyond = [[r - a_fake for r in real.flatten().tolist()], [a_real - f for f in fake.flatten().tolist()]]
        values.append(sum(sum(max(0, x) ** 2 if one_sided else x**2 for x in side) / len(side) for side in beyond))
    return values


@pytest.mark.parametrize("one_sided", [True, False])
def test_lecam_is_the_authors(one_sided: bool) -> None:
    looks = [(numbers(2, 1, 3, 3) + 1, numbers(2, 1, 3, 3)) for _ in range(4)]
    loss = LeCamLoss(0.9, one_sided).double()
    found = [loss(said(fake), said(real)).item() for real, fake in looks]
    assert found == pytest.approx(expected_lecam(looks, 0.9, one_sided), rel=1e-9)


def test_each_scale_has_its_own_averages_and_their_mean_counts() -> None:
    looks = [[(numbers(2, 1, side, side) + side, numbers(2, 1, side, side)) for side in (4, 2)] for _ in range(3)]
    loss = LeCamLoss(num_scales=2).double()
    found = [loss(said(*(fake for _, fake in look)), said(*(real for real, _ in look))).item() for look in looks]
    each = [expected_lecam([look[scale] for look in looks], 0.99, True) for scale in (0, 1)]
    assert found == pytest.approx([sum(pair) / 2 for pair in zip(*each, strict=True)], rel=1e-9)
    with pytest.raises(ConfigError, match="set num_scales=1"):
        loss(said(numbers(2, 1)), said(numbers(2, 1)))


def test_averages_get_no_gradient_and_an_earlier_look_keeps_its_own() -> None:
    """Finite differences of the formula with the averages held; backward after a second look, as in a parted batch."""
    loss, real, fake = LeCamLoss().double(), numbers(2, 1).requires_grad_(), numbers(2, 1)
    value = loss(said(fake), said(real))
    loss(said(fake + 5), said(fake - 5))
    value.backward()
    torch.testing.assert_close(real.grad, 2 * (real.detach() - fake.mean()).relu() / 2)


def test_checkpoints_keep_the_averages() -> None:
    first = LeCamLoss().double()
    first(said(numbers(2, 1)), said(numbers(2, 1)))
    second = LeCamLoss().double()
    second.load_state_dict(first.state_dict(), strict=True)
    look = said(numbers(2, 1)), said(numbers(2, 1))
    assert torch.equal(first(*look), second(*look))


def test_processes_share_their_averages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is summed up over processes is what the averages are made of: another process saw means of 3 and 5."""
    other = torch.tensor([[3.0, 5.0]], dtype=D)
    monkeypatch.setattr(
        "sketchkit_plugins.losses.lecam.all_reduce", lambda means, op: means.copy_({"mean": (means + other) / 2}[op])
    )
    loss = LeCamLoss().double()
    loss(said(torch.full((2, 1), 1.0, dtype=D)), said(torch.full((2, 1), -1.0, dtype=D)))
    torch.testing.assert_close(loss.averages, torch.tensor([[1.0, 3.0]], dtype=D))


def test_directions_of_a_cycle_remember_apart() -> None:
    model = build("CycleTranslator", discriminator_losses={"lecam": {"type": "LeCamLoss"}})
    assert [key for key in model.state_dict() if key.endswith("averages")] == [
        "discriminator_objective.losses.lecam.averages", "reverse_discriminator_objective.losses.lecam.averages"
    ]  # fmt: skip
    objectives = model.discriminator_objective, model.reverse_discriminator_objective
    assert objectives[0].losses["lecam"] is not objectives[1].losses["lecam"]


def test_a_term_of_nothing_is_no_discriminator_that_has_won() -> None:
    pair = {"gan": {"type": "RelativisticDiscriminatorLoss"}, "lecam": {"type": "LeCamLoss"}}
    model, fake, target = build(discriminator_losses=pair), *torch.rand(2, 2, 3, 8, 8)
    zero, other = torch.tensor(0.0), torch.tensor(0.5)
    assert "discriminator_zero" not in examine({"D/gan": other, "D/lecam": zero}, fake, target, model)
    assert "D/gan" in examine({"D/gan": zero, "D/lecam": other}, fake, target, model)["discriminator_zero"]


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_that_forgets_nothing_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to below 1"):
        LeCamLoss(decay)


# Mode seeking and variety


def test_mode_seeking_is_the_authors_code() -> None:
    """1 / (mean |I2 - I1| / mean |z2 - z1| + 1e-5), means over everything (models/pix2pix_model.py, backward_G)."""
    fake, other, noise, noise_alt = numbers(2, 3, 4, 4), numbers(2, 3, 4, 4), numbers(2, 8), numbers(2, 8)

    def mean(a: Tensor, b: Tensor) -> float:
        pairs = list(zip(a.flatten().tolist(), b.flatten().tolist(), strict=True))
        return sum(abs(x - y) for x, y in pairs) / len(pairs)

    expected = 1 / (mean(other, fake) / mean(noise_alt, noise) + 1e-5)
    assert ModeSeekingLoss()(fake, other, noise, noise_alt).item() == pytest.approx(expected, rel=1e-12)


def test_mode_seeking_of_equal_pictures_and_noises_is_finite_in_half_precision_too() -> None:
    loss, fake, noise = ModeSeekingLoss(), torch.rand(2, 3, 4, 4).half(), torch.rand(2, 8).half()
    assert loss(fake, fake, noise, -noise).item() == pytest.approx(1e5, rel=1e-4)
    assert loss(fake, 1 - fake, noise, noise).isfinite() and loss(fake, fake, noise, noise).isfinite()


@pytest.mark.parametrize(("distance", "power"), [("l1", 1), ("l2", 2)])
def test_variety_charges_each_sample_for_its_closest_picture(distance: str, power: int) -> None:
    fake, other, target = (
        numbers(3, 1, 2, 2).requires_grad_(),
        numbers(3, 1, 2, 2).requires_grad_(),
        numbers(3, 1, 2, 2),
    )
    each = [
        [sum(abs(x - y) ** power for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)) / 4
         for a, b in zip(picture, target, strict=True)] for picture in (fake, other)
    ]  # fmt: skip
    value = VarietyLoss(distance)(fake, other, target)
    assert value.item() == pytest.approx(sum(min(pair) for pair in zip(*each, strict=True)) / 3, rel=1e-12)
    value.backward()
    chosen = [one < another for one, another in zip(*each, strict=True)]
    assert 0 < sum(chosen) < 3  # seed: both are chosen
    assert [bool(row.any()) for row in fake.grad] == chosen
    assert [not row.any() for row in other.grad] == chosen


def test_variety_looks_at_colours_of_regions_where_it_is_told_to() -> None:
    target = torch.zeros(1, 1, 4, 6, dtype=D)
    noisy = torch.tensor([1.0, -1.0], dtype=D).repeat(2, 3).repeat_interleave(2, 0).view(1, 1, 4, 6)  # means of 0
    grey = torch.full_like(target, 0.5)
    assert VarietyLoss()(noisy, grey, target) == 0.5
    assert VarietyLoss(pool=2)(noisy, grey, target) == 0
    # Squares that stick out are the mean of what there is; of a larger one, of all.
    right = target.clone()
    right[..., 4:] = 1.0
    assert VarietyLoss(pool=4)(right, right, target) == 0.5 and VarietyLoss(pool=99)(grey, grey, target) == 0.5


@pytest.mark.parametrize("options", [dict(distance="euclidean"), dict(pool=0)])
def test_variety_refuses_what_is_no_choice(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LOSSES.build(dict(type="VarietyLoss", **options))


def test_a_copy_remembers_by_itself() -> None:
    first = LeCamLoss()
    second = copy.deepcopy(first)
    second(said(torch.ones(2, 1)), said(torch.ones(2, 1)))
    assert first.looks == 0 and second.looks == 1


def test_what_the_page_says_to_write_can_be_built() -> None:
    page = (ROOT / "docs" / "modern.md").read_text()
    recipes = [eval(recipe) for recipe in re.findall(r"\w=(dict\(type='[^`]*?\))[`\"]", page)]
    assert len(recipes) >= 10
    for recipe in recipes:
        entries = next(one for one in (HEADS, AUGMENTATIONS, LOSSES) if recipe["type"] in one)
        options = {key: value for key, value in recipe.items() if key not in TERM_OPTIONS}
        check_options(entries.get(recipe["type"]), {key: value for key, value in options.items() if key != "type"})
