"""What `sketchkit data check` says of folders of every layout, and that the command it prints trains as printed."""

import json
import shlex
import shutil
import unicodedata

import numpy as np
import pytest
from click.testing import CliRunner

from sketchkit.cli import cli
from sketchkit.config.load import load_config
from sketchkit.data.datasets.color import ColorDataset
from sketchkit.data.datasets.pairs import PairsDataset
from sketchkit.data.datasets.sketchy import SketchyDataset
from sketchkit.data.datasets.unpaired import UnpairedDataset
from sketchkit.data.image_io import read_image, write_image
from sketchkit.engine.train import train
from sketchkit.errors import ConfigError, DataError
from sketchkit.registry import DATASETS
from tests.cli.test_data_sketch import folder as photos_in
from tests.small_runs import RESNET, UNET

pytestmark = pytest.mark.slow

SMALL = {
    "sketchygan_demo": ["backbone.width=2", "heads.discriminator.width=2"],
    "pix2pix_edges2shoes": UNET,
    "autopainter_lineart": [*UNET, "heads.discriminator.num_layers=2", "generator_losses.feature.weights=None"],
    "cyclegan_sketch2color": RESNET,
    "recolor_simple": [
        "backbone.encoder=[[4, 4, 4], [4, 4, 4]]",
        "backbone.decoder=[[4, 4]]",
        "heads.discriminator.channels=[4, 4, 4]",
    ],
}
ONE_ITERATION = ["image_size=32", "num_workers=0", "batch_size=2", "train_cfg.max_iters=1", "train_cfg.val_interval=1"]


def photo(seed, height=32, width=32):
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.uint8) + rng.integers(60, 255, 3).astype(np.uint8)
    image[4:20, 6:16] = rng.integers(0, 255, 3)
    return image


def drawing(seed, height=32, width=32):
    image = np.full((height, width, 3), 255, np.uint8)
    image[4 + seed % 20, 4:28], image[4:28, 8 + seed % 17] = 0, 0
    return image


def put(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, image)


def pairs(root, part, count, seed=0, width=32):
    for number in range(count):
        halves = [photo(seed + number, 32, width), drawing(seed + number, 32, width)]
        put(root / part / f"a picture {number}.png", np.concatenate(halves, 1))


def sketchy(root, photo_tx="", sketch_tx=""):
    for seed, name in enumerate(("ant", "bee")):
        for number in range(3):
            put(root / "photo" / photo_tx / name / f"p{number}.jpg", photo(10 * seed + number))
            for two in (1, 2):
                put(root / "sketch" / sketch_tx / name / f"p{number}-{two}.png", drawing(20 * seed + 3 * number + two))


def sketchy_with_faults(root):
    sketchy(root)
    (root / "sketch/bee").rename(root / "sketch/bea")
    for number in range(3):
        put(root / "photo/cow" / f"p{number}.jpg", photo(30 + number))
        put(root / "sketch/cow" / f"p{number}.png", drawing(30 + number))


def two_folders(root, first="A/{}.png", second="B/{}.jpg", count=4):
    for number in range(count):
        put(root / first.format(number), drawing(number))
        put(root / second.format(number), photo(number))


def unicode_forms(root):
    for number, name in enumerate(("café", "naïve", "plain")):
        put(root / "train/A" / f"{unicodedata.normalize('NFC', name)}.png", drawing(number))
        put(root / "train/B" / f"{unicodedata.normalize('NFD', name)}.png", photo(number))


def single(root, count):
    for number in range(count):
        put(root / f"{number}.png", photo(number))


def color_parts(root):
    for seed, part in enumerate(("train", "test")):
        for number in range(3):
            put(root / part / f"{number}.jpg", photo(10 * seed + number))


def made_by_sketch(root):
    photos = photos_in(root.parent / "photos", *(f"{number}.png" for number in range(4)))
    assert CliRunner().invoke(cli, ["data", "sketch", str(photos), str(root), "--workers", "0"]).exit_code == 0
    file = sorted((root / "train").iterdir())[0]
    image = read_image(file)
    image[:, 32:] = 255 - image[:, 32:]  # one drawing in white on black
    write_image(file, image)


