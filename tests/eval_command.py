"""`sketchkit eval` called in tests."""

import json

import pytest

from sketchkit.cli import main

NETWORK = "timm:test_resnet.r160_in1k"
FEATURES = ("--feature-extractor", NETWORK, "--allow-random-weights")


def call(*words, code=0):
    with pytest.raises(SystemExit) as end:
        main(["eval", "--workers", "0", *map(str, words), "--device", "cpu"])
    assert (end.value.code or 0) == code


def failed(capsys, *words, code):
    """The one line that is said; nothing is a traceback."""
    capsys.readouterr()
    call(*words, code=code)
    captured = capsys.readouterr()
    assert not captured.out
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    return line


def measured(capsys, *words):
    """The result, which is all that is printed."""
    capsys.readouterr()
    call(*words, "--json")
    return json.loads(capsys.readouterr().out, parse_constant=_refuse)


def _refuse(constant):
    raise AssertionError(f"{constant} is no JSON")
