"""What data sets of files share, seen through `PairsDataset` on files of every kind."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from sketchkit.data.base import collate_pictures
from sketchkit.data.datasets.pairs import PairsDataset
from sketchkit.data.formats import SUFFIXES
from sketchkit.data.listing import pictures_in
from sketchkit.errors import ConfigError, DataError


def noise(height=16, width=32, seed=0, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


@pytest.fixture
def root(tmp_path):
    """Five side-by-side files of noise, 16 pixels high, 32 wide."""
    for number in range(5):
        save(tmp_path / "train" / f"{number}.png", noise(seed=number))
    return tmp_path


def damage(root, *numbers):
    for number in numbers:
        file = root / "train" / f"{number}.png"
        file.write_bytes(file.read_bytes()[:60])


def keys(dataset):
    return [dataset[i]["key"] for i in range(len(dataset))]


def test_pictures_are_found_at_any_depth_and_hidden_files_are_not(tmp_path):
    names = ["b.PNG", "a.jpg", "deep/er/c.tif", ".hidden.png", ".cache/d.png", "notes.txt", "e.webp", "f.bmp", "g.jpeg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [file.relative_to(tmp_path).as_posix() for file in pictures_in(tmp_path)]
    assert found == ["a.jpg", "b.PNG", "deep/er/c.tif", "e.webp", "f.bmp", "g.jpeg"]
    assert {".tiff", ".tif", ".jpg"} < SUFFIXES
    with pytest.raises(DataError, match=r"no folder at .*nowhere"):
        pictures_in(tmp_path / "nowhere")


def test_a_sample_is_both_halves_as_they_are(root):
    sample = PairsDataset(root)[3]
    image = torch.from_numpy(noise(seed=3)).permute(2, 0, 1)
    assert sample["key"] == "train/3"
    assert torch.equal(sample["source"], image[..., :16]) and torch.equal(sample["target"], image[..., 16:])
    assert type(sample["source"]) is torch.Tensor and sample["source"].dtype == torch.uint8
    assert "label" not in sample
    assert torch.equal(PairsDataset(root)[-2]["source"], sample["source"])
    with pytest.raises(IndexError):
        PairsDataset(root)[5]


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_files_are_replaced_by_their_neighbours_and_known_to_all(root, workers):
    damage(root, 1, 4)
    dataset = PairsDataset(root)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen = [batch["key"][0] for batch in DataLoader(dataset, num_workers=workers)]
    assert seen == ["train/0", "train/2", "train/2", "train/3", "train/0"]
    assert [file.name for file in dataset.unreadable()] == ["1.png", "4.png"]
    if not workers:
        assert [str(warning.message).count("the next sample takes its place") for warning in caught] == [1, 1]


def test_more_damage_than_allowed_is_one_line(root):
    damage(root, 0, 1, 2)
    with pytest.warns(UserWarning), pytest.raises(DataError, match=r"3 unreadable files in .*0\.png.*=3") as caught:
        keys(PairsDataset(root, max_unreadable=2))
    assert "\n" not in str(caught.value)
    assert keys_with_warnings(PairsDataset(root, max_unreadable=3)) == [f"train/{n}" for n in (3, 3, 3, 3, 4)]


def keys_with_warnings(dataset):
    with pytest.warns(UserWarning):
        return keys(dataset)


def test_nothing_readable_is_said(root):
    damage(root, *range(5))
    with pytest.warns(UserWarning), pytest.raises(DataError, match="no readable sample left in"):
        PairsDataset(root)[0]


AUGMENT = [
    dict(type="ResizeAndCrop", size=8, load_size=12),
    dict(type="RandomHorizontalFlip"),
    dict(type="Only", keys=["target"], transform=dict(type="ColorJitter", brightness=0.5)),
]


def test_augmentation_depends_on_seed_index_and_draw_alone(root):
    dataset = PairsDataset(root, pipeline=AUGMENT)
    order = [(index, draw) for draw in range(4) for index in range(len(dataset))]
    images = []
    for workers in (0, 2):
        loader = DataLoader(dataset, sampler=order, batch_size=4, num_workers=workers)
        images.append(torch.cat([batch["target"] for batch in loader]))
    assert torch.equal(*images)
    alone = dataset[(2, 3)]["target"]
    assert torch.equal(alone, images[0][order.index((2, 3))])
    assert len({dataset[(2, draw)]["target"].numpy().tobytes() for draw in range(6)}) == 6
    assert not torch.equal(alone, PairsDataset(root, pipeline=AUGMENT, seed=1)[(2, 3)]["target"])


def test_the_global_randomness_is_left_alone(root):
    dataset = PairsDataset(root, pipeline=AUGMENT)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    dataset[0]
    assert torch.equal(torch.rand(3), expected)


def test_a_picture_smaller_than_the_crop_is_named_in_one_line(root):
    save(root / "train" / "2.png", noise(6, 12))
    dataset = PairsDataset(root, pipeline=[dict(type="RandomCrop", size=(8, 8))])
    assert dataset[1]["source"].shape == (3, 8, 8)
    with pytest.raises(
        DataError, match=r"2\.png \(6x6 pixels\) does not go through the pipeline: .*image_size"
    ) as caught:
        dataset[2]
    assert "\n" not in str(caught.value)


def test_different_sizes_in_one_batch_are_named(root):
    save(root / "train" / "1.png", noise(24, 48))
    dataset = PairsDataset(root)
    with pytest.raises(
        DataError, match=r"train/0 is 16x16 with 3 channels and train/1 is 24x24 with 3: .*batch_size=1"
    ):
        next(iter(DataLoader(dataset, batch_size=2, collate_fn=collate_pictures)))
    batches = list(DataLoader(dataset, batch_size=1, collate_fn=collate_pictures))
    assert [tuple(batch["target"].shape) for batch in batches[:2]] == [(1, 3, 16, 16), (1, 3, 24, 24)]


def test_a_batch_may_have_sources_and_targets_of_different_channels(root):
    gray = [dict(type="Only", keys=["source"], transform=dict(type="Grayscale"))]
    (batch,) = DataLoader(PairsDataset(root, pipeline=gray), batch_size=5, collate_fn=collate_pictures)
    assert batch["source"].shape == (5, 1, 16, 16) and batch["target"].shape == (5, 3, 16, 16)
    assert batch["key"] == [f"train/{n}" for n in range(5)]


def test_the_fingerprint_sees_names_and_sizes_and_not_the_root(root, tmp_path_factory):
    before = PairsDataset(root).fingerprint()
    moved = tmp_path_factory.mktemp("moved") / "elsewhere"
    root.rename(moved)
    assert PairsDataset(moved).fingerprint() == before
    file = moved / "train" / "0.png"
    file.write_bytes(file.read_bytes() + b"x")
    grown = PairsDataset(moved).fingerprint()
    file.rename(file.with_name("5.png"))
    assert (
        len({before, grown, PairsDataset(moved).fingerprint(), PairsDataset(moved, max_samples=2).fingerprint()}) == 4
    )


def test_a_limit_is_spread_over_the_whole(root):
    for limit, expected in ((2, ["0", "2"]), (3, ["0", "1", "3"]), (5, list("01234")), (9, list("01234"))):
        assert keys(PairsDataset(root, max_samples=limit)) == [f"train/{name}" for name in expected]
    for limit in (0, -1):
        with pytest.raises(ConfigError, match=f"max_samples={limit} leaves no sample"):
            PairsDataset(root, max_samples=limit)


def test_an_unknown_step_is_refused_when_the_set_is_built(root):
    with pytest.raises(ConfigError, match="did you mean 'ResizeAndCrop'"):
        PairsDataset(root, pipeline=[dict(type="ResizeAndCorp")])


def test_every_kind_of_file_becomes_8_bit_rgb(tmp_path):
    """Halves of one value; what the file means is written out for each."""
    deep = np.full((8, 16), 40_000, np.uint16)
    rgba = np.zeros((8, 16, 4), np.uint8)
    rgba[:, 8:] = (200, 100, 0, 127)
    kinds = {
        "deep.png": (deep, (156, 156, 156), (156, 156, 156)),  # 40,000 / 257 = 155.6
        "deep.tif": (deep, (156, 156, 156), (156, 156, 156)),
        "gray.png": (np.full((8, 16), 90, np.uint8), (90, 90, 90), (90, 90, 90)),
        "color.tiff": (np.full((8, 16, 3), (9, 8, 7), np.uint8), (9, 8, 7), (9, 8, 7)),
        # Transparent is white; half transparent is 127 / 255 of the colour and the rest white.
        "rgba.png": (rgba, (255, 255, 255), (228, 178, 127)),
    }
    for name, (image, _, _) in kinds.items():
        save(tmp_path / name, image)
    dataset = PairsDataset(tmp_path, split=None)
    assert len(dataset) == len(kinds)
    for (name, (_, left, right)), index in zip(sorted(kinds.items()), range(len(kinds)), strict=True):
        sample = dataset[index]
        assert sample["key"] == (name if "deep" in name else name.partition(".")[0])
        for half, expected in ((sample["source"], left), (sample["target"], right)):
            assert half.shape == (3, 8, 8)
            assert (half.int() - torch.tensor(expected).view(3, 1, 1)).abs().max() <= 1, name
