"""`sketchkit translate`: pictures in, pictures out, and one line for every mistake."""

import numpy as np
import pytest
import torch
from PIL import Image

from sketchkit.cli import main
from sketchkit.data.image_io import read_image, write_image
from sketchkit.inference import TrainedTranslator
from tests.translate_command import noise, three_pictures, translate, written

pytestmark = pytest.mark.slow  # whole runs


@pytest.fixture
def folder(tmp_path):
    """Three pictures of different sizes, one in a folder of its own."""
    return three_pictures(tmp_path / "in", "a.png", "b.bmp", "more/c.png")


def failed(capsys, *words, code):
    """The one line that is said; nothing is a traceback."""
    capsys.readouterr()
    translate(*words, code=code)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize("name", ["out.png", "new/out.bmp", "OUT.PNG"])
def test_one_picture_to_one_file(runs, folder, tmp_path, capsys, name):
    translate(runs("pix2pix"), folder / "a.png", "-o", tmp_path / name)
    assert np.array_equal(read_image(tmp_path / name), TrainedTranslator(runs("pix2pix"), "cpu")(noise()))
    assert f"1 picture in {tmp_path / name}" in capsys.readouterr().out


def test_a_folder_keeps_its_shape_and_its_pictures_their_sizes(runs, folder, tmp_path, capsys):
    translate(runs("pix2pix") / "iter_3.pth", folder, "-o", tmp_path / "out")
    assert written(tmp_path / "out") == ["a.png", "b.png", "more/c.png"]
    translator = TrainedTranslator(runs("pix2pix"), "cpu")
    for number, name in enumerate(["a", "b", "more/c"]):
        expected = translator(noise(20 + number, 30, number))
        assert np.array_equal(read_image(tmp_path / f"out/{name}.png"), expected)
    assert "3 pictures in" in capsys.readouterr().out


def test_one_picture_into_a_folder(runs, folder, tmp_path):
    translate(runs("pix2pix"), folder / "more/c.png", "-o", tmp_path / "out")
    assert written(tmp_path / "out") == ["c.png"]
    (tmp_path / "dotted.v2").mkdir()
    translate(runs("pix2pix"), folder / "more/c.png", "-o", tmp_path / "dotted.v2")
    assert written(tmp_path / "dotted.v2") == ["c.png"]


def test_the_working_size_is_passed_on(runs, folder, tmp_path):
    translate(runs("pix2pix"), folder / "a.png", "-o", tmp_path / "x.png", "--size", 8)
    expected = TrainedTranslator(runs("pix2pix"), "cpu")(noise(), size=8)
    assert np.array_equal(read_image(tmp_path / "x.png"), expected)


def test_samples_are_different_noises_and_the_same_every_time(runs, folder, tmp_path):
    label = TrainedTranslator(runs("classes"), "cpu").classes[0]
    for out in ("one", "two"):
        translate(runs("classes"), folder, "-o", tmp_path / out, "--samples", 2, "--label", label)
    names = [f"{name}_{number}.png" for name in ("a", "b", "more/c") for number in (1, 2)]
    assert written(tmp_path / "one") == names
    images = [read_image(tmp_path / "one" / name) for name in names]
    assert not np.array_equal(images[0], images[1])
    assert all(np.array_equal(a, read_image(tmp_path / "two" / name)) for a, name in zip(images, names, strict=True))


def test_the_way_back(runs, folder, tmp_path, capsys):
    translate(runs("cycle"), folder / "a.png", "-o", tmp_path / "back.png", "--direction", "BtoA")
    translate(runs("cycle"), folder / "a.png", "-o", tmp_path / "there.png")
    back, there = (read_image(tmp_path / f"{name}.png") for name in ("back", "there"))
    assert not np.array_equal(back, there)
    assert np.array_equal(back, TrainedTranslator(runs("cycle"), "cpu")(noise(), direction="BtoA"))
    line = failed(capsys, runs("pix2pix"), folder / "a.png", "-o", tmp_path / "x.png", "--direction", "BtoA", code=2)
    assert "learnt AtoB only: leave out --direction BtoA" in line


