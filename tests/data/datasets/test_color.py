import json

import numpy as np
import pytest
import torch

from sketchkit.data.datasets.color import ColorDataset
from sketchkit.data.sample import write_sample
from sketchkit.errors import ConfigError, DataError
from tests.data.test_base import keys, noise, save


def gray(seed):
    return noise(16, 16, seed)[..., :1].repeat(3, -1)


@pytest.fixture
def root(tmp_path):
    """Twenty colourful pictures of noise, in two folders."""
    for number in range(20):
        save(tmp_path / ("one" if number % 2 else "two/deep") / f"{number:02d}.png", noise(16, 16, number))
    return tmp_path


def make_gray(root, *numbers):
    for number in numbers:
        save(next(root.rglob(f"{number:02d}.png")), gray(number))


def test_a_sample_is_the_picture_twice(root):
    dataset = ColorDataset(root, split=None)
    sample = dataset[0]
    assert sample["key"] == "one/01" and len(dataset) == 20
    assert torch.equal(sample["source"], torch.from_numpy(noise(16, 16, 1)).permute(2, 0, 1))
    assert torch.equal(sample["target"], sample["source"])


def test_source_and_target_are_two_pictures(root):
    """What changes the one, even in place, must leave the other alone."""
    sample = ColorDataset(root, split=None, pipeline=[dict(type="InvertSketch")])[0]
    assert torch.equal(sample["source"], 255 - sample["target"])
    sample = ColorDataset(root, split=None)[0]
    assert sample["source"].data_ptr() != sample["target"].data_ptr()


def test_both_are_augmented_alike(root):
    dataset = ColorDataset(root, split=None, pipeline=[dict(type="ResizeAndCrop", size=8)])
    samples = [dataset[(3, draw)] for draw in range(4)]
    assert all(torch.equal(sample["source"], sample["target"]) for sample in samples)
    assert len({sample["target"].numpy().tobytes() for sample in samples}) > 1


def test_the_parts_are_disjoint_and_complete(root):
    parts = {
        part: keys(ColorDataset(root, split=part, split_ratios=(0.8, 0.1, 0.1))) for part in ("train", "val", "test")
    }
    assert {part: len(names) for part, names in parts.items()} == {"train": 16, "val": 2, "test": 2}
    assert sorted(name for names in parts.values() for name in names) == keys(ColorDataset(root, split=None))
    again = keys(ColorDataset(root, split="val", split_ratios=[0.8, 0.1, 0.1]))
    other = [
        keys(ColorDataset(root, split="val", split_ratios=(0.8, 0.1, 0.1), split_seed=seed)) for seed in range(1, 5)
    ]
    assert again == parts["val"] and any(names != again for names in other)
    assert len(ColorDataset(root, split=None, split_ratios=(0.8, 0.1, 0.1))) == 20


def test_a_part_is_a_folder_or_named_by_a_split_file(root):
    assert len(ColorDataset(root, split="one")) == 10
    file = root / "split.json"
    parts = {"train": ["one/01.png", "two/deep/00.png"], "val": ["one/03.png"]}
    file.write_text(json.dumps({"format": "sketchkit split", "parts": parts}))
    assert keys(ColorDataset(root, split_file=file)) == ["one/01", "two/deep/00"]
    with pytest.raises(ConfigError, match="split_file and split_ratios both divide the files"):
        ColorDataset(root, split_file=file, split_ratios=(0.8, 0.2))


def test_a_filter_drops_exactly_the_greys_and_says_so(root):
    make_gray(root, 4, 7, 11)
    dataset = ColorDataset(root, split=None, min_colorfulness=5)
    names = {file.relative_to(root).as_posix(): reason for file, reason in dataset.dropped().items()}
    assert names == dict.fromkeys(["two/deep/04.png", "one/07.png", "one/11.png"], "colourfulness 0.00")
    assert len(dataset) == 17 and not {"two/deep/04", "one/07", "one/11"} & set(keys(dataset))
    assert dataset.unreadable() == []
    parts = [ColorDataset(root, split=part, split_ratios=(0.5, 0.5), min_colorfulness=5) for part in ("train", "val")]
    assert sum(map(len, parts)) == 17
    # A picture moves between the parts whether or not others are filtered.
    plain = [ColorDataset(root, split=part, split_ratios=(0.5, 0.5)).pictures for part in ("train", "val")]
    assert all(set(kept.pictures) < set(whole) for kept, whole in zip(parts, plain, strict=True) if kept.dropped())


