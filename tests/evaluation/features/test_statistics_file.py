"""Statistics in a file: what goes in comes out, pytorch-fid reads it, and what was taken otherwise is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import compute_statistics_of_path
from torch import Tensor

from sketchkit.errors import DataError
from sketchkit.evaluation.features import statistics_file
from sketchkit.evaluation.features.statistics import Statistics
from sketchkit.evaluation.features.statistics_file import load_statistics, save_statistics
from sketchkit.evaluation.metric import FeatureExtractor

WIDTH = 5
STATISTICS = Statistics.of(torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(0)))
Spoil = Callable[[Path], object]


class Seeing(FeatureExtractor):
    """A extractor of any identity; the size is a tuple, which JSON knows as a list."""

    width = WIDTH

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    @property
    def identity(self) -> dict[str, Any]:
        return {"network": "net", "weights": "abcd", "resize": "tf", "size": (30, 20), **self.changes}

    def prepare(self, *pictures: Tensor) -> Tensor:
        return pictures[0].flatten()[:WIDTH].float()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "real.npz"
    save_statistics(path, STATISTICS, Seeing(), "f00d")
    return path


def test_what_goes_in_comes_out(file: Path) -> None:
    found = load_statistics(file)
    assert torch.equal(found.statistics.mean, STATISTICS.mean) and found.statistics.count == 20
    assert torch.equal(found.statistics.covariance, STATISTICS.covariance)
    assert found.path == file and found.fingerprint == "f00d"
    found.check(Seeing(), "f00d")
    found.check(Seeing())
    assert list(file.parent.iterdir()) == [file]


def test_pytorch_fid_reads_it(file: Path) -> None:
    mean, covariance = compute_statistics_of_path(str(file), None, 1, WIDTH, "cpu")
    np.testing.assert_array_equal(mean, STATISTICS.mean.numpy())
    np.testing.assert_array_equal(covariance, STATISTICS.covariance.numpy())


def test_a_file_of_another_program_says_nothing_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "theirs.npz"
    np.savez_compressed(path, mu=np.arange(3, dtype=np.float32), sigma=np.eye(3, dtype=np.float32))
    found = load_statistics(path)
    assert found.extractor is None and found.fingerprint is None and found.statistics.count is None
    assert found.statistics.mean.tolist() == [0, 1, 2] and found.statistics.covariance.dtype == torch.float64
    narrow = Seeing()
    narrow.width = 3
    found.check(narrow)
    with pytest.raises(DataError, match="is of 3 features and not of 5"):
        found.check(Seeing())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resize": "clean"}, "resize tf and not clean"),
        ({"weights": "1234"}, "weights abcd and not 1234"),
        ({"network": "other", "more": 1}, "more None and not 1, network net and not other"),
        ({"size": (20, 30)}, "size [30, 20] and not [20, 30]"),
    ],
)
def test_another_protocol_is_refused_with_what_differs(file: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as caught:
        load_statistics(file).check(Seeing(**changes))
    assert str(caught.value) == f"{file} was taken by another protocol: {words}; take it again"


def test_other_pictures_are_refused(file: Path) -> None:
    with pytest.raises(DataError, match=r"real\.npz is of other pictures than these"):
        load_statistics(file).check(Seeing(), "beef")


def test_a_width_that_does_not_fit_the_view_is_refused(file: Path) -> None:
    wide = Seeing()
    wide.width = 8
    with pytest.raises(DataError, match="is of 5 features and not of 8"):
        load_statistics(file).check(wide)


def compressed_and_overwritten(path: Path) -> None:
    np.savez_compressed(path, mu=np.random.default_rng(0).normal(size=500), sigma=np.eye(500))
    content = bytearray(path.read_bytes())
    content[60:160] = b"\xff" * 100
    path.write_bytes(content)


def lone_array(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))


SPOILT: dict[str, Spoil] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-60]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("mu and sigma"),
    "overwritten": compressed_and_overwritten,
    "a lone array": lone_array,
    "no sigma": lambda path: np.savez(path, mu=np.zeros(3)),
    "words for numbers": lambda path: np.savez(path, mu=np.array(["a"]), sigma=np.eye(1)),
    "of other shapes": lambda path: np.savez(path, mu=np.zeros(3), sigma=np.eye(4)),
    "a matrix for a mean": lambda path: np.savez(path, mu=np.zeros((3, 3)), sigma=np.eye(3)),
    "about nothing": lambda path: np.savez(path, mu=np.zeros(3), sigma=np.eye(3), about=np.array("{")),
}


@pytest.mark.parametrize("how", SPOILT)
def test_damaged_files_are_named_in_one_line(file: Path, how: str) -> None:
    SPOILT[how](file)
    with pytest.raises(DataError, match="--save-stats") as caught:
        load_statistics(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


class Running:
    """What unpickling would run."""

    ran: list[str] = []

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Running.ran.append, ("ran",)


@pytest.mark.parametrize("key", ["mu", "sigma", "about"])
def test_pickled_objects_are_not_opened(file: Path, key: str) -> None:
    content = {"mu": np.zeros(1), "sigma": np.eye(1), "about": np.array("{}")}
    np.savez(file, **{**content, key: np.array([Running()], dtype=object)})
    with pytest.raises(DataError, match="holds no statistics"):
        load_statistics(file)
    assert Running.ran == []


def test_a_missing_file_and_one_with_numbers_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no statistics at .*absent\.npz"):
        load_statistics(tmp_path / "absent.npz")
    np.savez(tmp_path / "nan.npz", mu=np.full(2, np.nan), sigma=np.eye(2))
    with pytest.raises(DataError, match="not finite"):
        load_statistics(tmp_path / "nan.npz")


def test_a_write_that_fails_half_way_leaves_what_was_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def half(stream: Any, **_: object) -> None:
        stream.write(before[: len(before) // 2])
        raise OSError("no space left")

    monkeypatch.setattr(statistics_file.np, "savez", half)
    with pytest.raises(OSError, match="no space left"):
        save_statistics(file, STATISTICS, Seeing(), "beef")
    assert file.read_bytes() == before and list(file.parent.iterdir()) == [file]


def test_the_file_says_what_it_is_of(file: Path) -> None:
    with np.load(file) as content:
        about = json.loads(str(content["about"]))
    assert about == {
        "format": "sketchkit statistics",
        "extractor": {"network": "net", "weights": "abcd", "resize": "tf", "size": [30, 20]},
        "fingerprint": "f00d",
        "count": 20,
    }
