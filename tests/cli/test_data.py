import json

import pytest
from click.testing import CliRunner

from sketchkit.cli.data import command
from sketchkit.errors import DataError


def invoke(*words):
    return CliRunner().invoke(command, [str(word) for word in words])


def test_sample_writes_says_where_and_what_comes_next(tmp_path):
    words = ["sample", tmp_path / "a", "--photos", 2, "--sketches", 1, "--size", 16]
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'a'}: 13 classes, 26 photos, 26 sketches" in result.output
    assert f"sketchkit train configs/sketchygan_demo.py --cfg-options data_root={tmp_path / 'a'}" in result.output
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
    with pytest.raises(DataError, match="has no photo/tx_"):
        CliRunner().invoke(command, ["check", str(tmp_path)], catch_exceptions=False)
