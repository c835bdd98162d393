import json
import random

import pytest

from sketchkit.data.splits import PARTS, check_files, names_below, read_list, read_split, split_files, write_split
from sketchkit.errors import ConfigError, DataError

NAMES = [f"{number:05d}.jpg" for number in range(1000)]


def sizes(parts):
    return {part: len(names) for part, names in parts.items()}


def test_the_seeds_own_counts():
    """Of 20,426 pictures 12,739, 3,842 and 3,845: in batches of 128 these are 100, 31 and 31."""
    parts = split_files([str(number) for number in range(20426)], counts=(12739, 3842, 3845))
    assert sizes(parts) == {"train": 12739, "val": 3842, "test": 3845}
    assert [-(-count // 128) for count in sizes(parts).values()] == [100, 31, 31]
    assert len({name for names in parts.values() for name in names}) == 20426


def test_it_depends_on_the_seed_and_the_names_alone():
    parts = split_files(NAMES, counts=(700, 200, 100), seed=3)
    shuffled = random.Random(0).sample(NAMES, len(NAMES))
    assert split_files(shuffled, counts=(700, 200, 100), seed=3) == parts
    other = split_files(NAMES, counts=(700, 200, 100), seed=4)
    # By chance 70 % of a train part of 700 out of 1000 are in another one too: 490, deviation 7.9.
    assert 440 < len(set(parts["train"]) & set(other["train"])) < 540
    assert parts["train"] == sorted(parts["train"])
    # Nor does order of names decide: the numbers of a random tenth have a mean of 499.5, deviation 27.4.
    assert 390 < sum(map(NAMES.index, parts["test"])) / 100 < 610


def test_this_split_is_the_same_on_every_machine():
    names = [f"{letter}.png" for letter in "abcdefghij"]
    expected = {"train": ["b.png", "g.png"], "val": ["c.png", "e.png"], "test": ["i.png", "j.png"]}
    assert split_files(names, counts=(2, 2, 2), seed=1) == expected


@pytest.mark.parametrize(
    ("count", "ratios", "expected"),
    [
        (10, (0.8, 0.1, 0.1), (8, 1, 1)),
        (11, (0.8, 0.1, 0.1), (8, 1, 2)),  # 8.8, 1.1, 1.1
        (20426, (0.8, 0.1, 0.1), (16340, 2042, 2044)),  # the recolouring report's 80-10-10
        (20426, (0.6237, 0.1881, 0.1882), (12739, 3842, 3845)),  # its second table
        (100, (0.29, 0.57, 0.14), (29, 57, 14)),  # in floating point 28.999999999999996 and 56.99999999999999
        (7, (0.5, 0.5), (3, 4)),
        (7, (0.5, 0.5, 0.0), (3, 4, 0)),
        (3, (1 / 3, 1 / 3, 1 / 3), (1, 1, 1)),
        (5, (1.0, 0.0), (5, 0)),
    ],
)
def test_ratios_use_every_file(count, ratios, expected):
    parts = split_files([str(number) for number in range(count)], ratios=ratios)
    found = tuple(sizes(parts).values())
    assert sum(found) == count
    assert list(parts) == list(PARTS[: len(ratios)])
    assert found == expected


def test_parts_may_be_named_in_any_order():
    by_name = split_files(NAMES, ratios={"test": 0.1, "train": 0.8, "val": 0.1})
    assert by_name == split_files(NAMES, ratios=(0.8, 0.1, 0.1))
    assert sizes(split_files(NAMES, counts={"test": 30, "train": 60})) == {"train": 60, "test": 30}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(), ConfigError, "needs counts or ratios, one of the two"),
        (dict(counts=(1, 1), ratios=(0.5, 0.5)), ConfigError, "needs counts or ratios, one of the two"),
        (dict(counts=(900, 90, 11)), DataError, "counts 900,90,11 take 1001 files, there are 1000: lower them"),
        (dict(counts=(10, -1)), ConfigError, "10,-1 is no split"),
        (dict(counts=(10,)), ConfigError, "10 is no split: give two or three numbers"),
        (dict(counts=(1, 2, 3, 4)), ConfigError, "1,2,3,4 is no split"),
        (dict(counts=(0, 0, 0)), ConfigError, "take no file"),
        (dict(ratios=(0.8, 0.1)), ConfigError, "ratios 0.8,0.1 sum to 0.9: make it 1"),
        (dict(ratios=(0.8, 0.1, 0.10001)), ConfigError, "sum to 1.00001"),
        (dict(ratios=(1.2, -0.2)), ConfigError, "1.2,-0.2 is no split"),
        (dict(ratios=(float("nan"), 0.5)), ConfigError, "is no split"),
        (dict(ratios=()), ConfigError, "is no split"),
        (dict(ratios=(0.0001, 0.9999)), DataError, "0.0001,0.9999 of 1000 files leave none for train: raise its ratio"),
        (dict(counts={"tran": 3}), ConfigError, "has a part 'tran': did you mean 'train'"),
    ],
)
def test_impossible_sizes_are_one_line(options, error, message):
    with pytest.raises(error, match=message) as caught:
        split_files(NAMES, **options)
    assert "\n" not in str(caught.value)