# name -> how it is made, what it is taken for, and what the command says besides the folder
LAYOUTS = {
    "classes without transformations": (sketchy, "sketchy", "categories=2 drop=[] test_ratio=0.2"),
    "classes of which some are misspelled": (
        sketchy_with_faults, "sketchy", 'categories=["ant","cow"] drop=[] test_ratio=0.2',
    ),
    "transformations that do not register": (
        lambda root: sketchy(root, "tx_000100000000", "tx_000000000010"), "sketchy",
        "photo_tx=tx_000100000000 sketch_tx=tx_000000000010 categories=2 drop=[] test_ratio=0.2",
    ),
    "pairs in train and val": (
        lambda root: (pairs(root, "train", 3), pairs(root, "val", 2, 9)), "pairs", "source_side=right",
    ),
    "pairs in train and test": (
        lambda root: (pairs(root, "train", 3), pairs(root, "test", 2, 9)), "pairs",
        "val_split=test source_side=right",
    ),
    "pairs in one folder": (
        lambda root: pairs(root, "", 3), "pairs", "train_split=None val_split=None source_side=right",
    ),
    "A and B that pair": (two_folders, "pairs", "train_split=None val_split=None"),
    "A and B that do not": (
        lambda root: two_folders(root, second="B/other{}.jpg"), "unpaired", "train_split=None val_split=None",
    ),
    "trainA and trainB alone": (
        lambda root: two_folders(root, "trainA/{}.png", "trainB/{}.jpg"), "unpaired", "val_split=train",
    ),
    "A/train and B/train, A/val and B/val": (
        lambda root: (two_folders(root, "A/train/{}.png", "B/train/{}.png"),
                      two_folders(root, "A/val/{}.png", "B/val/{}.png")), "pairs", "",
    ),
    "composed and decomposed letters": (unicode_forms, "pairs", "val_split=train"),
    "made by data sketch, one in white on black": (made_by_sketch, "pairs", "source_side=right side_ratio=None"),
    "colour pictures": (lambda root: single(root, 12), "color", ""),
    "few colour pictures": (lambda root: single(root, 4), "color", "split_ratios=[0.4,0.34,0.26]"),
    "one colour picture": (
        lambda root: single(root, 1), "color", "split_ratios=None train_split=None val_split=None test_split=None",
    ),
    "colour pictures in train and test": (color_parts, "color", "split_ratios=None val_split=test"),
}  # fmt: skip
TRAINED = [
    "classes of which some are misspelled", "pairs in one folder", "A and B that do not", "one colour picture",
    "made by data sketch, one in white on black",
]  # fmt: skip


def check(root, *words):
    result = CliRunner().invoke(cli, ["data", "check", str(root), "--json", "-q", *words])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return json.loads(result.stdout)


def words_of(command):
    program, verb, config, *words = shlex.split(command)
    assert (program, verb) == ("sketchkit", "train")
    return config, words


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_command_builds_both_data_sets_and_some_train(name, tmp_path):
    make, kind, more = LAYOUTS[name]
    make(tmp_path / "data")
    found = check(tmp_path / "data")
    config, words = words_of(found["command"])
    assert found["kind"] == kind and words == [f"data_root={tmp_path / 'data'}", *more.split()]
    resolved = load_config(config, words)
    for loader in ("train_dataloader", "val_dataloader"):
        assert len(DATASETS.build(resolved[loader]["dataset"])) > 0
    if name in TRAINED:
        folder = train(load_config(config, [*words, *SMALL[config], *ONE_ITERATION]), tmp_path / "run")
        assert (folder / "iter_1.pth").is_file()


@pytest.mark.parametrize("kind", ["sketchy", "pairs", "unpaired", "color"])
def test_a_sample_set_is_taken_by_the_checker_and_the_commands(kind, tmp_path):
    words = ["data", "sample", str(tmp_path / "data"), "--kind", kind, "--photos", "2", "--size", "32", "-q"]
    said = CliRunner().invoke(cli, words).output.partition("train on it: ")[2]
    found = check(tmp_path / "data")
    assert found["kind"] == kind and not found["unreadable"] and not found["notes"]
    for command in (said, found["command"]):
        config, words = words_of(command)
        resolved = load_config(config, words)
        assert all(len(DATASETS.build(resolved[f"{part}_dataloader"]["dataset"])) for part in ("train", "val"))


def test_all_that_the_folder_lacks_is_said_at_once_by_a_training_too(tmp_path):
    sketchy(tmp_path)
    with pytest.raises(DataError) as caught:
        SketchyDataset(tmp_path, categories=10)
    message = str(caught.value)
    for word in ("no info/testset.txt", "no info/invalid-error.txt", "has 2 classes, 10 were asked for"):
        assert word in message
    for mend in ("test_ratio=0.2", "leave 'error' out of drop", "categories=2", f"sketchkit data check {tmp_path}"):
        assert mend in message


def test_a_share_is_held_out_by_photos_and_by_their_names_alone(tmp_path):
    sketchy(tmp_path)
    sets = {split: SketchyDataset(tmp_path, split, drop=(), test_ratio=0.4) for split in ("train", "test")}
    photos = {split: {pair.photo for pair in one.pairs} for split, one in sets.items()}
    assert len(photos["test"]) == 2 and len(photos["train"]) == 4 and not photos["train"] & photos["test"]
    shutil.copytree(tmp_path / "photo", tmp_path / "copy/photo")
    shutil.copytree(tmp_path / "sketch", tmp_path / "copy/sketch")
    again = SketchyDataset(tmp_path / "copy", "test", drop=(), test_ratio=0.4)
    assert [pair.key for pair in again.pairs] == [pair.key for pair in sets["test"].pairs]
    for ratio in (0, 1.0, 2, "half"):
        with pytest.raises(ConfigError, match=r"test_ratio=.*: give a share between 0 and 1"):
            SketchyDataset(tmp_path, drop=(), test_ratio=ratio)


