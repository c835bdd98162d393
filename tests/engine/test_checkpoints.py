import os
import pickle
import random
import signal

import numpy as np
import pytest
import torch
from torch import nn

from sketchkit.data.image_io import write_image
from sketchkit.engine import checkpoints
from sketchkit.errors import CheckpointError
from tests.forks import Fork


def content(**more):
    words = {"format": checkpoints.FORMAT, "iter": 3, "config": "{}", "classes": []}
    return {**words, "model": nn.Conv2d(1, 2, 3).state_dict(), **more}


OWN = {"model": {}, "hooks": {}}


def test_a_checkpoint_opens_with_weights_only(tmp_path):
    checkpoints.write_checkpoint(tmp_path / "a.pth", content(random_states=[{**checkpoints.random_state(), **OWN}]))
    loaded = torch.load(tmp_path / "a.pth", weights_only=True)
    assert loaded["model"].keys() == {"weight", "bias"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.pth"]


class Attack:
    def __reduce__(self):
        return os.system, ("touch attacked",)


def test_a_checkpoint_that_runs_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(content(surprise=Attack()), tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"evil\.pth is refused: it holds code"):
        checkpoints.read_checkpoint(tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(CheckpointError):
        checkpoints.read_checkpoint(tmp_path / "plain.pth")
    assert not (tmp_path / "attacked").exists()


def test_a_picture_is_no_checkpoint_and_is_not_said_to_hold_code(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(CheckpointError, match=r"a\.png is no checkpoint"):
        checkpoints.read_checkpoint(tmp_path / "a.png")


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "missing", "foreign"])
def test_a_damaged_checkpoint_is_named_in_one_line(tmp_path, damage):
    path = tmp_path / "a.pth"
    checkpoints.write_checkpoint(path, content())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "missing":
        path.unlink()
    elif damage == "foreign":
        torch.save({"state_dict": {}}, path)
    else:
        path.write_bytes(b"" if damage == "empty" else b"hello")
    with pytest.raises(CheckpointError, match=r"a\.pth") as caught:
        checkpoints.read_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_kill_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.pth"
    checkpoints.write_checkpoint(path, content(mark=1))

    def write_half():
        def save(value, file):
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

        torch.save = save
        checkpoints.write_checkpoint(path, content(mark=2))

    assert Fork(write_half).result().returncode == -signal.SIGKILL
    assert checkpoints.read_checkpoint(path)["mark"] == 1
    assert checkpoints.latest_checkpoint(tmp_path) is None


def test_loading_is_strict_and_says_which_keys():
    state = nn.Conv2d(1, 2, 3).state_dict()
    with pytest.raises(CheckpointError, match=r"1 of another shape \(weight \(2, 1, 3, 3\) here \(2, 1, 5, 5\)\)"):
        checkpoints.load_strictly(nn.Conv2d(1, 2, 5), state, "x.pth")
    with pytest.raises(CheckpointError, match=r"1 unexpected \(bias\)"):
        checkpoints.load_strictly(nn.Conv2d(1, 2, 3, bias=False), state, "x.pth")
    with pytest.raises(CheckpointError, match=r"2 missing \(conv.bias, conv.weight\); 2 unexpected"):
        checkpoints.load_strictly(nn.ModuleDict({"conv": nn.Conv2d(1, 2, 3)}), state, "x.pth")


def test_the_random_state_comes_back():
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    torch.rand(5), np.random.randn(3), random.gauss(0, 1)
    state = checkpoints.random_state()
    first = torch.rand(2).tolist(), np.random.randn(2).tolist(), random.gauss(0, 1)
    checkpoints.restore_random_state(state)
    assert (torch.rand(2).tolist(), np.random.randn(2).tolist(), random.gauss(0, 1)) == first


def test_the_latest_checkpoint_is_that_of_the_highest_iteration(tmp_path):
    for name in ("iter_900.pth", "iter_1000.pth", "best_l1.pth", "iter_x.pth"):
        (tmp_path / name).touch()
    assert checkpoints.latest_checkpoint(tmp_path).name == "iter_1000.pth"


def test_only_plain_values_of_the_message_hub_are_kept():
    info = {"iter": 3, "best": 0.5, "ids": [1, 2], "array": np.ones(2), "function": print}
    assert checkpoints.plain_info(info) == {"iter": 3, "best": 0.5, "ids": [1, 2]}
