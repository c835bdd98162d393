"""DiffAugment beside its authors' code is in tests/parity; here what is ours: pairs, hints, channels, options."""

import pytest
import torch

from sketchkit.errors import ConfigError
from sketchkit.registry import AUGMENTATIONS

B, SIDE = 64, 24


def build(*policy):
    return AUGMENTATIONS.build(dict(type="DiffAugment", **({"policy": policy} if policy else {})))


def pictures(channels=3):
    torch.manual_seed(0)
    image = torch.rand(B, channels, SIDE, SIDE) * 2 - 1
    return {"image": image, "source": torch.rand(B, 1, SIDE, SIDE), "hint": torch.zeros(B, 4, SIDE, SIDE)}


def test_each_sample_and_each_call_is_drawn_anew():
    same = {"image": pictures()["image"][:1].expand(B, -1, -1, -1)}
    augmentation = build()
    first, second = augmentation(same)["image"], augmentation(same)["image"]
    assert len(first.flatten(1).unique(dim=0)) == B
    assert not (first == second).flatten(1).all(1).any()


def test_a_translation_and_a_hole_are_at_one_place_in_all_pictures():
    given = {name: torch.ones_like(one) for name, one in pictures().items()}
    seen = build("translation", "cutout")(given)
    for name, one in seen.items():
        assert torch.equal(one, seen["image"][:, :1].expand_as(one)), name
    # A quarter is cut out at most, and of that a quarter at least, at a corner; an eighth of a side moves out.
    share = 1 - seen["image"].flatten(1).mean(1)
    assert 0.05 < share.min() < 0.25 and 0.3 < share.max() < 1 - (7 / 8) ** 2 + 1 / 4 + 0.01


def test_a_hint_goes_on_saying_what_the_picture_shows_there():
    given = pictures()
    alpha = torch.zeros(B, 1, SIDE, SIDE)
    alpha[..., 5:12, 9:17] = 0.75
    given["hint"] = torch.cat([given["image"] * alpha, alpha], 1)
    seen = build()(given)
    colors, alpha = seen["hint"].split([3, 1], 1)
    assert torch.allclose(colors, seen["image"] * alpha, atol=1e-5)
    assert alpha.any() and not (colors * (alpha == 0)).any()


@pytest.mark.parametrize("channels", [2, 8])
def test_pictures_of_other_channels_than_grey_or_rgb_keep_their_colors(channels):
    given = pictures(channels)
    seen = build("color")(given)
    assert torch.equal(seen["image"], given["image"]) and torch.equal(seen["hint"], given["hint"])
    assert not torch.equal(seen["source"], given["source"])


@pytest.mark.parametrize("policy", ["color", (), ("colour",)])
def test_what_is_no_policy_is_refused(policy):
    with pytest.raises(ConfigError, match=r"policy"):
        AUGMENTATIONS.build(dict(type="DiffAugment", policy=policy))
