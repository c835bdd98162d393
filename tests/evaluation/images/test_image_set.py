"""Folders and lists of pictures: what is found, what a header says, and what is refused."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile

from sketchkit.data.image_io import Probe, UnreadableImage, probe_image, read_image
from sketchkit.errors import DataError
from sketchkit.evaluation.images.image_set import read_set

WIDTH, HEIGHT = 7, 5


def picture(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def save(file: Path, image: Image.Image | int = 0, **options: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    (picture(image) if isinstance(image, int) else image).save(file, **options)
    return file


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def deep() -> Image.Image:
    return Image.fromarray(np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 1000)


def message(path: Path, on_error: str = "fail") -> str:
    with pytest.raises(DataError) as caught:
        read_set(path, on_error)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "make", "kind"),
    [
        ("a.png", picture, "png"),
        ("a.PNG", picture, "png"),
        ("a.png", lambda: picture().convert("L"), "png"),
        ("a.png", lambda: picture().convert("RGBA"), "png"),
        ("a.png", lambda: picture().convert("P"), "png"),
        ("a.png", deep, "png"),
        ("a.jpg", picture, "jpeg"),
        ("a.webp", picture, "webp"),
        ("a.bmp", picture, "bmp"),
        ("a.tiff", deep, "tiff"),
    ],
)
def test_what_a_header_says(tmp_path: Path, name: str, make: Callable[[], Image.Image], kind: str) -> None:
    formats = {".PNG": "PNG"}
    file = save(tmp_path / name, make(), format=formats.get(Path(name).suffix))
    assert probe_image(file) == Probe(hashlib.sha256(file.read_bytes()).hexdigest(), WIDTH, HEIGHT, kind)
    assert list(read_set(tmp_path).pictures) == ["a"]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (7, 5)), (3, (7, 5)), (5, (5, 7)), (6, (5, 7)), (8, (5, 7))])
def test_the_size_is_that_of_the_turned_picture(
    tmp_path: Path, name: str, orientation: int, size: tuple[int, int]
) -> None:
    file = save(tmp_path / name, exif=turned(orientation))
    assert probe_image(file)[1:3] == size
    assert read_image(file).shape == (size[1], size[0], 3)


def test_a_look_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [save(tmp_path / name) for name in ("a.png", "b.jpg", "c.bmp")]

    def load(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert [probe_image(file).format for file in files] == ["png", "jpeg", "bmp"]


def test_a_folder_is_searched_at_any_depth_but_for_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b.png", "sub/deep/a.webp", "sub/B.JPG", ".hidden.png", ".git/c.png", "sub/.trash/d.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    found = read_set(tmp_path)
    assert list(found.pictures) == ["b", "sub/B", "sub/deep/a"]
    assert all(one.name == name for name, one in found.pictures.items())
    assert found.pictures["sub/B"].file == tmp_path / "sub/B.JPG"
    assert found.formats == {"png": 1, "jpeg": 1, "webp": 1} and len(found) == 3


def test_sizes_are_counted_the_most_frequent_first(tmp_path: Path) -> None:
    for i, (width, height) in enumerate([(7, 5), (9, 5), (9, 5)]):
        save(tmp_path / f"{i}.png", picture(i, width, height))
    assert list(read_set(tmp_path).sizes.items()) == [("9x5", 2), ("7x5", 1)]


def test_files_of_one_stem_keep_their_endings(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.png.jpg", "b.png", "sub/a.png"):
        save(tmp_path / name)
    files = {name: str(one.file.relative_to(tmp_path)) for name, one in read_set(tmp_path).pictures.items()}
    alike = {name: name for name in ("a.jpg", "a.png", "a.png.jpg")}
    assert files == {**alike, "b": "b.png", "sub/a": "sub/a.png"}


def spoil(folder: Path) -> dict[str, Path]:
    """Files that cannot be read, beside two that can."""
    save(folder / "good.png")
    save(folder / "good.jpg", 1)
    bad = {name: folder / name for name in ("cut.png", "cut.jpg", "empty.png", "text.png", "flipped.png")}
    for name in ("cut.png", "cut.jpg"):
        whole = save(bad[name], picture(2, 40, 40)).read_bytes()
        bad[name].write_bytes(whole[: len(whole) // 2])
    bad["empty.png"].touch()
    bad["text.png"].write_text("not a picture")
    content = bytearray(save(bad["flipped.png"]).read_bytes())
    content[len(content) // 2] ^= 1
    bad["flipped.png"].write_bytes(content)
    return bad


def test_all_bad_files_are_named_in_one_line(tmp_path: Path) -> None:
    bad = spoil(tmp_path)
    words = message(tmp_path)
    assert words.startswith("5 pictures cannot be used") and "--on-error skip" in words
    assert all(str(file) in words for file in bad.values()) and "good" not in words


def test_bad_files_are_left_out_and_recorded(tmp_path: Path) -> None:
    bad = spoil(tmp_path)
    found = read_set(tmp_path, "skip")
    assert set(found.pictures) == {"good.png", "good.jpg"}
    assert set(found.unreadable) == set(bad.values())
    for file, reason in found.unreadable.items():
        with pytest.raises(UnreadableImage, match="remove it") as caught:
            read_image(file)
        assert str(file) in reason and str(file) in str(caught.value)


def test_a_set_without_a_readable_picture_is_refused_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert "none of the 1 pictures" in message(tmp_path, "skip")


def test_no_folder_no_picture_no_list(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "there is no picture in" in message(tmp_path / "empty")
    assert f"nothing is at {tmp_path / 'absent'}" in message(tmp_path / "absent")
    assert "neither a folder nor a list" in message(save(tmp_path / "one.png"))


def listed(file: Path, *lines: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def test_a_list_names_files_from_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absolute = save(tmp_path / "data/x/b.png", 1)
    save(tmp_path / "data/y/a.jpg", 2)
    save(tmp_path / "data/y/unlisted.png", 3)
    monkeypatch.chdir(tmp_path)
    path = listed(Path("lists/some.TXT"), absolute, "", "  ", "../data/y/a.jpg\r")
    found = read_set(path)
    assert list(found.pictures) == ["x/b", "y/a"], "names are relative to the folder that the files share"
    assert [one.file for one in found.pictures.values()] == [absolute, tmp_path / "data/y/a.jpg"]
    alone = read_set(listed(Path("one.txt"), "data/y/a.jpg"))
    assert list(alone.pictures) == ["a"]


def test_lists_that_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    missing = message(listed(tmp_path / "missing.txt", "a.png", "b.png"))
    assert "1 pictures cannot be used" in missing and f"{tmp_path / 'b.png'}: No such file" in missing
    twice = message(listed(tmp_path / "twice.txt", "a.png", tmp_path / "a.png"))
    assert "1 pictures are twice" in twice and str(tmp_path / "a.png") in twice
    assert "is empty" in message(listed(tmp_path / "none.lst", "", " "))
    (tmp_path / "latin.list").write_bytes("ä.png".encode("latin-1"))
    assert "it is no text" in message(tmp_path / "latin.list")


def test_the_fingerprint_is_of_the_contents_alone(tmp_path: Path) -> None:
    for i, (one, other) in enumerate([("a", "z"), ("b", "sub/y"), ("c", "x")]):
        save(tmp_path / "first" / f"{one}.png", i)
        save(tmp_path / "second" / f"{other}.png", i)
    first, second = (read_set(tmp_path / name) for name in ("first", "second"))
    digests = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in (tmp_path / "first").iterdir())
    assert first.fingerprint == second.fingerprint == hashlib.sha256("".join(digests).encode()).hexdigest()
    os.utime(tmp_path / "second/x.png", (0, 0))
    assert read_set(tmp_path / "second").fingerprint == first.fingerprint
    save(tmp_path / "second/x.png", 9)
    assert read_set(tmp_path / "second").fingerprint != first.fingerprint
    (tmp_path / "second/x.png").unlink()
    assert len({read_set(tmp_path / "second").fingerprint, first.fingerprint}) == 2


def test_the_progress_counts_files(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", i)
    said: list[tuple[int, int]] = []
    read_set(tmp_path, progress=lambda done, total: said.append((done, total)))
    assert said == [(1, 3), (2, 3), (3, 3)]
