"""Files of other kinds, and JSON that is damaged."""

import os

import pytest

from sketchkit.config.load import read_config
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.errors import ConfigError, DataError
from sketchkit.evaluation.features.statistics_file import load_statistics
from sketchkit.files import read_json, regular_file


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "pipe.json")
    for name in ("pipe.json", "link.json"):
        with pytest.raises(DataError, match=f"{name} is a pipe and no regular file"):
            read_json(tmp_path / name)
    with pytest.raises(DataError, match="null is a device"):
        regular_file("/dev/null")
    with pytest.raises(DataError, match="is a folder"):
        read_scalars(tmp_path)
    with pytest.raises(DataError, match=r"no file at .*absent"):
        read_json(tmp_path / "absent")
    with pytest.raises(DataError, match="is a pipe"):
        load_statistics(tmp_path / "pipe.json")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b'{"a": ', "Expecting value"),
        (b"[1]", "JSON of a list and not of a dict"),
        (b"\xff\xfe{}", "no UTF-8 at byte 0"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (b'{"a": NaN}', "a value is NaN"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "more than 100 levels deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_damaged_json_is_a_line(content, reason, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"config\.json is damaged \(.*{reason}") as caught:
        read_config(tmp_path / "config.json")
    assert "\n" not in str(caught.value)


def test_json_may_have_a_mark_in_front_and_infinite_numbers(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": [Infinity, 1]}')
    assert read_json(tmp_path / "a.json") == {"a": [float("inf"), 1]}


def test_lines_that_are_no_scalars_are_said(tmp_path):
    path = tmp_path / "scalars.jsonl"
    odd = [b"\xff\xfe", b"[1]", b'{"iter": "3"}', b'{"G/l1": 1}', b'{"iter": 2, "G/l1": "x"}', b"[" * 50_000, b""]
    path.write_bytes(b"\n".join([b'{"iter": 1, "G/l1": NaN}', *odd, b'{"iter": 2, "G/l1": 0.5}', b'{"iter": 3, "G/']))
    with pytest.warns(UserWarning, match=r"7 lines are no rows of scalars and are left out, first line 2"):
        assert [row["iter"] for row in read_scalars(path)] == [1, 2]
