"""Which pictures a folder holds: links, loops, what is hidden, and what only looks like a picture."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sketchkit.cli import cli
from sketchkit.cli.pictures.inputs import find_inputs
from sketchkit.data.datasets.color import ColorDataset
from sketchkit.data.image_io import write_image
from sketchkit.data.listing import list_pictures, pictures_in
from sketchkit.errors import DataError
from sketchkit.evaluation.images.image_set import read_set


def picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    return path


@pytest.fixture
def linked(tmp_path):
    """Three pictures and a link to a folder of six, one of which is in a folder of its own."""
    for number in range(3):
        picture(tmp_path / f"data/{number}.png", number)
    for number in range(5):
        picture(tmp_path / f"elsewhere/o{number}.png", 10 + number)
    picture(tmp_path / "elsewhere/deep/o5.png", 15)
    (tmp_path / "data/more").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "data"


def names(folder, **options):
    return [file.relative_to(folder).as_posix() for file in list_pictures(folder, **options).files]


def call(*words):
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def checked(root, out):
    return json.loads(call("data", "check", root, "--json", "-q"))["all"]


def colorful(root, out):
    call("data", "colorful", root, "-o", out / "kept.txt", "--min", 0, "-q")
    return len((out / "kept.txt").read_text().splitlines())


def divided(root, out):
    call("data", "split", root, "-o", out / "split.json", "--counts", "8,1")
    return sum(json.loads((out / "split.json").read_text())["counts"].values())


def sketched(root, out):
    call("data", "sketch", root, out / "lines", "--lines-only", "--workers", 0, "-q")
    return len(list((out / "lines").rglob("*.png")))


WAYS = {
    "check": checked,
    "colorful": colorful,
    "split": divided,
    "sketch": sketched,
    "eval": lambda root, out: len(read_set(root)),
    "translate": lambda root, out: len(find_inputs([str(root)])),
    "training": lambda root, out: len(ColorDataset(root, split=None)),
}


@pytest.mark.parametrize("way", WAYS)
def test_linked_folders_are_walked_by_all_that_lists_pictures(linked, tmp_path, way):
    assert WAYS[way](linked, tmp_path) == 9


def test_loops_end_and_a_folder_is_walked_once(linked):
    nine = names(linked)
    assert nine == ["0.png", "1.png", "2.png", "more/deep/o5.png", *(f"more/o{number}.png" for number in range(5))]
    (linked / "loop").symlink_to(linked)
    (linked / "up").symlink_to(linked.parent)
    (linked / "self").symlink_to("self")
    (linked.parent / "elsewhere/back").symlink_to(linked)
    (linked / "zzz").symlink_to(linked.parent / "elsewhere")
    found = list_pictures(linked)
    assert names(linked) == nine
    reasons = {path.name: why for path, why in found.left_out.items()}
    twice = "links to a folder that is walked already"
    assert reasons == {"loop": twice, "up": twice, "back": twice, "zzz": twice, "self": "links that lead nowhere"}


def test_a_picture_reached_twice_is_taken_once_save_where_its_name_counts(linked):
    (linked / "copy.png").symlink_to(linked / "0.png")
    (linked / "own.png").symlink_to(linked.parent / "elsewhere/deep/o5.png")
    assert "copy.png" not in names(linked) and "own.png" not in names(linked)
    assert {"copy.png", "own.png"} < {*names(linked, by_name=True)}
    with pytest.warns(UserWarning, match=r"2 of what looks like .*left out \(2 links to a picture that is there\)"):
        pictures_in(linked)


def test_what_looks_like_a_picture_and_is_left_out_is_counted_and_named(tmp_path):
    picture(tmp_path / "a.png")
    for name in ("b.heic", "c.PSD", ".hidden.png", "._mac.png", "notes.txt", "__MACOSX/x.png", ".cache/y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    shutil.copy(tmp_path / "a.png", tmp_path / "IMG_0001")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.warns(UserWarning) as caught:
        assert [file.name for file in pictures_in(tmp_path)] == ["a.png"]
    (warning,) = caught
    said = str(warning.message)
    assert said.startswith(f"6 of what looks like pictures in {tmp_path} is left out")
    for why in (
        "1 ending in .heic",
        "1 ending in .psd",
        "1 hidden",
        "1 without an ending",
        "1 links that lead nowhere",
        "1 not regular files",
    ):
        assert why in said
    assert str(tmp_path / "b.heic") in said and "\n" not in said


def test_a_folder_of_nothing_that_is_read_says_what_it_holds(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"x")
    result = CliRunner().invoke(cli, ["data", "check", str(tmp_path)])
    assert "no picture in" in str(result.exception) and "1 ending in .heic" in str(result.exception)


def test_a_folder_that_may_not_be_looked_into_is_named(linked, monkeypatch):
    scan = os.scandir

    def refuse(place):
        if Path(place).name == "deep":
            raise PermissionError(13, "Permission denied", place)
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cannot look into .*more/deep \(Permission denied\)"):
        pictures_in(linked)
