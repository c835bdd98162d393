import shutil
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from sketchkit.data.datasets.sketchy import SketchyDataset
from sketchkit.errors import ConfigError, DataError

TX = "tx_000000000000"


@pytest.fixture
def folder(tmp_path):
    """Two classes, two photos each, two sketches a photo; built by hand, so that every count is known."""
    for name in ("apple", "bear"):
        photos, sketches = tmp_path / "photo" / TX / name, tmp_path / "sketch" / TX / name
        photos.mkdir(parents=True), sketches.mkdir(parents=True)
        for photo in ("p1", "p2"):
            Image.new("RGB", (20, 20), "red").save(photos / f"{photo}.jpg")
            for number in (1, 2):
                Image.new("L", (20, 20), "white").save(sketches / f"{photo}-{number}.png")
    info = tmp_path / "info"
    info.mkdir()
    (info / "testset.txt").write_text("apple/p2.jpg\n")
    for flag, line in (("error", "p1-1"), ("ambiguous", "p1-2"), ("pose", ""), ("context", "p2-1")):
        (info / f"invalid-{flag}.txt").write_text(f"{line}\n")
    return tmp_path


def keys(dataset):
    return [pair.key for pair in dataset.pairs]


def test_splits_and_flags(folder):
    everything = [
        "apple/p1-1",
        "apple/p1-2",
        "apple/p2-1",
        "apple/p2-2",
        "bear/p1-1",
        "bear/p1-2",
        "bear/p2-1",
        "bear/p2-2",
    ]
    assert keys(SketchyDataset(folder, split="all", drop=())) == everything
    assert keys(SketchyDataset(folder, split="test", drop=())) == ["apple/p2-1", "apple/p2-2"]
    assert keys(SketchyDataset(folder, split="train")) == ["apple/p1-2", "bear/p1-2", "bear/p2-1", "bear/p2-2"]
    assert keys(SketchyDataset(folder, drop=("error", "ambiguous", "pose", "context"))) == ["bear/p2-2"]


def test_a_sample(folder):
    sample = SketchyDataset(folder, drop=())[2]
    assert sample["key"] == "bear/p1-1" and sample["label"].item() == 1
    assert sample["source"].shape == sample["target"].shape == (3, 20, 20)
    assert sample["source"].dtype == torch.uint8 and sample["source"].unique().tolist() == [255]
    assert sample["target"][0].min() > 240 and sample["target"][1].max() < 15


def test_everything_may_lie_under_256x256(folder):
    (folder / "256x256").mkdir()
    for name in ("photo", "sketch"):
        shutil.move(folder / name, folder / "256x256" / name)
    assert len(SketchyDataset(folder)) == 4


def test_counts_are_told(folder):
    assert SketchyDataset(folder).describe() == {
        "classes": 2, "photos": 4, "sketches": 8, "test_sketches": 2, "without_photo": 0, "kept": 4,
        # A sketch's id carries no class, so that a line flags the sketches of that id in every class.
        "flagged": {"error": 2, "ambiguous": 2, "pose": 0, "context": 2},
    }  # fmt: skip


@pytest.mark.parametrize("tx", ["tx_000100000000", "tx_000000000010", "tx_000000001110"])
def test_every_pairing_is_selectable_and_unregistered_ones_warn(folder, tx):
    shutil.copytree(folder / "sketch" / TX, folder / "sketch" / tx)
    with pytest.warns(UserWarning, match=f"sketch {tx} do not register pixel for pixel"):
        assert len(SketchyDataset(folder, sketch_tx=tx)) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SketchyDataset(folder)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            dict(data_root="nowhere"),
            DataError,
            r"no data at nowhere: write a sample set .*sketchkit data sample nowhere",
        ),
        (dict(sketch_tx="tx_1"), DataError, r"no sketch/tx_1: there are tx_000000000000; choose one with sketch_tx="),
        (dict(categories=["aple"]), ConfigError, "has no class 'aple': did you mean 'apple'"),
        (dict(categories=3), DataError, "has 2 classes, 3 were asked for: use --cfg-options categories=2"),
        (dict(categories=0), ConfigError, "leaves no class"),
        (dict(split="val"), ConfigError, "split has no 'val'"),
        (dict(drop=["eror"]), ConfigError, "drop has no 'eror': did you mean 'error'"),
    ],
)
def test_wrong_options_are_one_line(folder, options, error, message):
    with pytest.raises(error, match=message) as caught:
        SketchyDataset(**{"data_root": folder, **options})
    assert "\n" not in str(caught.value)


def test_an_empty_class_is_named(folder):
    for file in (folder / "sketch" / TX / "bear").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"class 'bear' .* has no sketch with a photo"):
        SketchyDataset(folder)
    assert len(SketchyDataset(folder, categories=["apple"])) == 1


def test_a_root_without_classes_is_said(tmp_path):
    for kind in ("photo", "sketch"):
        (tmp_path / kind / TX).mkdir(parents=True)
    with pytest.raises(DataError, match="has no class folder under photo and sketch"):
        SketchyDataset(tmp_path)


def test_missing_info_is_named(folder):
    (folder / "info" / "invalid-error.txt").unlink()
    with pytest.raises(DataError, match=r"no info/invalid-error\.txt .*leave 'error' out of drop"):
        SketchyDataset(folder)
    shutil.rmtree(folder / "info")
    with pytest.raises(DataError, match=r"no info/testset\.txt"):
        SketchyDataset(folder, drop=())
    assert len(SketchyDataset(folder, split="all", drop=())) == 8


