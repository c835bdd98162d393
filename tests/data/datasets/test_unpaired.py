from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sketchkit.data.base import collate_pictures
from sketchkit.data.datasets.unpaired import UnpairedDataset
from sketchkit.data.sample import write_sample
from sketchkit.errors import ConfigError, DataError
from tests.data.test_base import keys, save


def flat(value, size=(8, 8)):
    return np.full((*size, 3), value, np.uint8)


def fill(root, layout, split="train", counts=(3, 7)):
    """Pictures of A with values 0, 1, 2 and of B with 100, 101, ..."""
    for kind, start, count in (("A", 0, counts[0]), ("B", 100, counts[1])):
        for number in range(count):
            save(root / layout.format(split=split, kind=kind) / f"{number}.png", flat(start + number))
    return root


LAYOUTS = ["{split}{kind}", "{split}/{kind}", "{kind}/{split}"]


def values(dataset, draws=(0,)):
    """The (source, target) values of every sample, each draw."""
    samples = [dataset[(index, draw)] for draw in draws for index in range(len(dataset))]
    return [(int(sample["source"].float().mean()), int(sample["target"].float().mean())) for sample in samples]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_sources_and_as_many_as_the_larger_folder(tmp_path, layout):
    dataset = UnpairedDataset(fill(tmp_path, layout))
    assert [source for source, _ in values(dataset)] == [0, 1, 2, 0, 1, 2, 0]
    assert all(100 <= target <= 106 for _, target in values(dataset))
    assert dataset[1]["key"] == f"{layout.format(split='train', kind='A')}/1"
    assert len(dataset.files()) == 10


def test_the_way_back_swaps_them(tmp_path):
    dataset = UnpairedDataset(fill(tmp_path, LAYOUTS[0]), direction="BtoA")
    assert [source for source, _ in values(dataset)] == [100, 101, 102, 103, 104, 105, 106]
    assert {target for _, target in values(dataset, range(9))} == {0, 1, 2}


def test_serial_takes_the_targets_in_order(tmp_path):
    dataset = UnpairedDataset(fill(tmp_path, LAYOUTS[0], "test", (5, 2)), split="test", serial=True)
    assert values(dataset) == [(0, 100), (1, 101), (2, 100), (3, 101), (4, 100)] == values(dataset, [9])


def test_partners_depend_on_seed_index_and_draw_alone_and_are_spread(tmp_path):
    root = fill(tmp_path, LAYOUTS[0])
    dataset = UnpairedDataset(root)
    order = [(index, draw) for draw in range(40) for index in range(7)]
    seen = []
    for workers in (0, 2):
        loader = DataLoader(dataset, sampler=order, batch_size=20, num_workers=workers, collate_fn=collate_pictures)
        seen.append(torch.cat([batch["target"] for batch in loader])[:, 0, 0, 0].tolist())
    assert seen[0] == seen[1] == [target for _, target in values(UnpairedDataset(root), range(40))]
    counts = Counter(seen[0])
    assert set(counts) == set(range(100, 107)) and max(counts.values()) < 3 * min(counts.values())
    assert len({dataset.parts(2, draw)[1] for draw in range(40)}) > 3
    assert values(UnpairedDataset(root, seed=1), range(4)) != values(dataset, range(4))


