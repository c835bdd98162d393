"""The data are what the README says they are."""

import re

import pytest

from tests.parity.recipe import FOLDER, read

FILES = sorted(FOLDER.glob("*.npz"))
README = (FOLDER / "README.md").read_text()
TOLD = dict(re.findall(r"github\.com/([\w.-]+/[\w.-]+)\), `(\w{8})`", README))


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_a_file_says_where_it_is_from(name):
    kept = read(name)
    repository = str(kept["repository"]).removeprefix("https://github.com/")
    assert str(kept["commit"]).startswith(TOLD[repository])
    assert f"| `{name}.npz` |" in README and (FOLDER / f"make_{name}.py").is_file()


def test_all_of_them_are_small():
    assert sum(file.stat().st_size for file in FILES) < 2**20