def test_a_sketch_without_its_photo_is_left_out_and_said(folder):
    (folder / "photo" / TX / "bear" / "p2.jpg").unlink()
    with pytest.warns(UserWarning, match="2 sketches without a photo are left out"):
        dataset = SketchyDataset(folder)
    assert keys(dataset) == ["apple/p1-2", "bear/p1-2"]


def test_nothing_left_is_said(folder):
    with pytest.raises(DataError, match=r"no sample of .* is left by split='test'"):
        SketchyDataset(folder, split="test", categories=["bear"])


def damage(folder, *names):
    for name in names:
        path = folder / "sketch" / TX / name
        path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_file_is_replaced_named_and_known_to_all(folder, workers):
    damage(folder, "apple/p1-1.png", "bear/p2-2.png")
    dataset = SketchyDataset(folder, split="all", drop=())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen = [sample["key"][0] for sample in DataLoader(dataset, num_workers=workers)]
    assert seen[0] == "apple/p1-2" and seen[7] == "apple/p1-2"
    assert [path.name for path in dataset.unreadable()] == ["p1-1.png", "p2-2.png"]
    if not workers:
        assert [str(w.message).count("not a whole image") for w in caught] == [1, 1]


def test_more_damage_than_allowed_ends_it(folder):
    damage(folder, "apple/p1-1.png", "apple/p1-2.png", "bear/p1-1.png")
    dataset = SketchyDataset(folder, split="all", drop=(), max_unreadable=2)
    with pytest.warns(UserWarning), pytest.raises(DataError, match=r"3 unreadable .*max_unreadable=3"):
        list(DataLoader(dataset))


def test_nothing_readable_is_said(folder):
    dataset = SketchyDataset(folder, split="test", drop=())
    damage(folder, "apple/p2-1.png", "apple/p2-2.png")
    with pytest.warns(UserWarning), pytest.raises(DataError, match="no readable sample left"):
        dataset[0]


def test_a_limit_keeps_samples_of_every_class(folder):
    assert keys(SketchyDataset(folder, split="all", drop=(), max_samples=4)) == [
        "apple/p1-1", "apple/p2-1", "bear/p1-1", "bear/p2-1",
    ]  # fmt: skip


def test_the_fingerprint_sees_names_and_sizes(folder):
    before = SketchyDataset(folder).fingerprint()
    assert SketchyDataset(folder).fingerprint() == before
    sketch = folder / "sketch" / TX / "bear" / "p1-2.png"
    sketch.write_bytes(sketch.read_bytes() + b"x")
    grown = SketchyDataset(folder).fingerprint()
    sketch.rename(sketch.with_name("p1-3.png"))
    assert len({before, grown, SketchyDataset(folder).fingerprint()}) == 3


AUGMENT = [
    dict(type="Resize", size=(16, 16)),
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomAffine", degrees=20, translate=(0.1, 0.1), scale=(0.8, 1.2)),
    dict(type="ColorJitter", brightness=0.5, contrast=0.5),
]


def textured(folder):
    rng = np.random.default_rng(0)
    for path in [*folder.glob("photo/*/*/*.jpg"), *folder.glob("sketch/*/*/*.png")]:
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(path)


def test_augmentation_depends_on_seed_index_and_draw_alone(folder):
    textured(folder)
    dataset = SketchyDataset(folder, drop=(), pipeline=AUGMENT)
    order = [(index, draw) for draw in range(4) for index in range(len(dataset))]
    images = []
    for workers in (0, 2):
        loader = DataLoader(dataset, sampler=order, batch_size=4, num_workers=workers)
        images.append(torch.cat([batch["target"] for batch in loader]))
    assert torch.equal(*images)
    assert torch.equal(dataset[(1, 3)]["source"], dataset[(1, 3)]["source"])
    assert not torch.equal(dataset[(1, 3)]["source"], dataset[(1, 4)]["source"])
    other = SketchyDataset(folder, drop=(), pipeline=AUGMENT, seed=1)
    assert not torch.equal(dataset[(1, 3)]["source"], other[(1, 3)]["source"])


def test_augmentation_leaves_the_global_randomness_alone(folder):
    dataset = SketchyDataset(folder, pipeline=AUGMENT)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    dataset[0]
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (dict(split="all", drop=()), 3125),
        (dict(split="test", drop=()), 368),
        (dict(split="train", drop=("error",)), 2721),
        (dict(split="train", drop=("error", "ambiguous", "pose", "context")), 2399),
    ],
)
def test_the_real_subset_counts(real_sketchy, options, count):
    assert len(SketchyDataset(real_sketchy, **options)) == count


def test_the_real_subset_in_whole(real_sketchy):
    dataset = SketchyDataset(real_sketchy, split="all", drop=())
    found = dataset.describe()
    assert (found["classes"], found["photos"], found["sketches"], found["test_sketches"]) == (125, 578, 3125, 368)
    assert found["flagged"] == {"error": 38, "ambiguous": 207, "pose": 117, "context": 27}
    assert dataset[1000]["source"].shape == dataset[1000]["target"].shape == (3, 128, 128)
    assert SketchyDataset(real_sketchy, categories=10).classes == [
        "airplane", "alarm_clock", "ant", "ape", "apple", "armor", "axe", "banana", "bat", "bear",
    ]  # fmt: skip