def test_each_picture_may_be_cropped_by_itself(tmp_path):
    """Both folders hold one picture: cropped together they stay equal, within `Only` they move apart."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, -1)
    for kind in "AB":
        save(tmp_path / f"train{kind}" / "x.png", ramp)
    crop = dict(type="RandomCrop", size=4)
    together = UnpairedDataset(tmp_path, pipeline=[crop])
    apart = UnpairedDataset(
        tmp_path, pipeline=[dict(type="Only", keys=[key], transform=[crop]) for key in ("source", "target")]
    )
    for dataset, expected in ((together, 0), (apart, 8)):
        samples = [dataset[(0, draw)] for draw in range(10)]
        assert sum(not torch.equal(sample["source"], sample["target"]) for sample in samples) >= expected
        assert expected or all(torch.equal(sample["source"], sample["target"]) for sample in samples)


def test_sizes_may_differ_between_the_kinds_but_not_within_a_batch(tmp_path):
    for number, size in enumerate([(8, 8), (8, 8), (8, 12)]):
        save(tmp_path / "trainA" / f"{number}.png", flat(number, size))
    save(tmp_path / "trainB" / "x.png", flat(100, (20, 30)))
    dataset = UnpairedDataset(tmp_path)
    assert dataset[0]["source"].shape == (3, 8, 8) and dataset[0]["target"].shape == (3, 20, 30)
    batches = DataLoader(dataset, batch_size=3, collate_fn=collate_pictures)
    with pytest.raises(DataError, match=r"trainA/0 is 8x8 .*|trainA/1 is 8x8 .*trainA/2 is 12x8"):
        next(iter(batches))


def test_the_picture_too_small_for_the_crop_is_named_whichever_it_is(tmp_path):
    save(tmp_path / "trainA" / "big.png", flat(0, (20, 20)))
    save(tmp_path / "trainB" / "small.png", flat(0, (6, 9)))
    crop = dict(type="Only", keys=["target"], transform=dict(type="RandomCrop", size=8))
    with pytest.raises(DataError, match=r"trainB/small\.png \(20x20 and 9x6 pixels\) does not go through") as caught:
        UnpairedDataset(tmp_path, pipeline=[crop])[0]
    assert "\n" not in str(caught.value)


def test_a_damaged_target_is_replaced(tmp_path):
    root = fill(tmp_path, LAYOUTS[0], counts=(3, 3))
    (root / "trainB" / "1.png").write_bytes(b"")
    dataset = UnpairedDataset(root, serial=True)
    with pytest.warns(UserWarning, match=r"trainB/1\.png is empty"):
        assert values(dataset) == [(0, 100), (2, 102), (2, 102)]
    assert [file.name for file in dataset.unreadable()] == ["1.png"]


def test_a_limit_holds_for_each_kind(tmp_path):
    dataset = UnpairedDataset(fill(tmp_path, LAYOUTS[0]), max_samples=2)
    assert keys(dataset) == ["trainA/0", "trainA/1"]
    assert {target for _, target in values(dataset, range(20))} == {100, 103}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(data_root="nowhere"), DataError, "no data at nowhere"),
        (dict(split="val"), DataError, "has none of valA, val/A, A/val: name the folders"),
        (dict(folders=("A", "C")), DataError, "has none of trainC, train/C, C/train"),
        (dict(split="empty"), DataError, r"no picture in .*emptyA"),
        (dict(direction="BtoC"), ConfigError, "direction='BtoC' is not a choice: did you mean"),
        (dict(max_samples=0), ConfigError, "max_samples=0 leaves no sample"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, options, error, message):
    root = fill(tmp_path, LAYOUTS[0])
    (root / "emptyA").mkdir()
    with pytest.raises(error, match=message) as caught:
        UnpairedDataset(**{"data_root": root, **options})
    assert "\n" not in str(caught.value)


def test_the_sample_set_is_read(tmp_path):
    write_sample("unpaired", tmp_path / "set", photos_per_class=1, size=16)
    counts = {kind: len(list((tmp_path / "set" / f"train{kind}").iterdir())) for kind in "AB"}
    assert counts["A"] != counts["B"]
    assert len(UnpairedDataset(tmp_path / "set")) == max(counts.values())


def test_no_split_takes_the_folders_of_the_root(tmp_path):
    dataset = UnpairedDataset(fill(tmp_path, "{kind}"), split=None)
    assert [source for source, _ in values(dataset)] == [0, 1, 2, 0, 1, 2, 0]
    with pytest.raises(DataError, match=r"has none of x: name the folders with folders="):
        UnpairedDataset(tmp_path, split=None, folders=("x", "B"))
