import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from sketchkit.cli.data import command
from sketchkit.cli.data.sample import CONFIGS
from sketchkit.data.image_io import read_image, write_image
from sketchkit.data.sample import write_sample
from sketchkit.data.sample.kinds import LAYOUTS
from sketchkit.errors import ConfigError, DataError


def invoke(*words):
    return CliRunner().invoke(command, [str(word) for word in words])


def refused(error, message, *words):
    """The call fails with this error, in one line."""
    with pytest.raises(error, match=message) as caught:
        CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)
    assert "\n" not in str(caught.value)


def test_a_quiet_command_says_its_result_alone(tmp_path):
    result = invoke("sample", tmp_path / "a", "--kind", "color", "--photos", 1, "--size", 16, "--quiet")
    assert [line.partition(":")[0] for line in result.output.splitlines()] == [str(tmp_path / "a"), "train on it"]
    assert json.loads(invoke("check", tmp_path / "a", "--json", "-q").output)["kind"] == "color"


def test_sample_writes_says_where_and_what_comes_next(tmp_path):
    words = ["sample", tmp_path / "a", "--photos", 2, "--sketches", 1, "--size", 16]
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'a'}: 13 classes, 26 photos, 26 sketches" in result.output
    assert f"sketchkit train sketchygan_demo data_root={tmp_path / 'a'}" in result.output
    assert "(was there already)" in invoke(*words).output


def test_check_counts(sample_root):
    found = json.loads(invoke("check", sample_root, "--json").output)
    assert (found["classes"], found["photos"], found["sketches"], found["unreadable"]) == (13, 65, 130, [])
    assert "unreadable     0" in invoke("check", sample_root).output


def test_check_lists_every_damaged_file(tmp_path):
    invoke("sample", tmp_path / "a", "--photos", 2, "--sketches", 1, "--size", 16)
    photo = sorted((tmp_path / "a").rglob("*.jpg"))[3]
    sketch = sorted((tmp_path / "a").rglob("*.png"))[5]
    for path in (photo, sketch):
        path.write_bytes(path.read_bytes()[:60])
    result = invoke("check", tmp_path / "a")
    assert result.exit_code == 1
    assert str(photo) in result.output and str(sketch) in result.output
    assert "unreadable     2" in result.output
    assert len(json.loads(invoke("check", tmp_path / "a", "--json").output)["unreadable"]) == 2


def test_check_of_nothing_is_one_line(tmp_path):
    assert isinstance(invoke("check", tmp_path / "nowhere").exception, DataError)
    with pytest.raises(DataError, match="no picture in"):
        CliRunner().invoke(command, ["check", str(tmp_path)], catch_exceptions=False)


def test_every_kind_of_sample_can_be_asked_for():
    assert set(CONFIGS) == {"sketchy", *LAYOUTS}


@pytest.mark.parametrize(
    ("kind", "counts", "config"),
    [
        ("pairs", "train 11, val 2", "autopainter_lineart"),
        ("unpaired", "testA 1, testB 1, trainA 5, trainB 6", "cyclegan_sketch2color"),
        ("color", "13 pictures", "recolor_simple"),
    ],
)
def test_sample_of_another_kind_says_what_comes_next(tmp_path, kind, counts, config):
    words = ["sample", tmp_path / "a", "--kind", kind, "--photos", 1, "--size", 16]
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'a'}: {counts}\n" in result.output
    assert f"sketchkit train {config} data_root={tmp_path / 'a'}" in result.output
    assert f"{counts} (was there already)" in invoke(*words).output
    refused(ConfigError, f"--sketches is for --kind sketchy alone, {kind} has", *words, "--sketches", 3)


@pytest.fixture
def colors(tmp_path):
    """Two colour pictures in a folder, one grey, one damaged, one hidden and a text."""
    root = tmp_path / "data"
    (root / "deep").mkdir(parents=True)
    plain = np.zeros((6, 6, 3), np.uint8)
    write_image(root / "red.png", plain + np.array([255, 0, 0], np.uint8))
    write_image(root / "deep" / "blue one.png", plain + np.array([0, 0, 255], np.uint8))
    write_image(root / "grey.png", plain + np.uint8(90))
    write_image(root / ".hidden.png", plain)
    (root / "cut.png").write_bytes((root / "red.png").read_bytes()[:50])
    (root / "notes.txt").write_text("mine")
    return root


def test_colorful_writes_both_lists_and_says_what_it_found(colors, tmp_path):
    out = tmp_path / "lists" / "kept.txt"
    result = invoke("colorful", colors, "-o", out)
    assert result.exit_code == 0, result.output
    assert out.read_text() == "deep/blue one.png\nred.png\n"
    assert out.with_name("kept.dropped.txt").read_text() == "0.0000\tgrey.png\n"
    assert {path.name for path in out.parent.iterdir()} == {"kept.txt", "kept.dropped.txt"}
    for line in (
        "pictures       4",
        "kept           2",
        "dropped        1",
        "unreadable     1",
        "cut.png is not a whole",
    ):
        assert line in result.output
    assert "0% 0.0, 5% 7.7, 25% 38.2, 50% 76.5" in result.output  # by hand: 0, 76.5 and 85.53 in a row


def test_colorful_for_machines_by_another_measure(colors, tmp_path):
    words = [
        "colorful",
        colors,
        "-o",
        tmp_path / "kept.txt",
        "--json",
        "--opponent",
        "signed",
        "--min",
        80,
        "--workers",
        2,
    ]
    found = json.loads(invoke(*words).output)
    assert (found["pictures"], found["kept"], found["dropped"], len(found["unreadable"])) == (4, 1, 2, 1)
    assert found["quantiles"]["100%"] == pytest.approx(85.5296, abs=1e-3)
    assert (tmp_path / "kept.txt").read_text() == "red.png\n"
    assert found["list"] == str(tmp_path / "kept.txt")


