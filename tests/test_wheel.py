"""What is built and installed works away from the checkout: the source archive, and the wheel in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import tarfile

import pytest

from sketchkit.config.names import config_names
from tests.conftest import ROOT, TINY, tiny_overrides
from tests.test_readme import BLOCKS

pytestmark = pytest.mark.slow

FOLDERS = ("sketchkit", "plugins", "configs", "docs", "tests", "tools", ".ci")
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
# One interpreter for all that imports torch: the calls as the command line has them, and what each has said.
CALLS = """
import contextlib, io, json, shlex, sys
import sketchkit, sketchkit_plugins
from sketchkit.cli import main

def call(*words):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            main(list(words))
        except SystemExit as end:
            assert not end.code, (words, said.getvalue())
    return said.getvalue()

tiny = json.loads(sys.argv[1])
sample = call("data", "sample", "data", "--photos", "5", "--sketches", "1", "--size", "48", "--quiet")
_, train = sample.strip().splitlines()[-1].split(": sketchkit ")
print(train)
print(call(*shlex.split(train), *tiny))
print(call("train", "my_config.py", *tiny))
print(sketchkit.__file__, sketchkit_plugins.__file__, sep="\\n")
"""


def python(*words, cwd, code=0, path=None):
    """What a Python that finds nothing but what is installed and `path` says, and how it ends."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(path)} if path else {}
    words = [sys.executable, *map(str, words)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr if code else done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The source archive, built of a copy of the checkout, as building leaves files behind."""
    copy = tmp_path_factory.mktemp("checkout")
    for file in ROOT.iterdir():
        if file.name in FOLDERS:
            shutil.copytree(file, copy / file.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif file.is_file():
            shutil.copy(file, copy)
    python("-c", "from setuptools import build_meta; build_meta.build_sdist('dist')", cwd=copy)
    (built,) = (copy / "dist").glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def installed(archive, tmp_path_factory):
    """A folder that holds what the wheel installs, and nothing else; the wheel is built of the archive, with no net."""
    built, place = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("installed")
    alone = ("--no-deps", "--no-index")
    python(*PIP, "wheel", *alone, "--no-build-isolation", "--wheel-dir", built, archive, cwd=built)
    (wheel,) = built.glob("*.whl")
    python(*PIP, "install", *alone, "--target", place, wheel, cwd=built)
    return place


def test_the_archive_holds_all_that_its_tests_need(archive):
    with tarfile.open(archive) as content:
        held = {name.partition("/")[2] for name in content.getnames()}
    files = {file for name in FOLDERS for file in (ROOT / name).rglob("*") if file.is_file()}
    wanted = {file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts}
    assert wanted - held == set()
    assert {"README.md", "LICENSE", "Makefile", "pyproject.toml", "setup.py", "MANIFEST.in", "CHANGELOG.md"} <= held


def test_the_wheel_works_in_an_empty_folder(installed, tmp_path):
    shutil.copy(TINY, tmp_path)
    for name, text in zip(("my_losses.py", "my_config.py"), BLOCKS[1:], strict=True):
        (tmp_path / name).write_text(text)
    sketchkit = installed / "bin" / "sketchkit"
    listed = python(sketchkit, "configs", cwd=tmp_path, path=installed)
    assert [line.split()[0] for line in listed.splitlines()] == config_names()
    wrong = python(sketchkit, "train", "sketchygan_dmeo", cwd=tmp_path, path=installed, code=2)
    assert wrong == "error: no config at sketchygan_dmeo: did you mean 'sketchygan_demo'?\n"
    short = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "default_hooks.grids.interval=2"]
    tiny = ["--plugin", TINY.name, "--cfg-options", *tiny_overrides("data", *short)]
    said = python("-c", CALLS, json.dumps(tiny), cwd=tmp_path, path=installed)
    assert "train sketchygan_demo data_root=data\n" in said
    assert said.count("[2/2]") >= 2 and "brightness" in said
    assert {folder.name for folder in (tmp_path / "runs").iterdir()} == {"sketchygan_demo", "my_config"}
    assert all((tmp_path / "runs" / name / "iter_2.pth").is_file() for name in ("sketchygan_demo", "my_config"))
    assert said.splitlines()[-2:] == [f"{installed}/{name}/__init__.py" for name in ("sketchkit", "sketchkit_plugins")]
