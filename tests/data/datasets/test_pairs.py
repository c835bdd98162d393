import json

import numpy as np
import pytest
import torch

from sketchkit.data.datasets.pairs import PairsDataset
from sketchkit.data.image_io import read_image, write_image
from sketchkit.data.sample import write_sample
from sketchkit.errors import ConfigError, DataError
from tests.data.test_base import keys, noise, save


def lines(size=64, seed=0):
    """Black lines on white paper."""
    image = np.full((size, size, 3), 255, np.uint8)
    image[20 + seed : 22 + seed], image[:, 40:42] = 0, 0
    return image


def photo(size=64, seed=0):
    return noise(size, size, seed)


def halves(path, left, right):
    return save(path, np.concatenate([left, right], 1))


def tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)


@pytest.fixture
def root(tmp_path):
    """train and val of side-by-side files: the photo left and the lines right, one in a folder of its own."""
    for number, name in enumerate(["train/a", "train/b", "train/more/c", "val/d"]):
        halves(tmp_path / f"{name}.png", photo(seed=number), lines(seed=number))
    return tmp_path


@pytest.fixture
def folders(tmp_path):
    """The same as two folders, train/A of lines and train/B of photos, with different endings."""
    for number, name in enumerate(["a", "b", "more/c"]):
        save(tmp_path / f"train/A/{name}.png", lines(seed=number))
        save(tmp_path / f"train/B/{name}.bmp", photo(seed=number))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "source_is_lines"),
    [
        (dict(source_side="left"), False),
        (dict(source_side="right"), True),
        (dict(source_side="auto"), True),
        (dict(source_side="left", direction="BtoA"), True),
        (dict(source_side="right", direction="BtoA"), False),
        (dict(source_side="auto", direction="BtoA"), False),
    ],
)
def test_sides_and_directions_of_one_file(root, options, source_is_lines):
    dataset = PairsDataset(root, **options)
    assert keys(dataset) == ["train/a", "train/b", "train/more/c"]
    sample = dataset[2]
    ends = (sample["source"], sample["target"]) if source_is_lines else (sample["target"], sample["source"])
    assert torch.equal(ends[0], tensor(lines(seed=2))) and torch.equal(ends[1], tensor(photo(seed=2)))


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("layout", ["auto", "folders"])
def test_two_folders(folders, layout, direction):
    dataset = PairsDataset(folders, layout=layout, direction=direction)
    sample = dataset[2]
    ends = (sample["source"], sample["target"]) if direction == "AtoB" else (sample["target"], sample["source"])
    assert torch.equal(ends[0], tensor(lines(seed=2))) and torch.equal(ends[1], tensor(photo(seed=2)))
    first = "A" if direction == "AtoB" else "B"
    assert keys(dataset) == [f"train/{first}/{name}" for name in ("a", "b", "more/c")]
    assert [file.parent.name for file in dataset.parts(0, 0)] == sorted("AB", reverse=direction == "BtoA")