def test_a_name_given_twice_is_refused():
    with pytest.raises(DataError, match=r"1 names are twice to be split, first 'b'"):
        split_files(["a", "b", "b", "c"], counts=(1, 1))


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "deep/c.jpg", "deep/é.jpg"):
        (folder / name).write_bytes(b"x")
    return folder


PARTED = {"train": ["a.jpg", "deep/é.jpg"], "val": ["b.jpg"], "test": []}


def test_what_is_written_is_read(root, tmp_path):
    write_split(tmp_path / "split.json", root, PARTED, seed=7)
    assert read_split(tmp_path / "split.json") == PARTED
    assert read_split(tmp_path / "split.json", root) == PARTED
    content = json.loads((tmp_path / "split.json").read_text())
    assert (content["seed"], content["counts"]) == (7, {"train": 2, "val": 1, "test": 0})
    assert str(tmp_path) not in (tmp_path / "split.json").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"data", "split.json"}


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", DataError, "is damaged"),
        ('{"format": "sketchkit spl', DataError, r"is damaged \(.*\): write it again"),
        ("[1, 2]", DataError, "is no split file"),
        ('{"train": ["a.jpg"]}', DataError, "is no split file: write one with `sketchkit data split`"),
        ('{"format": "sketchkit split"}', DataError, "its parts are no lists of names"),
        ('{"format": "sketchkit split", "parts": {"train": [1]}}', DataError, "its parts are no lists"),
        ('{"format": "sketchkit split", "parts": {"tset": []}}', ConfigError, "has a part 'tset': did you mean 'test'"),
        (
            '{"format": "sketchkit split", "parts": {"train": ["a.jpg"], "val": ["a.jpg"]}}',
            DataError,
            "1 names are twice in .*split.json, first 'a.jpg'",
        ),
        (
            '{"format": "sketchkit split", "parts": {"train": ["a.jpg", "x.jpg"], "val": ["y.jpg"]}}',
            DataError,
            r"2 of 3 files that .*split.json names are not in .*data, first 'x.jpg'",
        ),
        (
            '{"format": "sketchkit split", "parts": {"train": ["../split.json"]}}',
            DataError,
            r"names '../split.json', which is not relative",
        ),
        ('{"format": "sketchkit split", "parts": {"train": ["/etc/passwd"]}}', DataError, "is not relative"),
    ],
)
def test_damaged_and_foreign_files_are_one_line(root, tmp_path, content, error, message):
    path = tmp_path / "split.json"
    path.write_text(content)
    with pytest.raises(error, match=message) as caught:
        read_split(path, root)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_split_and_binary_ones_are_one_line(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the split .*nowhere.json \(No such file"):
        read_split(tmp_path / "nowhere.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xd8\xff\x00")
    with pytest.raises(DataError, match=r"a.json \(it is no text\)"):
        read_split(tmp_path / "a.json")


def test_nothing_is_written_that_cannot_be_read(root, tmp_path):
    for parts, error in (({"train": ["z.jpg"]}, DataError), ({"trian": ["a.jpg"]}, ConfigError)):
        with pytest.raises(error):
            write_split(tmp_path / "split.json", root, parts, seed=0)
    assert not (tmp_path / "split.json").exists()


def test_lists(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("a.jpg\n\nodd\u2028name.jpg\n")
    assert read_list(path) == ["a.jpg", "odd\u2028name.jpg"]
    path.write_text("\n")
    with pytest.raises(DataError, match="is empty"):
        read_list(path)
    path.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DataError, match=r"cannot read the list .* \(it is no text\)"):
        read_list(path)
    with pytest.raises(DataError, match=r"nowhere.txt \(No such file"):
        read_list(tmp_path / "nowhere.txt")


def test_names_are_relative_and_lists_can_hold_them(root):
    assert names_below(root, [root / "deep" / "c.jpg", root / "a.jpg"]) == ["deep/c.jpg", "a.jpg"]
    for name, shown in (("two\nlines.jpg", r"'two\\nlines.jpg'"), ("latin\udce9.jpg", r"latin\\udce9.jpg")):
        with pytest.raises(DataError, match=f"1 file names .* first .*{shown}.*: rename them") as caught:
            names_below(root, [root / "a.jpg", root / name])
        assert "\n" not in str(caught.value)
    check_files(["a.jpg", "deep/c.jpg"], root, "the list")
