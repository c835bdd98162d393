import numpy as np
import pytest
import torch
from click.testing import CliRunner
from skimage.transform import resize

from sketchkit.cli.data import command
from sketchkit.data.image_io import read_image, write_image
from sketchkit.data.prepare.sides import find_source_side
from sketchkit.data.randomness import seeded
from sketchkit.data.transforms.lines import ExtractLines, extract_lines
from sketchkit.errors import ConfigError, DataError


def photo(seed, size=(24, 32)):
    """A flat coloured ground with a darker box, so that there are lines to draw."""
    rng = np.random.default_rng(seed)
    image = np.empty((*size, 3), np.uint8)
    image[:] = rng.integers((190, 120, 20), (255, 190, 80))
    image[6:18, 8 + seed % 4 : 24] = rng.integers(0, 60, 3)
    return image


def folder(root, *names, size=(24, 32)):
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(root / name, photo(number, size))
    return root


def sketch(*words, workers=0):
    return CliRunner().invoke(command, ["sketch", *map(str, words), "--workers", str(workers)])


def written(out):
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))


def lines_of(image, **options):
    lines = extract_lines(torch.from_numpy(image).permute(2, 0, 1)[None], **options)
    return lines[0, 0].mul(255).round().numpy()


@pytest.fixture
def photos(tmp_path):
    return folder(tmp_path / "photos", *(f"{number}.png" for number in range(10)))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("method", ["xdog", "canny", "sobel"])
def test_colour_lies_left_and_its_lines_right(photos, tmp_path, method, workers):
    result = sketch(photos, tmp_path / "out", "--method", method, workers=workers)
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'out'}: wrote 9 in train, 1 in val\n" in result.output
    assert f"sketchkit train autopainter_lineart data_root={tmp_path / 'out'}" in result.output
    assert sorted(name.split("/")[1] for name in written(tmp_path / "out")) == [f"{n}.png" for n in range(10)]
    for file in (tmp_path / "out").rglob("*.png"):
        image, original = read_image(file), read_image(photos / file.name)
        assert image.shape == (24, 64, 3)
        assert np.array_equal(image[:, :32], original)
        assert np.abs(image[:, 32:] - lines_of(original, method=method)[..., None]).max() <= 1
        assert image[:, 32:].min() < 100


def test_the_sketch_is_found_on_the_right(photos, tmp_path):
    sketch(photos, tmp_path / "out")
    assert find_source_side(sorted((tmp_path / "out").rglob("*.png"))).side == "right"


def test_the_seed_chooses_what_goes_to_val(photos, tmp_path):
    def chosen(name, *words):
        assert sketch(photos, tmp_path / name, "--val-ratio", 0.3, *words).exit_code == 0
        return [name for name in written(tmp_path / name) if name.startswith("val/")]

    first = chosen("a")
    assert len(first) == 3 and chosen("b") == first
    assert any(chosen(f"c{seed}", "--seed", seed) != first for seed in (1, 2))
    assert chosen("d", "--val-ratio", 0) == []


def test_train_val_and_test_are_kept(tmp_path):
    photos = folder(tmp_path / "p", "train/a.png", "train/b.png", "test/a.png", "val/deep/er/a.png")
    assert sketch(photos, tmp_path / "out").exit_code == 0
    assert written(tmp_path / "out") == ["test/a.png", "train/a.png", "train/b.png", "val/deep_er_a.png"]
    folder(photos, "cover.png")
    with pytest.raises(DataError, match=r"has train, val or test and 1 pictures beside them, first .*cover\.png: move"):
        raise sketch(photos, tmp_path / "other").exception


def test_same_names_do_not_collide(tmp_path):
    names = ["x/a.png", "y/a.png", "x_a.png", "b.png", "b.jpg", "B.bmp"]
    photos = folder(tmp_path / "p", *names)
    assert sketch(photos, tmp_path / "out", "--val-ratio", 0).exit_code == 0
    lowered = [name.lower() for name in written(tmp_path / "out")]
    assert len(set(lowered)) == len(names)
    assert "train/y_a.png" in lowered
    left = {read_image(file)[:, :32].tobytes() for file in (tmp_path / "out").rglob("*.png")}
    assert {photo(number).tobytes() for number in (0, 1, 2, 3, 5)} <= left