def test_folders_may_hold_the_splits_have_other_names_and_no_split(folders, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for kind, name in (("A", "sketch"), ("B", "photo")):
        (other / name).mkdir()
        (folders / "train" / kind).rename(other / name / "train")
    dataset = PairsDataset(other, folders=("sketch", "photo"))
    assert torch.equal(dataset[1]["source"], tensor(lines(seed=1)))
    assert len(PairsDataset(other, split=None, folders=["sketch", "photo"])) == 3
    with pytest.raises(DataError, match=r"train has no folders A and B: name them with folders="):
        PairsDataset(other, layout="folders")


def test_no_split_takes_the_root_itself(root):
    assert keys(PairsDataset(root / "train", split=None)) == ["a", "b", "more/c"]
    assert len(PairsDataset(root, split=None)) == 4


def test_a_split_file_divides_one_folder(root):
    file = root / "split.json"
    parts = {"train": ["train/a.png"], "val": ["train/more/c.png", "val/d.png"]}
    file.write_text(json.dumps({"format": "sketchkit split", "parts": parts}))
    assert keys(PairsDataset(root, split="train", split_file=file)) == ["train/a"]
    assert keys(PairsDataset(root, split="val", split_file=file)) == ["train/more/c", "val/d"]
    with pytest.raises(ConfigError, match="has no part 'vall': did you mean 'val'"):
        PairsDataset(root, split="vall", split_file=file)
    with pytest.raises(ConfigError, match="needs the part of it to take"):
        PairsDataset(root, split=None, split_file=file)


def test_a_split_file_is_not_passed_over_where_there_are_two_folders(folders):
    with pytest.raises(ConfigError, match=r"split_file=split\.json divides side-by-side files"):
        PairsDataset(folders, split_file="split.json")


def test_missing_partners_are_listed(folders):
    for name in ("b.png", "x1.png", "x2.png", "x3.png"):
        save(folders / "train/A" / name, lines())
    (folders / "train/B/b.bmp").unlink()
    with pytest.raises(DataError, match=r"train/B has no picture named b, x1, x2, x3 \(4 in all\)"):
        PairsDataset(folders)
    for name in ("b", "x1", "x2", "x3", "y"):
        save(folders / f"train/B/{name}.bmp", photo())
    with pytest.raises(DataError, match=r"train/A has no picture named y \(1 in all\)"):
        PairsDataset(folders)


def test_one_name_twice_is_refused(folders):
    save(folders / "train/A/a.jpg", lines())
    with pytest.raises(DataError, match=r"a\.jpg and a\.png have one name: which one is meant"):
        PairsDataset(folders)


def test_partners_of_two_sizes_are_refused(folders):
    save(folders / "train/B/b.bmp", photo(32))
    dataset = PairsDataset(folders)
    assert dataset[0]["key"] == "train/A/a"
    with pytest.raises(DataError, match=r"A/b\.png is 64x64 and .*B/b\.bmp is 32x32: a pair must register") as caught:
        dataset[1]
    assert "\n" not in str(caught.value)


def test_a_damaged_partner_takes_its_pair_out(folders):
    (folders / "train/B/b.bmp").write_bytes(b"BM")
    dataset = PairsDataset(folders)
    with pytest.warns(UserWarning, match=r"B/b\.bmp"):
        assert keys(dataset) == ["train/A/a", "train/A/more/c", "train/A/more/c"]
    assert [file.name for file in dataset.unreadable()] == ["b.bmp"]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((64, 192), r"x\.png is 192x64, 3 pictures of side_ratio=1\.0: a pair is two equal halves"),
        ((64, 64), r"x\.png is 64x64, 1 pictures of side_ratio=1\.0"),
        ((64, 129), r"x\.png is 129x64, 2\.02 pictures"),
        ((100, 210), r"x\.png is 210x100, 2\.1 pictures"),
    ],
)
def test_a_file_that_is_no_pair_is_named(root, size, message):
    save(root / "train/x.png", noise(*size))
    dataset = PairsDataset(root)
    with pytest.raises(DataError, match=message):
        dataset[3]
    assert dataset[0]["source"].shape == (3, 64, 64)


def test_halves_of_another_shape(root):
    save(root / "val/d.png", noise(64, 192))
    assert PairsDataset(root, split="val", side_ratio=1.5)[0]["source"].shape == (3, 64, 96)
    save(root / "val/d.png", noise(50, 140))
    with pytest.raises(DataError, match=r"140x50, 1\.87 pictures of side_ratio=1\.5"):
        PairsDataset(root, split="val", side_ratio=1.5)[0]
    assert PairsDataset(root, split="val", side_ratio=None)[0]["target"].shape == (3, 50, 70)
    save(root / "val/d.png", noise(50, 141))
    with pytest.raises(DataError, match=r"141x50, an odd width"):
        PairsDataset(root, split="val", side_ratio=None)[0]


def test_a_swapped_set_is_found_and_a_mixed_one_refused(root):
    for number, name in enumerate(["a", "b", "more/c"]):
        halves(root / f"train/{name}.png", lines(seed=number), photo(seed=number))
    swapped = PairsDataset(root, source_side="auto")
    assert torch.equal(swapped[0]["source"], tensor(lines()))
    assert swapped.record() == {
        "source_side": "left",
        "found": "the sketch is the left half: 3 say so, 0 are unclear (3 files)",
    }
    assert PairsDataset(root).record() == {}
    halves(root / "train/b.png", photo(seed=1), lines(seed=1))
    with pytest.raises(DataError, match=r"the left half in 2 files and the other in 1, .*b\.png: .*source_side='left'"):
        PairsDataset(root, source_side="auto")