def test_the_threshold_is_inclusive_and_may_be_too_high(root):
    """Two colours alone, (200, 100, 0): rg = 100, yb = 150, no deviation, so 0.3 sqrt(100^2 + 150^2) = 54.083."""
    for file in root.rglob("*.png"):
        save(file, np.full((16, 16, 3), (200, 100, 0), np.uint8))
    assert len(ColorDataset(root, split=None, min_colorfulness=54.08)) == 20
    with pytest.raises(DataError, match=r"none of the 20 pictures of .* has a colourfulness of 54\.09 or more"):
        ColorDataset(root, split=None, min_colorfulness=54.09)


def test_an_unreadable_file_is_left_to_the_reading(root):
    file = root / "one" / "03.png"
    file.write_bytes(file.read_bytes()[:60])
    dataset = ColorDataset(root, split=None, min_colorfulness=5)
    assert len(dataset) == 20 and dataset.dropped() == {}
    with pytest.warns(UserWarning, match=r"03\.png is not a whole image"):
        assert keys(dataset)[1] == "one/05"


def test_a_list_is_kept_to(root, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("one/05.png\ntwo/deep/02.png\n")
    make_gray(root, 5)
    dataset = ColorDataset(root, split=None, list_file=listed)
    assert keys(dataset) == ["one/05", "two/deep/02"]
    assert len(dataset.dropped()) == 18 and set(dataset.dropped().values()) == {f"not in {listed}"}
    listed.write_text("elsewhere/1.png\n")
    with pytest.raises(DataError, match=r"list\.txt lists none of the 20 files"):
        ColorDataset(root, split=None, list_file=listed)
    with pytest.raises(DataError, match="cannot read the list nowhere"):
        ColorDataset(root, split=None, list_file="nowhere")


def test_a_gray_file_without_a_filter_is_one_line(root):
    make_gray(root, 1)
    dataset = ColorDataset(root, split=None)
    with pytest.warns(UserWarning, match=r"one/01\.png has no colour.*min_colorfulness=5.*list_file") as caught:
        assert dataset[0]["key"] == "one/03"
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert [file.name for file in dataset.unreadable()] == ["01.png"]
    with pytest.raises(DataError, match=r"1 unreadable files .*has no colour"):
        ColorDataset(root, split=None, max_unreadable=0)[0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(data_root="nowhere"), DataError, "no data at nowhere"),
        (dict(split="tow"), DataError, "has no folder tow: did you mean 'two'"),
        (
            dict(split="trian", split_ratios=(0.8, 0.2)),
            ConfigError,
            "split_ratios has no part 'trian': did you mean 'train'",
        ),
        (dict(split_ratios=(0.8, 0.1)), ConfigError, "sum to 0.9"),
        (dict(split="test", split_ratios=(0.8, 0.2, 0.0)), DataError, "part 'test' of the 20 pictures .* is empty"),
        (dict(split="empty"), DataError, "no picture in"),
        (
            dict(split=None, min_colorfulness=5, colorfulness_opponent="square"),
            ConfigError,
            "opponent='square' is not a choice",
        ),
    ],
)
def test_wrong_options_are_one_line(root, options, error, message):
    (root / "empty").mkdir()
    with pytest.raises(error, match=message) as caught:
        ColorDataset(**{"data_root": root, **options})
    assert "\n" not in str(caught.value)


def test_the_sample_sets_greys_are_found(tmp_path):
    write_sample("color", tmp_path / "set", photos_per_class=2, size=32)
    dataset = ColorDataset(tmp_path / "set", split=None, min_colorfulness=5)
    assert [file.stem for file in sorted(dataset.dropped())] == ["0010", "0020"]
    assert len(dataset) == 24