def test_labels(runs, folder, tmp_path, capsys):
    classes = TrainedTranslator(runs("classes"), "cpu").classes
    for name in classes[:2]:
        translate(runs("classes"), folder / "a.png", "-o", tmp_path / f"{name}.png", "--label", name)
    assert not np.array_equal(*(read_image(tmp_path / f"{name}.png") for name in classes[:2]))
    words = [runs("classes"), folder / "a.png", "-o", tmp_path / "x.png"]
    assert f"name one of {', '.join(classes)} with --label" in failed(capsys, *words, code=2)
    line = failed(capsys, *words, "--label", classes[0] + "x", code=2)
    assert f"did you mean '{classes[0]}'" in line
    line = failed(capsys, runs("pix2pix"), *words[1:], "--label", "apple", code=2)
    assert "draws no classes: leave out --label apple" in line
    assert not (tmp_path / "x.png").exists()


def save_hint(path, height=20, width=30, mode="RGBA"):
    image = np.zeros((height, width, 4), np.uint8)
    image[4:12, 4:20] = (255, 0, 0, 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).convert(mode).save(path)
    return path


def test_hints_change_the_picture(runs, folder, tmp_path):
    hint = save_hint(tmp_path / "hint.png")
    translate(runs("hints"), folder / "a.png", "-o", tmp_path / "with.png", "--hint", hint)
    translate(runs("hints"), folder / "a.png", "-o", tmp_path / "without.png")
    first, second = (read_image(tmp_path / f"{name}.png") for name in ("with", "without"))
    assert not np.array_equal(first, second)
    strokes = torch.zeros(4, 20, 30, dtype=torch.uint8)
    strokes[::3, 4:12, 4:20] = 255
    assert np.array_equal(first, TrainedTranslator(runs("hints"), "cpu")(noise(), hint=strokes))


def test_a_folder_of_hints_goes_by_name(runs, folder, tmp_path, capsys):
    for number, name in enumerate(["a", "b"]):
        save_hint(tmp_path / f"hints/{name}.png", 20 + number)
    translate(runs("hints"), folder, "-o", tmp_path / "out", "--hint", tmp_path / "hints", code=1)
    assert written(tmp_path / "out") == ["a.png", "b.png"]
    captured = capsys.readouterr()
    assert "2 pictures in" in captured.out
    assert f"c.png: there is no hint at {tmp_path / 'hints/more/c.png'}" in captured.err


@pytest.mark.parametrize(
    ("shape", "mode", "message"),
    [
        ((21, 30), "RGBA", "hint.png is 30x21 and the sketch 30x20: bring the hint to the sketch's size"),
        ((20, 30), "RGB", "hint.png has no transparency: save the strokes on a transparent ground"),
    ],
)
def test_a_hint_that_does_not_fit_is_named(runs, folder, tmp_path, capsys, shape, mode, message):
    hint = save_hint(tmp_path / "hint.png", *shape, mode)
    line = failed(capsys, runs("hints"), folder / "a.png", "-o", tmp_path / "x.png", "--hint", hint, code=1)
    assert message in line and str(hint) in line and not (tmp_path / "x.png").exists()


def test_a_hint_for_a_run_without_is_refused(runs, folder, tmp_path, capsys):
    hint = save_hint(tmp_path / "hint.png")
    line = failed(capsys, runs("pix2pix"), folder / "a.png", "-o", tmp_path / "x.png", "--hint", hint, code=2)
    assert "was trained without hints" in line


def test_bad_pictures_among_several_are_listed_and_the_others_written(runs, folder, tmp_path, capsys):
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:80])
    (folder / "z.jpg").write_bytes(b"")
    write_image(folder / "narrow.png", noise(20, 1))
    translate(runs("cycle"), folder, "-o", tmp_path / "out", "--size", "native", code=1)
    assert written(tmp_path / "out") == ["b.png", "more/c.png"]
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert [line.split()[1].rstrip(":") for line in errors] == [
        str(folder / n) for n in ("a.png", "narrow.png", "z.jpg")
    ]
    assert "needs pictures of 8x8 or more" in errors[1]
    assert f"2 pictures in {tmp_path / 'out'}" in captured.out