def test_the_side_is_looked_for_among_the_files_used(root):
    halves(root / "val/d.png", lines(), photo())
    assert PairsDataset(root, source_side="auto").source_side == "right"
    assert PairsDataset(root, split="val", source_side="auto").source_side == "left"


def gray(seed):
    return photo(seed=seed)[..., :1].repeat(3, -1)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_a_gray_target_is_replaced_and_named_where_colour_is_needed(folders, direction):
    kind = "B" if direction == "AtoB" else "A"
    if direction == "BtoA":
        (folders / "train/A").rename(folders / "train/C")
        (folders / "train/B").rename(folders / "train/A")
        (folders / "train/C").rename(folders / "train/B")
    save(folders / f"train/{kind}/b.bmp", gray(1))
    source = "A" if direction == "AtoB" else "B"
    dataset = PairsDataset(folders, needs_color=True, direction=direction)
    with pytest.warns(UserWarning, match=rf"{kind}/b\.bmp: the target has no colour.*needs_color=False") as caught:
        assert keys(dataset) == [f"train/{source}/{name}" for name in ("a", "more/c", "more/c")]
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert [file.relative_to(folders).as_posix() for file in dataset.unreadable()] == [f"train/{kind}/b.bmp"]
    assert keys(PairsDataset(folders, direction=direction))[1] == f"train/{source}/b"


def test_gray_targets_up_to_a_limit(root):
    for name, seed in (("a", 0), ("b", 1)):
        halves(root / f"train/{name}.png", lines(), gray(seed))
    with pytest.warns(UserWarning, match="has no colour"):
        assert keys(PairsDataset(root, source_side="right", needs_color=True, max_unreadable=2)) == ["train/more/c"] * 3
    with pytest.warns(UserWarning), pytest.raises(DataError, match=r"2 unreadable .*b\.png: the target has no colour"):
        keys(PairsDataset(root, source_side="right", needs_color=True, max_unreadable=1))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(data_root="nowhere"), DataError, "no data at nowhere: point to your copy"),
        (dict(split="trian"), DataError, "has no folder trian: did you mean 'train'"),
        (dict(split="empty"), DataError, "no picture in .*empty"),
        (dict(layout="folder"), ConfigError, "layout='folder' is not a choice: did you mean 'folders'"),
        (dict(source_side="rigth"), ConfigError, "did you mean 'right'"),
        (dict(direction="atob"), ConfigError, "direction='atob' is not a choice: .*AtoB"),
        (dict(layout="folders"), DataError, "has no folders A and B"),
    ],
)
def test_wrong_options_are_one_line(root, options, error, message):
    (root / "empty").mkdir()
    with pytest.raises(error, match=message) as caught:
        PairsDataset(**{"data_root": root, **options})
    assert "\n" not in str(caught.value)


def test_two_empty_folders_are_said(tmp_path):
    for name in "AB":
        (tmp_path / "train" / name).mkdir(parents=True)
    with pytest.raises(DataError, match=r"no picture in .*train/A"):
        PairsDataset(tmp_path)


def test_the_sample_set_is_read_as_it_was_written(tmp_path):
    write_sample("pairs", tmp_path / "pairs", photos_per_class=1, size=32)
    dataset = PairsDataset(tmp_path / "pairs", split="val", source_side="auto")
    whole = tensor(read_image(tmp_path / "pairs" / f"{dataset[0]['key']}.png"))
    assert torch.equal(torch.cat([dataset[0]["target"], dataset[0]["source"]], -1), whole)


def test_a_jpeg_pair_is_cut_in_the_middle(tmp_path):
    image = np.full((16, 32, 3), 250, np.uint8)
    image[:, 16:] = (10, 60, 200)
    write_image(tmp_path / "x.jpg", image)
    sample = PairsDataset(tmp_path, split=None)[0]
    assert sample["source"].float().mean() == pytest.approx(250, abs=2)
    assert (sample["target"].float().mean((1, 2)) - torch.tensor([10.0, 60, 200])).abs().max() < 4


def test_folders_may_be_named_as_cyclegans(folders):
    for side in "AB":
        (folders / "train" / side).rename(folders / f"train{side}")
    dataset = PairsDataset(folders)
    assert not dataset.is_side_by_side and len(dataset) > 1