def test_what_is_held_out_and_trained_on_is_said(tmp_path):
    pairs(tmp_path, "train", 3)
    (tmp_path / "test").symlink_to(tmp_path / "train")
    (note,) = check(tmp_path)["notes"]
    assert note.startswith("3 of the 3 held-out files are trained on too, first ")
    (tmp_path / "test").unlink()
    pairs(tmp_path, "val", 2)
    (note,) = check(tmp_path)["notes"]
    assert note.startswith("2 of the 2 held-out files are copies of files that are trained on: ")
    config = load_config("pix2pix_edges2shoes", [f"data_root={tmp_path}", "val_split=train", *UNET, *ONE_ITERATION])
    with pytest.warns(UserWarning, match="3 of the 3 held-out files are trained on too"):
        train(config, tmp_path / "run")


def test_pictures_in_no_split_are_named(tmp_path):
    pairs(tmp_path, "train", 2)
    pairs(tmp_path, "val", 2, 7)
    pairs(tmp_path, "", 1, 12)
    (note,) = check(tmp_path)["notes"]
    assert note == f"1 pictures in {tmp_path} are in no split: {tmp_path / 'a picture 0.png'}"


def test_problems_of_every_split_are_told_at_once_and_no_command(tmp_path):
    for part in ("train", "val"):
        for number in range(12):
            put(tmp_path / part / "A" / f"{number}.png", drawing(number))
            put(tmp_path / part / "B" / f"{number}.png", photo(number, 16, 16))
    put(tmp_path / "val/A/alone.png", drawing(0))
    found = check(tmp_path)
    assert len(found["unreadable"]) == 13 and found["command"] is None
    assert sum("a pair must register pixel for pixel" in line for line in found["unreadable"]) == 12
    said = CliRunner().invoke(cli, ["data", "check", str(tmp_path)])
    assert said.exit_code == 1 and "and 8 more (all in " in said.output and "train on it" not in said.output


def test_a_folder_named_by_a_number_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    single(tmp_path / "2024", 12)
    config, words = words_of(check("2024")["command"])
    assert words == ["data_root=./2024"]
    assert len(DATASETS.build(load_config(config, words)["train_dataloader"]["dataset"])) == 9


def test_options_of_the_call_are_in_the_command(tmp_path):
    two_folders(tmp_path, "sketches/{}.png", "photos/{}.png")
    found = check(tmp_path, "--kind", "unpaired", "folders=['sketches', 'photos']", "direction=BtoA")
    assert 'folders=["sketches","photos"] direction=BtoA' in " ".join(words_of(found["command"])[1])
    assert found["all"] == 4


@pytest.mark.parametrize("make", [pairs, lambda root, part, count: single(root, count)])
def test_what_data_split_writes_is_checked_and_trained_on(make, tmp_path):
    make(tmp_path / "data", "", 4)
    file = tmp_path / "split.json"
    for sizes in ("2,1,1", "3,0,1"):
        assert CliRunner().invoke(cli, ["data", "split", str(tmp_path / "data"), "--counts", sizes, "-o", str(file)])
        parts = json.loads(file.read_text())["counts"]
        file.write_text("\ufeff" + file.read_text(), encoding="utf-8")
        found = check(tmp_path / "data", f"split_file={file}")
        if sizes == "2,1,1":
            config, words = words_of(found["command"])
            resolved = load_config(config, words)
            built = [DATASETS.build(resolved[f"{part}_dataloader"]["dataset"]) for part in ("train", "val")]
            assert list(map(len, built)) == [parts["train"], parts["val"]] and f"split_file={file}" in words
        else:
            assert found["command"] is None and "part 'val' of" in " ".join(found["unreadable"])


def test_lines_alone_and_the_folder_of_a_run_are_no_data(tmp_path):
    photos = photos_in(tmp_path / "photos", "a.png", "b.png")
    words = ["data", "sketch", str(photos), str(tmp_path / "lines"), "--lines-only", "--workers", "0"]
    assert CliRunner().invoke(cli, words).exit_code == 0
    (tmp_path / "run").mkdir()
    for name in ("config.json", "scalars.jsonl"):
        (tmp_path / "run" / name).write_text("{}")
    for folder, why in (("lines", "holds lines alone"), ("run", "is the folder of a run")):
        with pytest.raises(DataError, match=why):
            CliRunner().invoke(cli, ["data", "check", str(tmp_path / folder)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("entry", "option", "value"),
    [
        *((entry, option, "") for entry in (ColorDataset, PairsDataset) for option in ("split", "split_file")),
        *((entry, "data_root", "") for entry in (ColorDataset, PairsDataset, SketchyDataset, UnpairedDataset)),
        (ColorDataset, "list_file", ""), (ColorDataset, "split_ratios", []), (UnpairedDataset, "split", ""),
        (UnpairedDataset, "folders", ["A", ""]), (PairsDataset, "folders", []), (SketchyDataset, "split", ""),
        (SketchyDataset, "drop", ""), (SketchyDataset, "categories", ""),
    ],
)  # fmt: skip
def test_an_empty_value_chooses_nothing(entry, option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sketchy(tmp_path)
    with pytest.raises(ConfigError, match=option):
        entry(**{"data_root": tmp_path, "split": "train", option: value})
