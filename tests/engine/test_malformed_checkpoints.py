"""Files that claim to be checkpoints: each is refused in one line that names it and says what is wrong."""

import json
import pickle
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from sketchkit.engine import checkpoints
from sketchkit.engine.checkpoints import read_checkpoint, read_latest, refuse_other_sizes, write_checkpoint
from sketchkit.errors import CheckpointError
from sketchkit.inference import TrainedTranslator


def whole():
    state = {**checkpoints.random_state(), "model": {}, "hooks": {}}
    return {
        "format": checkpoints.FORMAT,
        "iter": 3,
        "validated": True,
        "config": '{"a": 1}',
        "classes": ["cat"],
        "model": {"weight": torch.ones(4, 3), "count": torch.tensor(3)},
        "optimizers": {"generator": {"state": {0: {"exp_avg": torch.zeros(4, 3)}}, "scaler": {}}},
        "schedulers": {},
        "runtime_info": {"keep_ckpt_ids": [3]},
        "random_states": [state],
    }


def weights(value):
    return {"model": {"weight": value}}


def shared(depth):
    value = [0.0]
    for _ in range(depth):
        value = [value, value]
    return value


def quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch will have none some day
        return torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)


# What is put in place of a key (None takes it out), and what is said.
WRONG = {
    "no iterations": ({"iter": None}, "has no 'iter'"),
    "negative iterations": ({"iter": -1}, "'iter' is -1 and no count"),
    "iterations in words": ({"iter": "3"}, "'iter' is '3' and no count"),
    "iterations true or false": ({"iter": True}, "'iter' is True"),
    "no config": ({"config": None}, "has no 'config'"),
    "a config of another kind": ({"config": {"a": 1}}, "'config' is a dict and no text"),
    "a config that is no JSON": ({"config": "{"}, r"the config in .* is damaged \(Expecting"),
    "a config that is a list": ({"config": "[1]"}, "JSON of a list and not of a dict"),
    "a deep config": ({"config": "[" * 100_000}, "nested too deep"),
    "a rather deep config": ({"config": '{"a":' * 200 + "1" + "}" * 200}, "more than 100 levels"),
    "a key twice": ({"config": '{"a": 1, "a": 2}'}, "the key 'a' is there twice"),
    "NaN in the config": ({"config": '{"a": NaN}'}, "a value is NaN"),
    "no weights": ({"model": None}, "has no 'model'"),
    "empty weights": ({"model": {}}, "'model' is no table of tensors"),
    "weights in a list": ({"model": [1]}, "'model' is no table of tensors"),
    "weights of odd names": ({"model": {3: torch.ones(1)}}, r"no table of tensors \(3 is none\)"),
    "weights that are words": ({"model": {"weight": "x"}}, r"no table of tensors \('weight' is none\)"),
    "sparse weights": (weights(torch.eye(3).to_sparse()), "'model.weight' is a sparse tensor"),
    "quantised weights": (weights(quantised()), "'model.weight' is a tensor that is quantised"),
    "weights of no memory": (weights(torch.empty(3, device="meta")), r"is a tensor that is empty \(meta\)"),
    "complex weights": (weights(torch.ones(3, dtype=torch.complex64)), "is a tensor that is complex"),
    "weights repeated": (weights(torch.ones(1).expand(100_000, 100_000)), r"of shape \(100000, 100000\) with fewer"),
    "NaN": (weights(torch.tensor([float("nan")])), "weights that are not finite .*: take an earlier checkpoint"),
    "infinite weights": (weights(torch.tensor([float("inf")])), "weights that are not finite"),
    "classes in a word": ({"classes": "cat"}, "'classes' is no list of names"),
    "classes that are numbers": ({"classes": [1]}, "'classes' is no list of names"),
    "optimisers in a list": ({"optimizers": []}, "'optimizers' is a list and no table"),
    "files to remove": ({"runtime_info": {"keep_ckpt_ids": ["/../../x"]}}, "'runtime_info' is no list of iterations"),
    "no random states": ({"random_states": []}, "'random_states' is no list of a state"),
    "odd random states": ({"random_states": [{"torch": 1}]}, "'random_states' is no list of states with torch"),
    "lists without end": ({"schedulers": {"a": shared(60)}}, "nested without end"),
    "other objects": ({"schedulers": {"a": {1, 2}}}, "'schedulers.a' is a set"),
    "keys that are no words": ({7: 1}, "a key 7, which is no word"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_malformed_checkpoint_is_named_with_its_reason(case, tmp_path):
    changes, reason = WRONG[case]
    content = {**whole(), "digest": "", **changes}
    content = {key: value for key, value in content.items() if value is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of sparse and quantised tensors
        torch.save(content, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", reason)


def refused(path, reason):
    with pytest.raises(CheckpointError, match=reason) as caught, warnings.catch_warnings():
        warnings.simplefilter("error")
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200 + len(str(path))


def test_a_whole_one_is_read(tmp_path):
    write_checkpoint(tmp_path / "a.pth", whole())
    assert read_checkpoint(tmp_path / "a.pth", resuming=True)["iter"] == 3
    write_checkpoint(
        tmp_path / "b.pth", {key: whole()[key] for key in ("format", "iter", "config", "classes", "model")}
    )
    assert read_checkpoint(tmp_path / "b.pth")["iter"] == 3
    with pytest.raises(CheckpointError, match="no 'validated': it can be translated with, not resumed"):
        read_checkpoint(tmp_path / "b.pth", resuming=True)


@pytest.mark.parametrize("name", ["model", "optimizers"])
def test_a_flipped_bit_is_damage(name, tmp_path):
    """Once in the file, once in what it holds."""
    mark = {"model": 1.25, "optimizers": 1.75}
    content = whole()
    content["model"]["weight"].fill_(mark["model"])
    content["optimizers"]["generator"]["state"][0]["exp_avg"].fill_(mark["optimizers"])
    write_checkpoint(tmp_path / "a.pth", content)
    data = bytearray((tmp_path / "a.pth").read_bytes())
    data[data.index(torch.full((4,), mark[name]).numpy().tobytes()) + 1] ^= 4
    (tmp_path / "a.pth").write_bytes(data)
    refused(tmp_path / "a.pth", "a.pth is damaged: its tensors are not those that were saved")


def test_files_of_other_kinds_are_named_so(tmp_path, capfd):
    path = tmp_path / "a.pth"
    torch.save(torch.ones(3), path)
    refused(path, "is not a checkpoint of sketchkit")
    torch.save(whole(), path, _use_new_zipfile_serialization=False)
    refused(path, "it does not begin as one")
    path.write_bytes(pickle.dumps({"a": 1}))
    refused(path, "it does not begin as one")
    torch.jit.save(torch.jit.script(nn.Identity()), path)
    refused(path, "a.pth")
    path.unlink()
    path.mkdir()
    refused(path, "is a folder and no regular file")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("left", [20, 0.2, 0.5, 0.98])
def test_a_cut_file_is_damaged(left, tmp_path):
    write_checkpoint(tmp_path / "a.pth", whole())
    data = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(data[: left if left > 1 else int(left * len(data))])
    refused(tmp_path / "a.pth", "its end is missing")


def test_what_unpacks_to_more_is_refused_packed(tmp_path):
    write_checkpoint(tmp_path / "a.pth", whole())
    with zipfile.ZipFile(tmp_path / "a.pth") as old, zipfile.ZipFile(tmp_path / "b.pth", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + bytes(10**7), zipfile.ZIP_DEFLATED)
    refused(tmp_path / "b.pth", "it unpacks to more than it holds")


def test_the_one_before_takes_the_place_of_a_damaged_one(tmp_path):
    for number in (2, 10):
        write_checkpoint(tmp_path / f"iter_{number}.pth", {**whole(), "iter": number})
    (tmp_path / "iter_10.pth").write_bytes((tmp_path / "iter_10.pth").read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"iter_10\.pth is damaged: .*: .*iter_2\.pth is used instead"):
        path, content = read_latest(tmp_path)
    assert (path.name, content["iter"]) == ("iter_2.pth", 2)
    (tmp_path / "iter_2.pth").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"iter_10\.pth is damaged.* \(nor can 1 before it be used\)"):
        read_latest(tmp_path)


def test_no_memory_is_taken_for_a_network_of_another_size():
    state = nn.Linear(3, 4).state_dict()
    with pytest.raises(CheckpointError, match=r"x is of another architecture, keys 2 of another shape \(bias \(4,\)"):
        refuse_other_sizes(lambda: nn.Linear(10**6, 10**7), state, "x")


@pytest.mark.slow
def test_a_run_is_used_as_far_as_it_is_whole(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs("pix2pix"), run, ignore=shutil.ignore_patterns("events*"))
    content = torch.load(run / "iter_3.pth", weights_only=True)
    config = json.loads(content["config"])
    config["backbone"]["width"] = 1_000
    torch.save({**content, "config": json.dumps(config)}, run / "iter_5.pth")
    with pytest.raises(CheckpointError, match=r"iter_5\.pth is of another architecture"):
        TrainedTranslator(run / "iter_5.pth", "cpu")
    name = next(key for key in content["model"] if content["model"][key].is_floating_point())
    content["model"][name].view(-1)[0] = float("nan")
    torch.save(content, run / "iter_5.pth")
    with pytest.warns(UserWarning, match=r"iter_5\.pth holds weights that are not finite .*iter_3\.pth is used"):
        assert TrainedTranslator(run, "cpu").path == run / "iter_3.pth"
    with pytest.raises(CheckpointError, match=r"iter_5\.pth holds weights that are not finite"):
        TrainedTranslator(Path(run / "iter_5.pth"), "cpu")
