"""Names of any bytes: used, or refused in one line; none ends a process, or reaches a terminal as it is."""

import logging
import os
import shutil

import numpy as np
import pytest

from sketchkit.cli import main
from sketchkit.config.names import copy_of
from sketchkit.data.base import hash_files
from sketchkit.data.image_io import can_write, write_image
from sketchkit.data.randomness import stable_seed
from sketchkit.file_names import LONGEST_NAME, fitting, printable
from tests.cli.test_stylize import RANDOM

RAW = [b"inv\xff\xfe", b"new\nline", b"esc\x1b[2J", b"'quote\"", b"-dash", b"a" * 251, "é".encode() * 125,
       "\u202ertl".encode(), b"=k=v", b"*?[a]", b"%s{0}"]  # fmt: skip
NAMES = [os.fsdecode(name) + ".png" for name in RAW]
INVALID = os.fsdecode(b"out\xff.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of such names; in `bad`, files of such names that are none."""
    root = tmp_path_factory.mktemp("odd")
    for place in ("pics", "fake", "bad"):
        (root / place).mkdir()
    for number, name in enumerate(NAMES):
        picture = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        for place in ("pics", "fake"):
            write_image(root / place / name, picture)
        if number < 5:  # of more the first are named
            (root / "bad" / name).write_bytes(b"no picture")
    return root


def said(capsys, *words, code):
    """What a command prints, which ends with `code`: whole lines that move no cursor."""
    with pytest.raises(SystemExit) as end:
        main([*map(str, words)])
    assert (end.value.code or 0) == code
    text = "".join(capsys.readouterr())
    assert "Traceback" not in text
    assert not any((letter < " " and letter != "\n") or letter == "\u202e" for letter in text)
    return text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("data", "check", "pics", "--kind", "color", "-q"), 0),
        (("data", "check", "bad", "--kind", "color", "-q"), 1),
        (("data", "colorful", "pics", "-o", "list.txt", "-q"), 1),
        (("data", "split", "pics", "-o", "split.json", "--ratios", "0.5,0.5"), 1),
        (("data", "sketch", "pics", "sketches", "--workers", "0", "-q"), 0),
        (("data", "sketch", "bad", "none", "--workers", "0", "-q"), 1),
        (("eval", "pics", "fake", "--metric", "l1", "--workers", "0", "-q", "--no-cache", "--report", "a.html"), 0),
        (("eval", "pics", "bad", "--metric", "l1", "--workers", "0", "-q", "--no-cache"), 1),
        (("configs", os.fsdecode(b"no\xff\x1b\n")), 2),
        (("eval", os.fsdecode(b"no\xff\x1b\n")), 1),
    ],
)
def test_commands_take_them_or_say_so(words, code, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    text = said(capsys, *words, code=code)
    assert code == 0 or "\\x1b" in text or "\\udcff" in text
    assert text.count("\n") < 20


def test_a_picture_and_an_output_of_no_text(folder, tmp_path, capsys, monkeypatch):
    """OpenCV ends the process at such a name."""
    monkeypatch.chdir(folder / "pics")
    monkeypatch.setattr(logging, "raiseExceptions", False)  # mmengine's logger keeps the stream of an earlier test
    text = said(capsys, "stylize", NAMES[0], "./-dash.png", "-o", tmp_path / INVALID, "--quiet", *RANDOM, code=0)
    assert "out\\xff.png" in text
    assert (tmp_path / INVALID).stat().st_size
    assert can_write(INVALID) and not can_write(os.fsdecode(b"a.\xff"))


def test_names_make_seeds_and_digests_as_their_bytes_do(tmp_path):
    for name in (b"a\xff", b"a\xfe"):
        (tmp_path / os.fsdecode(name)).touch()
    files = sorted(tmp_path.iterdir())
    assert len({hash_files(tmp_path, [file]) for file in files}) == len({stable_seed(file.name) for file in files}) == 2


def test_a_name_that_is_too_long_is_cut_and_still_its_own(tmp_path):
    names = ["é" * 200 + f"{number}.png" for number in (1, 2)]
    short = [fitting(name) for name in names]
    assert len(set(short)) == 2 and all(name.endswith(".png") for name in short)
    assert all(len(os.fsencode(name)) <= LONGEST_NAME for name in short)
    for name in (*short, "a" * 251 + ".png"):
        assert fitting(name) == name
        write_image(tmp_path / name, np.zeros((2, 2), np.uint8))


def test_a_copied_config_holds_no_name_that_python_would_run(tmp_path):
    for name in ('"""\nraise SystemExit(3)\n"""', os.fsdecode(b"\xff"), "back\\slash"):
        place = tmp_path / f"{name}.py"
        text = copy_of("pix2pix_facades", place)
        assert name not in text
        compile(text.encode(), "config", "exec")
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        (os.fsdecode(b"\xff.png"), "\\xff.png"),
        ("café \u202e", "café \\u202e"),
        ("", ""),
    ],
)
def test_what_is_shown_moves_no_cursor(text, shown):
    assert printable(text) == printable(shown) == shown
