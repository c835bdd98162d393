"""Configs by name, and mistakes in a call that are named before anything heavy is imported."""

import subprocess
import sys

import pytest

from sketchkit.cli import main
from sketchkit.config.load import load_config
from sketchkit.config.names import config_names, find_config
from sketchkit.errors import ConfigError
from tests.conftest import ROOT


def test_a_config_is_found_by_its_path_and_by_its_name(tmp_path, monkeypatch):
    mine = tmp_path / "pix2pix_facades"
    monkeypatch.chdir(tmp_path)
    assert find_config("pix2pix_facades") == ROOT / "configs/pix2pix_facades.py"
    assert load_config("pix2pix_facades").backbone.type == "UNetGenerator"
    mine.write_text("")
    assert find_config("pix2pix_facades").resolve() == mine


@pytest.mark.parametrize("name", ["_base_/runtime", "../README", "", "_base_"])
def test_only_whole_configs_have_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no config at"):
        find_config(name)


def test_every_config_is_listed_with_what_it_is_and_shown(capsys):
    with pytest.raises(SystemExit):
        main(["configs"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == config_names() == sorted(p.stem for p in ROOT.glob("configs/*.py"))
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)
    with pytest.raises(SystemExit):
        main(["configs", "pix2pix_facades"])
    assert capsys.readouterr().out == (ROOT / "configs/pix2pix_facades.py").read_text()


WRONG = [
    (["train", "pix2pix_facade"], "no config at pix2pix_facade: did you mean 'pix2pix_facades'?"),
    (["info", "nothing/there.py"], "no config at nothing/there.py"),
    (["sweep", "pix2pix_facade", "seed=1,2"], "no config at pix2pix_facade"),
    (["configs", "pix2pix_facade"], "no config at pix2pix_facade"),
    (["translate", "nowhere", "a.png", "-o", "b.png"], "no run at nowhere: name a run folder or a checkpoint"),
    (["translate", ".", "nowhere.png", "-o", "b.png"], "no picture or folder at nowhere.png: check the path"),
    (["stylize", "a.png", "b.png", "-o", "c.png"], "no picture at a.png: check the path"),
    (["data", "check", "nowhere"], "no folder at nowhere: check the path"),
    (["train", "pix2pix_facades", "--plugin", "nowhere.py"], "no plugin file at nowhere.py: check the path"),
    (["train", "pix2pix_facades", "--rseume"], "--rseume"),
    (["data", "chekc", "."], "no command 'chekc' in sketchkit data: did you mean 'check'?"),
    (["eval", "nowhere"], "no run at nowhere: name a run folder or a checkpoint"),
]


def test_a_mistake_is_named_before_torch_is_imported(tmp_path):
    """One interpreter for all: none of the calls may import it."""
    code = f"""
import sys
from sketchkit.cli import main
for words, line in {WRONG!r}:
    try:
        main(words)
    except SystemExit as end:
        assert end.code in (1, 2), words
    assert "torch" not in sys.modules and "mmengine" not in sys.modules, words
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(WRONG)
    assert all(
        line.startswith("error: ") and expected in line for line, (_, expected) in zip(lines, WRONG, strict=True)
    )
