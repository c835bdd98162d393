"""Long lists of what is wrong."""

import re
from pathlib import Path

from sketchkit.problems import first_few


def test_a_short_list_is_told_whole():
    assert first_few(["a", "b"]) == "a, b" and first_few(range(5), "; ") == "0; 1; 2; 3; 4" and first_few([]) == ""


def test_of_a_long_one_the_first_five_and_a_file_with_them_all(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    words = [f"{number}\udcff.png" for number in range(200)]
    said = first_few(words)
    assert said.startswith(", ".join(f"{number}\\xff.png" for number in range(5)) + ", and 195 more (all in ")
    file = Path(re.search(r"all in (.*)\)", said)[1])
    assert file.parent == tmp_path and file.read_text(errors="surrogateescape").splitlines() == words
    # The same list again is no other file.
    assert first_few(words) == said and list(tmp_path.iterdir()) == [file]


def test_without_a_place_for_the_file_the_list_is_told_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert first_few(range(7)) == "0, 1, 2, 3, 4, and 2 more (no file could be written with them all)"
