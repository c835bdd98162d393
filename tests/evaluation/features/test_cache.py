"""Rows that are kept: whole after a kill, shared by processes, and faults in words."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, ItemsView
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sketchkit.errors import DataError
from sketchkit.evaluation.features.cache import FILE, FeatureCache, cache_folder

FORK = multiprocessing.get_context("fork")


def in_processes(work: Callable[..., None], *calls: tuple) -> list[int | None]:
    """The exit codes of `work`, called in as many processes at once."""
    processes = [FORK.Process(target=work, args=call) for call in calls]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def numbers(width: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    return torch.randn(width, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_come_back_bit_for_bit_in_another_opening(tmp_path: Path, dtype: torch.dtype) -> None:
    # More than a query takes, and one that is a extractor into a larger tensor.
    rows = {f"key {i}": numbers(7, dtype, i) for i in range(1203)} | {"part": numbers(14, dtype)[::2]}
    first = FeatureCache(tmp_path / "new" / "folder")
    first.put(rows)
    first.close()
    found = FeatureCache(tmp_path / "new" / "folder").get([*rows, "not there"], 7, dtype)
    assert set(found) == set(rows)
    assert all(found[key].dtype == dtype and torch.equal(found[key], rows[key]) for key in rows)


def test_a_later_row_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path)
    store.put({"a": torch.zeros(2)})
    store.put({"a": torch.ones(2)})
    assert store.get(["a"], 2, torch.float32)["a"].tolist() == [1, 1]


def test_rows_of_another_length_are_not_taken(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path)
    store.put({"short": torch.ones(3), "right": torch.ones(4), "double": torch.ones(4, dtype=torch.float64)})
    with pytest.warns(UserWarning, match="2 rows kept"):
        assert set(store.get(["short", "right", "double"], 4, torch.float32)) == {"right"}


def write_rows(folder: Path, own: str) -> None:
    store = FeatureCache(folder)
    for i in range(30):
        store.put({f"{own} {i}": torch.full((5,), float(i)), f"shared {i}": torch.full((5,), float(i))})


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    assert in_processes(write_rows, (tmp_path, "one"), (tmp_path, "two")) == [0, 0]
    keys = [f"{own} {i}" for own in ("one", "two", "shared") for i in range(30)]
    found = FeatureCache(tmp_path).get(keys, 5, torch.float32)
    assert set(found) == set(keys)
    assert all(found[key].tolist() == [float(key.split()[1])] * 5 for key in keys)


def test_a_new_file_that_another_process_is_writing_to_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE another (number)")
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    store = FeatureCache(tmp_path)
    store.put({"a": torch.ones(1)})
    assert set(store.get(["a"], 1, torch.float32)) == {"a"}


class Deadly(dict[str, Tensor]):
    """Rows that end the process once some of them are written."""

    def items(self) -> ItemsView[str, Tensor]:
        for key in "abc":
            yield key, torch.ones(2000)
        os.kill(os.getpid(), signal.SIGKILL)


def write_and_die(folder: Path) -> None:
    store = FeatureCache(folder)
    store.put({"before": torch.ones(2000)})
    store.put(Deadly())


def test_a_kill_in_the_middle_of_writing_leaves_whole_writes_only(tmp_path: Path) -> None:
    assert in_processes(write_and_die, (tmp_path,)) == [-signal.SIGKILL]
    store = FeatureCache(tmp_path)
    assert set(store.get(["before", "a", "b", "c"], 2000, torch.float32)) == {"before"}
    store.put({"a": torch.zeros(2000)})
    assert set(store.get(["a"], 2000, torch.float32)) == {"a"}


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        FeatureCache(folder).get(["a"], 1, torch.float32)
    message = str(caught.value)
    assert "\n" not in message and "--no-cache" in message and str(folder / FILE) in message
    return message


@pytest.mark.parametrize("kind", ["text", "other columns", "cut"])
def test_a_file_that_is_damaged_is_set_aside_and_begun_anew(tmp_path: Path, kind: str) -> None:
    before = b"these are no rows" * 100
    if kind == "text":
        (tmp_path / FILE).write_bytes(before)
    elif kind == "other columns":
        with sqlite3.connect(tmp_path / FILE) as other:
            other.execute("CREATE TABLE rows (name TEXT, value TEXT)")
        other.close()
    else:
        first = FeatureCache(tmp_path)
        first.put({f"key {i}": numbers(64, torch.float32, i) for i in range(200)})
        first.close()
        (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:9000])
    with pytest.warns(UserWarning, match=r"the kept rows .* are damaged \(.*\): they are begun anew"):
        store = FeatureCache(tmp_path)
        assert store.get([f"key {i}" for i in range(200)], 64, torch.float32) == {}
    store.put({"a": torch.ones(1)})
    assert set(store.get(["a"], 1, torch.float32)) == {"a"}
    if kind == "text":
        assert (tmp_path / FILE).with_suffix(".damaged").read_bytes() == before, "what may be someone's own is kept"


def test_damaged_rows_are_said_and_not_given(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path)
    store.put({"good": torch.ones(4), "bad": torch.tensor([1, 2, torch.nan, 4])})
    store.put({"infinite": torch.full((4,), torch.inf)})
    odd = [("word", "abcdefghijklmnop"), ("none", None), ("number", 7)]
    with sqlite3.connect(tmp_path / FILE) as other:
        other.executemany("INSERT INTO rows VALUES (?, ?)", odd)
    other.close()
    with pytest.warns(UserWarning, match=r"4 rows kept in .* are damaged: they are computed again"):
        found = store.get(["good", "bad", "infinite", "word", "none", "number"], 4, torch.float32)
    assert set(found) == {"good", "infinite"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "check the folder" in refused(tmp_path / "file" / "folder")


def test_a_place_that_cannot_be_opened_is_not_to_be_deleted(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert "check the folder" in refused(tmp_path)


def test_where_rows_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SKETCHKIT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "sketchkit"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "sketchkit"
    monkeypatch.setenv("SKETCHKIT_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"
