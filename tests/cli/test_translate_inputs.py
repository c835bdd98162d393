"""What the words of `sketchkit translate` mean, what it writes, and how it goes on."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import sketchkit
from sketchkit.cli.pictures import work
from sketchkit.cli.pictures.inputs import find_inputs, labels_of
from sketchkit.data.image_io import read_image, write_image
from sketchkit.data.picture_text import read_about
from sketchkit.errors import ConfigError, DataError
from sketchkit.inference import TrainedTranslator
from tests.translate_command import noise, three_pictures, translate, written

pytestmark = pytest.mark.slow  # whole runs


@pytest.fixture
def folder(tmp_path):
    """Three pictures of different sizes, one in a folder of its own."""
    return three_pictures(tmp_path / "in", "a.png", "b.jpg", "more/c.png")


def test_files_folders_patterns_and_each_once(folder, tmp_path):
    write_image(tmp_path / "x[1].png", noise())
    found = find_inputs([str(folder), str(folder / "a.png"), str(folder / "**/*.png"), str(tmp_path / "x[1].png")])
    assert [one.name.as_posix() for one in found] == ["a.png", "b.jpg", "more/c.png", "x[1].png"]
    (folder / "notes.txt").write_text("no picture")
    assert [one.name.as_posix() for one in find_inputs([str(folder / "*")])] == ["a.png", "b.jpg", "c.png"]
    for words, message in (
        (["nowhere.png"], "no picture or folder at nowhere.png"),
        ([str(tmp_path / "*.xyz")], "nothing matches"),
        ([str(folder / "*.txt")], "is a picture of a known format"),
    ):
        with pytest.raises(DataError, match=message):
            find_inputs(words)


def test_several_inputs_go_into_one_folder(runs, folder, tmp_path):
    translate(runs("pix2pix"), folder / "a.png", folder / "more", "-o", tmp_path / "out", "--format", "webp")
    assert written(tmp_path / "out") == ["a.webp", "c.webp"]
    assert read_about(tmp_path / "out/a.webp")["run"] == "run"


def test_a_second_call_goes_on_and_writes_over_nothing(runs, folder, tmp_path, capsys):
    words = [runs("pix2pix"), folder, "-o", tmp_path / "out"]
    translate(*words)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in written(tmp_path / "out")}
    (tmp_path / "out/b.png").unlink()
    ages = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in written(tmp_path / "out")}
    capsys.readouterr()
    translate(*words)
    said = capsys.readouterr().out
    assert "1 picture in" in said and "2 pictures were there already" in said
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == age for name, age in ages.items())
    # Asked otherwise, or of another source, what is there was not made by this call.
    translate(*words, "--size", "16", code=1)
    assert capsys.readouterr().err.count("was not made by this call: write somewhere else with -o") == 3
    write_image(folder / "a.png", noise(seed=9))
    translate(*words, code=1)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before
    for more in (["--side", "left"], ["--side", "right"]):
        translate(*words, *more, code=1)
    translate(*words, "--size", "16", "--overwrite")
    assert all((tmp_path / "out" / name).read_bytes() != data for name, data in before.items())


def test_what_a_call_no_longer_asks_for_is_another_call(runs, folder, tmp_path, capsys):
    strokes = np.zeros((20, 30, 4), np.uint8)
    strokes[4:9, 4:9] = (255, 0, 0, 255)
    Image.fromarray(strokes).save(tmp_path / "hint.png")
    words = [runs("hints"), folder / "a.png", "-o", tmp_path / "out.png"]
    translate(*words, "--hint", tmp_path / "hint.png")
    before = (tmp_path / "out.png").read_bytes()
    for again in ([], ["--side", "left"]):
        translate(*words, *again, code=1)
        assert "was not made by this call" in capsys.readouterr().err
    translate(*words, "--hint", tmp_path / "hint.png")
    assert (tmp_path / "out.png").read_bytes() == before and "there already" in capsys.readouterr().out


def test_one_that_cannot_be_done_stops_no_other(runs, folder, tmp_path, capsys):
    write_image(folder / "0.png", noise(24, 48))  # looks like a pair
    write_image(folder / "1.png", noise(2, 900))
    translate(runs("pix2pix"), folder, "-o", tmp_path / "out", "--batch-size", "5", "--tile-size", "64", code=2)
    assert written(tmp_path / "out") == ["a.png", "b.png", "more/c.png"]
    said = capsys.readouterr().err
    assert f"{folder / '0.png'} looks like source and target" in said and f"{folder / '1.png'}: UNetGenerator" in said
    write_image(tmp_path / "thread.png", noise(20, 1))
    translate(runs("pix2pix"), tmp_path / "thread.png", "--side", "left", "-o", tmp_path / "x.png", code=1)
    assert "has no halves" in capsys.readouterr().err


def test_what_was_made_of_another_half_or_with_strokes_is_another(runs, folder, tmp_path, capsys):
    strokes = np.zeros((20, 30, 4), np.uint8)
    strokes[5:10, 5:10] = (255, 0, 0, 255)
    write_image(tmp_path / "strokes.png", strokes)
    for kind, words in (("pix2pix", ["--side", "left"]), ("hints", ["--hint", tmp_path / "strokes.png"])):
        call = [runs(kind), folder / "a.png", "-o", tmp_path / f"{kind}.png"]
        translate(*call, *words)
        before = (tmp_path / f"{kind}.png").read_bytes()
        translate(*call, *words)
        assert "was there already" in capsys.readouterr().out
        translate(*call, code=1)
        assert "was not made by this call" in capsys.readouterr().err
        assert (tmp_path / f"{kind}.png").read_bytes() == before
    translate(runs("pix2pix"), folder / "a.png", "-o", tmp_path / "pix2pix.png", "--side", "right", code=1)


def test_a_link_to_itself_is_replaced(runs, folder, tmp_path):
    (tmp_path / "loop.png").symlink_to("loop.png")
    translate(runs("pix2pix"), folder / "a.png", "-o", tmp_path / "loop.png")
    assert read_image(tmp_path / "loop.png").shape == (20, 30, 3)


def test_what_is_there_is_not_decoded_again(runs, folder, tmp_path, capsys, monkeypatch):
    words = [runs("pix2pix"), folder, "-o", tmp_path / "out"]
    translate(*words)
    monkeypatch.setattr(work, "straight_of", None)
    translate(*words)
    assert "3 pictures were there already" in capsys.readouterr().out


def test_a_picture_of_somebody_else_is_not_written_over(runs, folder, tmp_path, capsys):
    for name, content in (("x.png", b"not even a picture"), ("y.bmp", b"a format without text")):
        (tmp_path / name).write_bytes(content)
        translate(runs("pix2pix"), folder / "a.png", "-o", tmp_path / name, code=1)
        assert "add --overwrite" in capsys.readouterr().err and (tmp_path / name).read_bytes() == content


def test_what_a_picture_says_of_itself(runs, folder, tmp_path, capsys):
    label = TrainedTranslator(runs("classes"), "cpu").classes[1]
    words = [runs("classes"), folder / "a.png", "--label", label, "--seed", "7", "--samples", "2"]
    for ending in ("png", "jpg"):
        capsys.readouterr()
        translate(*words, "-o", tmp_path / f"out.{ending}")
        assert f"2 pictures in {tmp_path}/out_1.{ending} to {tmp_path}/out_2.{ending}, " in capsys.readouterr().out
        about = read_about(tmp_path / f"out_2.{ending}")
        assert (about["class"], about["noise"], about["sketchkit"]) == (label, 8, sketchkit.__version__)
        assert about["checkpoint"] == TrainedTranslator(runs("classes"), "cpu").digest
        assert about["size"] == [32, 48] and str(tmp_path) not in json.dumps(about)
    with Image.open(tmp_path / "out_2.png") as image:
        assert json.loads(image.text["sketchkit"]) == read_about(tmp_path / "out_2.png")
    # The number alone makes the picture again.
    translate(*words[:4], "--seed", "8", "-o", tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "out_2.png").read_bytes()


def test_a_line_of_json_a_picture(runs, folder, tmp_path, capsys):
    (folder / "z.png").write_bytes(b"no picture")
    capsys.readouterr()
    translate(runs("pix2pix"), folder, "-o", tmp_path / "out", "--json", "-q", code=1)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["input"] for row in rows] == [str(folder / name) for name in ("a.png", "b.jpg", "more/c.png", "z.png")]
    assert rows[0]["outputs"] == [str(tmp_path / "out/a.png")] and rows[0]["size"] == [32, 48]
    assert "not a whole image" in rows[3]["error"] and not any("error" in row for row in rows[:3])


def test_quiet_is_quiet_and_elsewhere_each_tenth_is_a_line(runs, tmp_path, capsys):
    for number in range(20):
        write_image(tmp_path / f"in/{number:02}.png", noise(8, 8, number)) if number else (tmp_path / "in").mkdir()
    translate(runs("pix2pix"), tmp_path / "in", "-o", tmp_path / "one", "-q")
    assert capsys.readouterr() == ("", "")
    translate(runs("pix2pix"), tmp_path / "in", "-o", tmp_path / "two")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10 and lines[0].startswith("translating: 2 of 19, ") and "images/s" in lines[-1]


def test_labels_by_folder_and_by_table(runs, tmp_path, capsys):
    translator = TrainedTranslator(runs("classes"), "cpu")
    first, second = translator.classes[:2]
    for name in (first, second):
        (tmp_path / "in" / name).mkdir(parents=True)
        write_image(tmp_path / "in" / name / "x.png", noise(seed=3))
    translate(runs("classes"), tmp_path / "in", "--label", "auto", "-o", tmp_path / "auto")
    for name in (first, second):
        assert np.array_equal(read_image(tmp_path / f"auto/{name}/x.png"), translator(noise(seed=3), label=name))
    table = tmp_path / "labels.csv"
    table.write_text(f"\ufefffile,label\r\n{first}\\x,{second}\r\n./{second}/x.png,{first}\r\ngone.png,{first}\r\n")
    capsys.readouterr()
    translate(runs("classes"), tmp_path / "in", "--labels", table, "-o", tmp_path / "table")
    assert "warning: 1 lines of" in (said := capsys.readouterr().err) and "gone.png" in said
    assert np.array_equal(read_image(tmp_path / f"table/{first}/x.png"), translator(noise(seed=3), label=second))


def test_a_class_that_is_none_is_said_before_anything_is_made(runs, tmp_path, capsys):
    known = TrainedTranslator(runs("classes"), "cpu").classes[0]
    for name in (known, "nothing"):
        (tmp_path / "in" / name).mkdir(parents=True)
        write_image(tmp_path / "in" / name / "x.png", noise(seed=3))
    (tmp_path / "labels.csv").write_text(f"{known}/x.png,{known}\n")
    for words, message in (
        (["--label", "auto"], "x.png: this run has no class 'nothing'"),
        (["--labels", tmp_path / "labels.csv"], "x.png: this run draws classes"),
    ):
        translate(runs("classes"), tmp_path / "in", "-o", tmp_path / "out", *words, code=2)
        said = capsys.readouterr().err
        assert message in said and str(tmp_path / "in/nothing/x.png") in said and not (tmp_path / "out").exists()


def test_tables_that_say_nothing_are_refused(tmp_path, folder):
    inputs, table = find_inputs([str(folder)]), tmp_path / "labels.csv"
    lines, large = "no picture, comma, class", f"a.png,{'x' * 200_000}\n"
    two = ("a.png,x\na.png,y\n", "says two classes of a.png, x and y")
    for text, message in (("a.png\n", lines), ("a.png,b,c\n", lines), (large, "is no CSV file"), two):
        table.write_text(text)
        with pytest.raises(DataError, match=message):
            labels_of(inputs, None, table)
    with pytest.raises(ConfigError, match="leave out one of them"):
        labels_of(inputs, "apple", table)


def test_standard_input_and_output(runs, folder, tmp_path):
    words = [sys.executable, "-m", "sketchkit", "translate", str(runs("pix2pix")), "-", "-o", "-"]
    done = subprocess.run(words, input=(folder / "a.png").read_bytes(), capture_output=True, check=True)
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert np.array_equal(np.asarray(image), TrainedTranslator(runs("pix2pix"), "cpu")(noise()))
    assert done.stderr == b""


@pytest.mark.parametrize(("stream", "words"), [("stdin", ["-", "-o", "x.png"]), ("stdout", ["a.png", "-o", "-"])])
def test_streams_that_are_closed(runs, folder, monkeypatch, capsys, stream, words):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, stream, None)
    translate(runs("pix2pix"), *words, code=1 if stream == "stdin" else 2)
    assert f"standard {stream.removeprefix('std')}put is closed" in capsys.readouterr().err


def test_calls_that_cannot_be_meant_are_one_line(runs, folder, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for words, message in (
        (["-o", "-"], "-o - takes one picture"),
        (["-o", tmp_path / "file"], "is a file, and 3 pictures need a folder"),
        (["-o", "-", "--json"], "both write to standard output"),
        (["-o", tmp_path / "out", "--fit"], "was not trained on drawings, or does not begin with them here"),
        (["-o", tmp_path / "out", "--detail", "ink"], "which alone have ink"),
        (["-o", tmp_path / "out", "--size", "0"], "'--size'"),
        (["-o", tmp_path / "out", "--size", "nativ"], "neither 'native' nor a number"),
        (["-o", tmp_path / "out", "--label", "apple"], "draws no classes"),
    ):
        capsys.readouterr()
        translate(runs("pix2pix"), folder, *words, code=2)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and message in line
    translate(runs("pix2pix"), folder / "a.png", "--format", "jpg", "-o", tmp_path / "x.png", code=2)
    assert "name two formats" in capsys.readouterr().err


def test_a_pair_side_by_side_is_noticed(runs, tmp_path, capsys):
    pair = noise(24, 48)
    write_image(tmp_path / "pair.png", pair)
    words = [runs("pix2pix"), tmp_path / "pair.png", "-o", tmp_path / "out.png"]
    translate(*words, code=2)
    # The run's photos lie left, and labels are its sources.
    assert "looks like source and target side by side" in (said := capsys.readouterr().err) and "--side right" in said
    # What fits the next picture is not given up for this one.
    write_image(tmp_path / "square.png", noise(24, 24))
    translate(runs("pix2pix"), tmp_path / "pair.png", tmp_path / "square.png", "-o", tmp_path / "both", code=2)
    assert written(tmp_path / "both") == ["square.png"] and "--side right" in capsys.readouterr().err
    write_image(tmp_path / "thin.png", noise(24, 1))
    for side in ("left", "right"):
        translate(runs("pix2pix"), tmp_path / "thin.png", "-o", tmp_path / "thin_out.png", "--side", side, code=1)
        assert "one pixel wide and has no halves: leave out --side" in capsys.readouterr().err
    translate(*words, "--side", "whole")
    assert read_image(tmp_path / "out.png").shape == (24, 48, 3)
    translate(runs("cycle"), tmp_path / "pair.png", "-o", tmp_path / "cycle.png")
