"""Which pictures belong together, by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from sketchkit.data.image_io import Probe
from sketchkit.errors import DataError
from sketchkit.evaluation.features.extraction import Item
from sketchkit.evaluation.images.image_set import PictureFile, PictureSet
from sketchkit.evaluation.images.pairing import are_pairs, guessed, make_items
from sketchkit.evaluation.metric import Features, PictureMetric


class Sets(PictureMetric):
    needs = ("real", "fake")

    def compute(self, seen: Features) -> dict[str, float]:
        return {}

    def per_sample(self, seen: Features) -> Tensor | None:
        return None


class Pairs(Sets):
    needs = ("pair",)


class Draws(Sets):
    needs = ("draws",)


def pictures(folder: str, *names: str, ending: str = ".png") -> PictureSet:
    files = {name: PictureFile(name, Path(folder, name + ending), Probe(name, 4, 4, "png")) for name in names}
    return PictureSet(Path(folder), dict(sorted(files.items())))


def paired(items: list[Item]) -> dict[str, list[str]]:
    """Real name -> its outputs."""
    return {pair[0].name: [two.name for _, two in item.of_role("pair")] for item in items if (pair := partner(item))}


def partner(item: Item) -> tuple[PictureFile, ...]:
    return next(iter(item.of_role("pair")), ())


def whole_sets(items: list[Item]) -> dict[str, list[str]]:
    return {role: sorted(one.name for item in items for (one,) in item.of_role(role)) for role in ("real", "fake")}


def test_names_pair_across_endings() -> None:
    real, fake = pictures("real", "b", "cat/a"), pictures("fake", "cat/a", "b", ending=".jpg")
    items, alone = make_items(real, fake, [Pairs()])
    assert paired(items) == {"b": ["b"], "cat/a": ["cat/a"]} and alone == []
    assert [str(one.file) for one in partner(items[1])] == ["real/cat/a.png", "fake/cat/a.jpg"]


def test_numbered_outputs_pair_with_their_source() -> None:
    real, fake = pictures("real", "a", "b_1", "cat/c"), pictures("fake", "a_1", "a_2", "a_10", "b_1", "cat/c_3")
    items, _ = make_items(real, fake, [Pairs()])
    assert paired(items) == {"a": ["a_1", "a_10", "a_2"], "b_1": ["b_1"], "cat/c": ["cat/c_3"]}
    assert whole_sets(items) == {"real": ["a", "b_1", "cat/c"], "fake": sorted(fake.pictures)}


def test_a_number_that_a_real_picture_has_is_part_of_its_name() -> None:
    real, fake = pictures("real", "x", "x_1"), pictures("fake", "x_1", "x_2", "x_3")
    items, _ = make_items(real, fake, [Pairs()])
    assert paired(items) == {"x": ["x_2", "x_3"], "x_1": ["x_1"]}
    assert guessed(items) == "2 outputs are taken for numbered ones by their names: x_2 of x, x_3 of x"


def test_no_output_is_guessed_of_a_picture_that_has_its_own() -> None:
    real, fake = pictures("real", "walk", "walk_2", "walk_3"), pictures("fake", "walk", "walk_1", "walk_2", "walk_3")
    with pytest.raises(DataError, match=r"1 in fake have none \(walk_1\); or leave them out"):
        make_items(real, fake, [Pairs()])
    items, alone = make_items(real, fake, [Pairs()], on_error="skip")
    assert paired(items) == {name: [name] for name in real.pictures} and alone == ["walk_1"]
    assert guessed(items) == "" and not are_pairs(real, fake)


def test_names_without_a_partner_are_listed_for_both_sets() -> None:
    real, fake = pictures("real", "a", "b", "c"), pictures("fake", "a", "z")
    with pytest.raises(DataError) as caught:
        make_items(real, fake, [Pairs()])
    words = str(caught.value)
    assert "1 in fake have none (z)" in words and "2 in real have none (b, c)" in words and "\n" not in words
    assert "--on-error skip" in words


def test_long_lists_are_cut() -> None:
    real = pictures("real", "a", *(f"r{i:03}" for i in range(50)))
    with pytest.raises(DataError, match=r"50 in real have none \(r000, .*, r004, and 45 more"):
        make_items(real, pictures("fake", "a"), [Pairs()])


def test_names_without_a_partner_still_count_in_whole_sets() -> None:
    real, fake = pictures("real", "a", "b", "c"), pictures("fake", "a", "z")
    items, alone = make_items(real, fake, [Pairs(), Sets()], "skip")
    assert alone == ["z", "b", "c"] and paired(items) == {"a": ["a"]}
    assert whole_sets(items) == {"real": ["a", "b", "c"], "fake": ["a", "z"]}


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_sets_with_no_pair_at_all_are_refused(on_error: str) -> None:
    with pytest.raises(DataError, match="no picture in fake has the name of one in real"):
        make_items(pictures("real", "a"), pictures("fake", "b"), [Sets(), Pairs()], on_error)


def test_nothing_is_paired_where_no_metric_compares_pairs() -> None:
    real, fake = pictures("real", "a", "x"), pictures("fake", "a", "a_1", "z")
    items, alone = make_items(real, fake, [Sets()])
    assert alone == [] and paired(items) == {} and len(items) == 5
    assert whole_sets(items) == {"real": ["a", "x"], "fake": ["a", "a_1", "z"]}
    assert all(item.of_role("draws") == [] for item in items)


def test_without_real_pictures_every_output_stands_alone() -> None:
    items, alone = make_items(None, pictures("fake", "a", "b_1"), [Sets()])
    assert whole_sets(items) == {"real": [], "fake": ["a", "b_1"]} and alone == []


def draws(items: list[Item]) -> dict[str, list[str]]:
    return {item.name: [one.name for one in group] for item in items for group in item.of_role("draws")}


def test_outputs_of_one_source_are_grouped() -> None:
    fake = pictures("fake", "a_1", "a_2", "b_1", "b_2", "b_3", "single", "cat/a_1", "cat/a_2")
    items, _ = make_items(None, fake, [Draws()])
    assert draws(items) == {"a": ["a_1", "a_2"], "b": ["b_1", "b_2", "b_3"], "cat/a": ["cat/a_1", "cat/a_2"]}
    assert whole_sets(items)["fake"] == sorted(fake.pictures), "one output has no diversity and still is a fake"


@pytest.mark.parametrize("metrics", [[Draws()], [Draws(), Pairs()], [Draws(), Sets()]])
def test_numbers_of_real_pictures_make_no_groups(metrics: list[PictureMetric]) -> None:
    real = pictures("real", "photo_1", "photo_2")
    items, _ = make_items(real, pictures("fake", "photo_1_1", "photo_1_2", "photo_2"), metrics)
    assert draws(items) == {"photo_1": ["photo_1_1", "photo_1_2"]}
    with pytest.raises(DataError, match="no real picture NAME with several outputs: name them NAME_1, NAME_2"):
        make_items(real, pictures("fake", "photo_1", "photo_2"), metrics)


def test_classes_are_the_folders_that_outputs_lie_in() -> None:
    fake = pictures("fake", "cat/a", "set/dog/b", "c", "cat/d_1", "cat/d_2")
    labels = {item.name: item.label for item in make_items(None, fake, [Draws()])[0]}
    assert labels == {"cat/a": "cat", "set/dog/b": "dog", "c": None, "cat/d": "cat"}