def test_colorful_without_anything_to_keep_is_one_line(colors, tmp_path):
    out = tmp_path / "kept.txt"
    (tmp_path / "empty").mkdir()
    refused(DataError, "no folder at .*nowhere", "colorful", tmp_path / "nowhere", "-o", out)
    refused(DataError, "empty has no picture", "colorful", tmp_path / "empty", "-o", out)
    refused(DataError, "none of 3 .* reaches 99, the best has 85.53: lower --min", "colorful", colors, "-o", out,
            "--min", 99)  # fmt: skip
    for path in colors.rglob("*.png"):
        path.write_bytes(b"no picture")
    refused(DataError, "none of 4 pictures .* can be read; the first: .*cut.png is not", "colorful", colors, "-o", out)
    assert not out.exists()


def test_split_divides_what_colorful_kept(colors, tmp_path):
    invoke("colorful", colors, "-o", tmp_path / "kept.txt")
    words = ["split", colors, "-o", tmp_path / "split.json", "--list", tmp_path / "kept.txt", "--counts", "1,1"]
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert result.output == f"{tmp_path / 'split.json'}: train 1, val 1\n"
    parts = json.loads((tmp_path / "split.json").read_text())["parts"]
    assert sorted(parts["train"] + parts["val"]) == ["deep/blue one.png", "red.png"]
    (colors / "red.png").unlink()
    words[-1] = "1,0"
    assert "1 lines of" in (said := invoke(*words)).output and "name no picture of" in said.output
    assert said.exit_code == 0 and "red.png" in said.output


def test_split_of_a_folder_by_counts_and_ratios(sample_root, tmp_path):
    words = ["split", sample_root / "photo", "-o", tmp_path / "split.json"]
    assert "train 52, val 6, test 7\n" in invoke(*words, "--ratios", "0.8, 0.1, 0.1").output  # 52, 6.5, 6.5 of 65
    first = (tmp_path / "split.json").read_text()
    assert invoke(*words, "--ratios", "0.8,0.1,0.1").exit_code == 0
    assert (tmp_path / "split.json").read_text() == first
    assert "train 40, val 10, test 5; 10 of 65 left out" in invoke(*words, "--counts", "40,10,5", "--seed", 1).output
    assert (tmp_path / "split.json").read_text() != first


def test_split_of_what_cannot_be_divided_is_one_line(colors, tmp_path):
    words = ["split", colors, "-o", tmp_path / "split.json"]
    refused(ConfigError, "needs counts or ratios, one of the two", *words)
    refused(ConfigError, "needs counts or ratios, one", *words, "--counts", "1,1", "--ratios", "0.5,0.5")
    refused(ConfigError, "--counts 'many,1' is not understood", *words, "--counts", "many,1")
    refused(
        ConfigError, "--counts '0.5,0.5' is not understood: give numbers .* as 80,10,10", *words, "--counts", "0.5,0.5"
    )
    refused(ConfigError, "--ratios '' is not understood", *words, "--ratios", "")
    refused(DataError, "take 9 files, there are 4", *words, "--counts", "5,4")
    refused(DataError, "no folder at", "split", tmp_path / "nowhere", *words[2:], "--counts", "1,1")
    refused(DataError, "cannot read the list", *words, "--counts", "1,1", "--list", tmp_path / "nowhere.txt")
    assert not (tmp_path / "split.json").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`made(kind)`: a copy of a small sample set, to be spoilt."""
    kept = tmp_path_factory.mktemp("made")

    def copy(kind):
        if not (kept / kind).is_dir():
            write_sample(kind, kept / kind, photos_per_class=1, size=32)
        root = tmp_path_factory.mktemp("copy") / kind
        shutil.copytree(kept / kind, root)
        return root

    return copy


@pytest.mark.parametrize(
    ("kind", "parts"), [("pairs", ["train", "val"]), ("unpaired", ["train", "test"]), ("color", ["all"])]
)
def test_check_knows_the_kinds_by_their_layout(made, kind, parts):
    found = json.loads(invoke("check", made(kind), "--json").output)
    assert found["kind"] == kind
    assert all(found[part] > 0 for part in parts)
    if kind != "color":  # whose greys are there to be found
        assert found["unreadable"] == []


def test_check_finds_swapped_sides_wide_files_and_damage(made):
    root = made("pairs")
    files = sorted((root / "train").glob("*.png"))
    swapped, wide, cut = files[:3]
    image = read_image(swapped)
    write_image(swapped, np.concatenate([image[:, 32:], image[:, :32]], 1))
    write_image(wide, np.concatenate([read_image(wide), image[:, :32]], 1))
    cut.write_bytes(cut.read_bytes()[:80])
    result = invoke("check", root)
    assert result.exit_code == 1
    for file, word in ((swapped, "the other in 1"), (wide, "96x32"), (cut, "cut short")):
        assert any(str(file) in line and word in line for line in result.output.splitlines()), word


def test_check_of_two_folders_names_what_has_no_partner(tmp_path):
    for side, names in (("A", "xy"), ("B", "x")):
        (tmp_path / "train" / side).mkdir(parents=True)
        for name in names:
            write_image(tmp_path / "train" / side / f"{name}.png", np.zeros((8, 8, 3), np.uint8))
    result = invoke("check", tmp_path)
    assert result.exit_code == 1 and "no picture named y (1 in all)" in result.output
    assert "train on it" not in result.output