@pytest.mark.parametrize(
    ("run", "source", "out", "code", "message"),
    [
        ("nowhere", "a.png", "x.png", 1, "no run at nowhere: name a run folder or a checkpoint"),
        (None, "nowhere", "x.png", 1, "nowhere: check the path"),
        (None, "empty", "out", 1, "empty: it is empty, or holds no file of a known format"),
        (None, "a.png", "x.xyz", 2, "x.xyz: no image format ends in '.xyz', use .png or .jpg"),
        (None, "a.png", "in/a.png", 1, "in/a.png is one of the pictures to translate"),
        (None, ".", "in", 1, "in/a.png is one of the pictures to translate"),
    ],
)
def test_wrong_calls_are_one_line(runs, folder, tmp_path, capsys, run, source, out, code, message):
    (folder / "empty").mkdir()
    before = {name: (folder / name).read_bytes() for name in written(folder)}
    line = failed(capsys, run or runs("pix2pix"), folder / source, "-o", tmp_path / out, code=code)
    assert message in line
    assert {name: (folder / name).read_bytes() for name in written(folder)} == before
    assert not (tmp_path / "x.png").exists() and not (tmp_path / "x.xyz").exists()


def test_two_pictures_of_one_name_are_not_written_over_each_other(runs, folder, tmp_path, capsys):
    write_image(folder / "b.jpg", noise())
    line = failed(capsys, runs("pix2pix"), folder, "-o", tmp_path / "out", code=1)
    assert f"b.bmp and {folder / 'b.jpg'} would both become {tmp_path / 'out/b.png'}" in line


def test_no_such_device_is_one_line(runs, folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(
            ["translate", str(runs("pix2pix")), str(folder / "a.png"), "-o", str(tmp_path / "x.png"), "--device", "gpu"]
        )
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("error: device=gpu cannot be used: ")


def test_half_of_a_file_that_holds_a_pair(runs, tmp_path):
    left, right = noise(16, 20, 1), noise(16, 20, 2)
    write_image(tmp_path / "pair.png", np.concatenate([left, right], 1))
    translator = TrainedTranslator(runs("pix2pix"), "cpu")
    for side, half in (("left", left), ("right", right)):
        translate(runs("pix2pix"), tmp_path / "pair.png", "--side", side, "-o", tmp_path / f"{side}.png")
        assert np.array_equal(read_image(tmp_path / f"{side}.png"), translator(half))


def test_samples_without_noise_are_refused_and_with_it_go_beside_the_name(runs, folder, tmp_path, capsys):
    words = [folder / "a.png", "--samples", 2, "-o", tmp_path / "out.png"]
    assert "takes no noise" in failed(capsys, runs("pix2pix"), *words, code=2)
    label = TrainedTranslator(runs("classes"), "cpu").classes[0]
    translate(runs("classes"), *words, "--label", label)
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out_1.png", "out_2.png"]


def test_a_picture_without_a_hint_in_the_folder_of_hints_is_named(runs, folder, tmp_path, capsys):
    (tmp_path / "hints").mkdir()
    line = failed(capsys, runs("hints"), folder / "a.png", "--hint", tmp_path / "hints", "-o", tmp_path / "o", code=1)
    assert f"{folder / 'a.png'}: there is no hint at {tmp_path / 'hints' / 'a.png'}" in line


def test_transparency_is_laid_on_white_and_said(runs, tmp_path, capsys):
    rgba = np.dstack([noise(), noise(seed=1)[..., 0]])
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "clear.png", rgba)
    write_image(tmp_path / "in" / "plain.png", noise())
    translate(runs("pix2pix"), tmp_path / "in", "-o", tmp_path / "out")
    assert "; 1 of them: what is transparent was laid on white" in capsys.readouterr().out
    laid = (rgba[..., :3] * (rgba[..., 3:] / 255) + 255 - rgba[..., 3:]).round().astype(np.uint8)
    expected = TrainedTranslator(runs("pix2pix"), "cpu")(laid, name="clear")
    assert np.abs(read_image(tmp_path / "out" / "clear.png").astype(int) - expected).mean() < 1


def test_a_name_too_long_for_its_outputs_is_refused_before_all_work(runs, tmp_path, capsys):
    write_image(tmp_path / ("a" * 251 + ".png"), noise())
    line = failed(capsys, runs("pix2pix"), tmp_path / ("a" * 251 + ".png"), "-o", tmp_path, "--samples", 2, code=1)
    assert "a name longer than files can have" in line
