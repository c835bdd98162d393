"""ADA: how p moves, by the published formula; pictures beside their authors' code are in tests/parity."""

import pytest
import torch

from sketchkit.errors import ConfigError
from sketchkit.registry import AUGMENTATIONS, HeadOutput


def build(**options):
    return AUGMENTATIONS.build(dict(type="ADA", **options))


def said(share, count=10):
    """What a head says that holds this share of true pictures for true."""
    logits = torch.full((count, 1), -2.0)
    logits[: round(share * count)] = 3.0
    return HeadOutput(logits)


def pictures(size=(16, 24), channels=3):
    torch.manual_seed(0)
    return {"image": torch.rand(6, channels, *size) * 2 - 1, "source": torch.rand(6, 1, *size)}


def test_p_moves_each_fourth_step_by_the_pictures_seen_towards_the_target():
    """sign(E[sign(D(real))] - 0.6) * (batch * 4) / (kimg * 1000), from training_loop.py; E of four steps at once."""
    augmentation = build(kimg=0.1)
    heard = []
    for share in [1.0] * 8 + [0.0, 1.0, 1.0, 0.0] + [0.5] * 12:
        heard.append(augmentation.observe([said(share)])["p"].item())
    move = 10 * 4 / (0.1 * 1000)
    assert heard[:4] == pytest.approx([0, 0, 0, move])
    assert heard[4:8] == pytest.approx([move] * 3 + [2 * move])
    assert heard[8:12] == pytest.approx([2 * move] * 3 + [move])
    assert heard[15:] == pytest.approx([0.0] * 9)  # not below


def test_p_stays_a_probability_and_the_target_itself_moves_nothing():
    augmentation = build(kimg=0.03)
    for _ in range(8):
        augmentation.observe([said(1.0)])
    assert augmentation.p == 1
    for _ in range(8):
        augmentation.observe([said(0.8)])  # 0.8 - 0.2 is the target
    assert augmentation.p == 1


def test_parts_scales_and_patches_are_the_pictures_mean():
    """Two parts of a batch, two scales of patches: each picture counts once, whatever it has of logits."""
    whole, parts = build(interval=1, target=0.0, kimg=1), build(interval=1, target=0.0, kimg=1)
    patches = torch.tensor([3.0, 3.0, -1.0, 2.0]).view(1, 1, 2, 2)  # mean sign 0.5
    coarse = torch.tensor([[-5.0]])  # -1, so that the picture's is -0.25
    sure = torch.full((3, 1), 9.0)
    parts.observe([HeadOutput((patches, coarse)), HeadOutput(sure[:1])])
    assert parts.p == pytest.approx(2 / 1000)  # (-0.25 + 1) / 2 is above 0
    whole.observe([HeadOutput((patches.expand(3, 1, 2, 2), coarse.expand(3, 1)))])
    assert whole.p == 0
    squares = build(interval=1, boundary=0.5, kimg=1)
    squares.observe([HeadOutput(torch.full((4, 1), 0.4))])  # of least squares: rather a fake
    assert squares.p == 0


def test_a_fixed_p_is_not_moved():
    assert not build(p=0.3).observes and build(p=0.3).p == pytest.approx(0.3)


def test_pictures_are_as_they_were_where_p_is_0():
    given = pictures()
    seen = build()(given)
    assert all(torch.equal(seen[name], one) for name, one in given.items())


@pytest.mark.parametrize("pipeline", ["blit", "geometry", "color"])
def test_a_share_of_p_is_changed_and_all_pictures_of_a_sample_alike(pipeline):
    image = torch.rand(1, 3, 8, 8).expand(400, -1, -1, -1)
    seen = build(p=0.2, pipeline=[pipeline])({"image": image, "source": image})
    changed = (seen["image"] != image).flatten(1).any(1).float().mean().item()
    # Of three, four or five independent changes at least one; half the flips and a quarter of the turns change nothing.
    expected = {
        "blit": 1 - 0.9 * 0.85 * 0.8, "geometry": 1 - 0.8**4, "color": 1 - 0.8**4 * 0.9,
    }[pipeline]  # fmt: skip
    assert changed == pytest.approx(expected, abs=0.07)
    assert torch.equal(seen["image"], seen["source"])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_colors_of_grey_rgb_and_others(channels):
    given = pictures(channels=channels)
    seen = build(p=1.0, pipeline=["color"])(given)
    assert torch.equal(seen["image"], given["image"]) == (channels == 2)


def test_what_is_no_pipeline_is_refused_and_what_is_too_small():
    for pipeline in ("blit", (), ("flip",)):
        with pytest.raises(ConfigError, match="pipeline"):
            build(pipeline=pipeline)
    with pytest.raises(ConfigError, match="7 pixels a side or more and got 4x24"):
        build()(pictures(size=(4, 24)))