@pytest.mark.parametrize("size", [12, 48])
def test_the_short_side_is_resized(tmp_path, size):
    photos = folder(tmp_path / "p", "a.png", "b.png", size=(24, 36))
    assert sketch(photos, tmp_path / "out", "--size", size, "--val-ratio", 0).exit_code == 0
    image = read_image(tmp_path / "out/train/a.png")
    assert image.shape == (size, 3 * size, 3)
    expected = resize(photo(0, (24, 36)) / 255.0, (size, size * 3 // 2), anti_aliasing=True) * 255
    assert np.abs(image[:, : size * 3 // 2] - expected).mean() < 8


def test_lines_only(photos, tmp_path):
    result = sketch(photos, tmp_path / "out", "--lines-only", "--sigma", 0.8, "--option", "epsilon=0")
    assert result.exit_code == 0 and "sketchkit train" not in result.output
    for file in (tmp_path / "out").rglob("*.png"):
        expected = lines_of(read_image(photos / file.name), sigma=0.8, epsilon=0.0)
        assert np.abs(read_image(file) - expected[..., None]).max() <= 1


def test_a_range_is_drawn_for_every_picture_from_the_seed(photos, tmp_path):
    assert sketch(photos, tmp_path / "out", "--lines-only", "--sigma", "0.5,3", "--seed", 4).exit_code == 0
    for file in (tmp_path / "out").rglob("*.png"):
        with seeded(4, file.name):
            sigma = torch.empty(()).uniform_(0.5, 3).item()
        expected = lines_of(read_image(photos / file.name), sigma=sigma)
        assert np.abs(read_image(file) - expected[..., None]).max() <= 1
    again = tmp_path / "again"
    sketch(photos, again, "--lines-only", "--sigma", "0.5,3", "--seed", 4, workers=1)
    assert all((again / name).read_bytes() == (tmp_path / "out" / name).read_bytes() for name in written(again))


def test_an_interrupted_call_goes_on(photos, tmp_path, monkeypatch):
    out, drawn = tmp_path / "out", []
    draw = ExtractLines.__call__

    def stop_at_the_fifth(self, sample):
        drawn.append(1)
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return draw(self, sample)

    monkeypatch.setattr(ExtractLines, "__call__", stop_at_the_fifth)
    assert sketch(photos, out).exit_code == 1
    assert len(written(out)) == 4
    result = sketch(photos, out)
    assert "; 4 were there already" in result.output and len(drawn) == 5 + 6
    assert len(written(out)) == 10
    result = sketch(photos, out)
    assert result.exit_code == 0 and "wrote none; 10 were there already" in result.output


def test_more_photos_later_move_none_between_train_and_val(photos, tmp_path):
    out = tmp_path / "out"
    sketch(photos, out, "--val-ratio", 0.5)
    before = written(out)
    folder(photos, *(f"new{number}.png" for number in range(8)))
    sketch(photos, out, "--val-ratio", 0.5)
    after = written(out)
    assert set(before) <= set(after) and len(after) == 18 == len({name.split("/")[1] for name in after})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "canny"], "was begun with method=xdog, not canny: choose another folder"),
        (["--sigma", "2"], "was begun with sigma=default, not 2.0"),
        (["--size", "16"], "was begun with size=None, not 16"),
        (["--seed", "1"], "was begun with seed=0, not 1"),
    ],
)
def test_other_settings_do_not_go_on(photos, tmp_path, words, message):
    sketch(photos, tmp_path / "out")
    with pytest.raises(DataError, match=message):
        raise sketch(photos, tmp_path / "out", *words).exception


def test_unreadable_files_are_listed_and_may_be_mended(photos, tmp_path):
    good = (photos / "3.png").read_bytes()
    (photos / "3.png").write_bytes(good[:60])
    (photos / "7.png").write_bytes(b"")
    for workers, name in ((0, "out"), (2, "shared_out")):
        result = sketch(photos, tmp_path / name, workers=workers)
        assert result.exit_code == 0
        assert "2 could not be read:" in result.output
        assert str(photos / "3.png") in result.output and str(photos / "7.png") in result.output
        assert len(written(tmp_path / name)) == 8
    (photos / "3.png").write_bytes(good)
    result = sketch(photos, tmp_path / "out")
    assert "8 were there already" in result.output and len(written(tmp_path / "out")) == 9


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_files_may_end_the_call(photos, tmp_path, workers):
    (photos / "3.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"3\.png is empty"):
        raise sketch(photos, tmp_path / "out", "--on-error", "fail", workers=workers).exception


def test_no_readable_file_at_all_is_a_failure(tmp_path):
    photos = folder(tmp_path / "p", "a.png", "b.png")
    for file in photos.iterdir():
        file.write_bytes(b"")
    result = sketch(photos, tmp_path / "out", "--val-ratio", 0)
    assert result.exit_code == 1 and "2 could not be read:" in result.output


def test_wrong_places_are_one_line(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/thesis.txt").write_text("mine")
    for source, out, message in (
        (tmp_path / "nowhere", tmp_path / "out", "no folder at"),
        (tmp_path / "empty", tmp_path / "out", "no picture in"),
        (photos, photos, "would go into"),
        (photos, photos / "sketches", "would go into"),
        (photos, tmp_path / "taken", "is there and not from this command"),
        (photos, tmp_path / "taken/thesis.txt", "is there and not from this command"),
    ):
        error = sketch(source, out).exception
        assert isinstance(error, DataError) and message in str(error) and "\n" not in str(error)
    assert not (tmp_path / "out").exists() and len(list(photos.iterdir())) == 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sigma", "thick"], "'sigma=thick' is no option: write NAME=NUMBER"),
        (["--option", "low"], "'low' is no option"),
        (["--option", "low=0.1"], "XDoG has no option 'low'"),
        (["--sigma", "3,1"], "is no range"),
    ],
)
def test_wrong_options_are_one_line_and_write_nothing(photos, tmp_path, words, message):
    with pytest.raises(ConfigError, match=message):
        raise sketch(photos, tmp_path / "out", *words).exception
    assert not (tmp_path / "out").exists()


def test_a_full_or_closed_folder_is_named(photos, tmp_path):
    sketch(photos, tmp_path / "out", "--val-ratio", 0)
    (tmp_path / "out/train/0.png").unlink()
    (tmp_path / "out/train").rename(tmp_path / "kept")
    (tmp_path / "out/train").write_text("a file where a folder should be")
    error = sketch(photos, tmp_path / "out", "--val-ratio", 0).exception
    assert isinstance(error, DataError) and "cannot write" in str(error) and "0.png" in str(error)


def test_few_pictures_leave_one_for_val_and_none_where_none_is_wanted(tmp_path):
    folder(tmp_path / "in", "a.png", "b.png", "c.png")
    result = sketch(tmp_path / "in", tmp_path / "out")
    assert len(list((tmp_path / "out/val").iterdir())) == 1 and "val_split" not in result.output
    result = sketch(tmp_path / "in", tmp_path / "all", "--val-ratio", 0)
    assert not (tmp_path / "all/val").exists()
    assert f"data_root={tmp_path / 'all'} val_split=train" in result.output
