"""Configs of one's own that go on from those that come with sketchkit, and copies of these."""

import pytest
from mmengine.config import Config

from sketchkit.cli import main
from sketchkit.config.load import read_config
from sketchkit.config.names import config_names
from sketchkit.errors import ConfigError
from tests.conftest import ROOT


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_config_anywhere_goes_on_from_a_named_one(tmp_path):
    text = '_base_ = "sketchkit::pix2pix_facades"\nbatch_size = 3\nshare = {{_base_.seed}}\n'
    mine = write(tmp_path / "mine.py", text)
    config, whole = read_config(mine), read_config("pix2pix_facades")
    assert config.filename == str(mine) and config.batch_size == 3 and config.share == whole.seed
    assert {**config.to_dict(), "batch_size": whole.batch_size} == {**whole.to_dict(), "share": config.share}


def test_named_and_relative_bases_mix_in_lists_and_chains(tmp_path):
    text = '_base_ = ["sketchkit::_base_/runtime", "sketchkit::_base_/adversarial"]\na = 1\n'
    write(tmp_path / "deep" / "first.py", text)
    write(tmp_path / "part.py", "b = 2\n")
    config = read_config(write(tmp_path / "mine.py", '_base_ = ["deep/first.py", "part.py"]\n'))
    runtime = read_config(ROOT / "configs/_base_/runtime.py")
    assert (config.a, config.b) == (1, 2) and config.default_hooks == runtime.default_hooks


@pytest.mark.parametrize("base", ["sketchkit::pix2pix_facade", "sketchkit::pix2pix_facades.py"])
def test_an_unknown_name_is_answered_with_the_file_and_the_closest(base, tmp_path):
    mine = write(tmp_path / "mine.py", f'_base_ = "{base}"\n')
    with pytest.raises(
        ConfigError, match=f"mine.py: no _base_ is named '{base}': did you mean 'sketchkit::pix2pix_fac"
    ):
        read_config(mine)
    assert Config._get_cfg_path("a.py", "/b/c.py") == ("/b/a.py", None)


def call(*words):
    with pytest.raises(SystemExit) as end:
        main(["configs", *map(str, words)])
    return end.value.code


@pytest.mark.parametrize("name", config_names())
def test_a_copy_says_its_command_and_is_the_config_it_was_copied_from(name, tmp_path):
    place = tmp_path / "new" / "copy.py"
    assert call(name, "-o", place) == 0
    assert read_config(place).to_dict() == read_config(name).to_dict()
    assert str(place) in place.read_text().splitlines()[0]


def test_a_copy_into_a_folder_and_what_is_refused(tmp_path, capsys):
    assert call("pix2pix_facades", "-o", tmp_path) == 0
    assert capsys.readouterr().out == f"{tmp_path}/pix2pix_facades.py\n"
    for words, message in (
        (["pix2pix_facades", "-o", tmp_path], "pix2pix_facades.py is there already: name another file, or remove it"),
        (["pix2pix_facade", "-o", tmp_path / "x.py"], "did you mean 'pix2pix_facades'"),
        (["pix2pix_facades", "-o", tmp_path / "x.txt"], "give a name that ends in .py"),
        (["-o", tmp_path / "x.py"], "name the config to copy"),
    ):
        assert call(*words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and message in line
