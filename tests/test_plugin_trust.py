"""A run is data: what it names is looked up, and code that it brings along runs with the user's consent alone."""

import importlib.util
import json
import pickle
import py_compile
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from PIL import Image

from sketchkit import loading
from sketchkit.cli import main
from sketchkit.config.load import load_config
from sketchkit.config.plugins import keep, kept_codes, load_kept, load_named
from sketchkit.data.image_io import read_image
from sketchkit.engine.checkpoints import read_checkpoint, write_checkpoint
from sketchkit.errors import ConfigError, PluginError
from sketchkit.inference import TrainedTranslator
from sketchkit.plugin_code import PluginCode, digest_of
from tests.conftest import TINY
from tests.forks import Fork, sketchkit, succeeded
from tests.small_runs import SIZE, small_run

pytestmark = pytest.mark.slow  # whole runs

BACKBONE = """
import torch
import {helper}
from sketchkit.registry import BACKBONES
@BACKBONES.register_module()
class OnlyHere(torch.nn.Conv2d):
    in_channels, out_channels, size_multiple = 3, 3, 1
    def __init__(self):
        super().__init__(3, 3, 1)
    def forward(self, source):
        return {helper}.sign() * super().forward(source).tanh()
"""
CHANGES = ["backbone={'type': 'OnlyHere'}", f"image_size={SIZE}", "heads={'discriminator': {'type': 'TinyHead'}}"]


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (30, 20), (200, 30, 90)).save(tmp_path / "in.png")
    return tmp_path / "in.png"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with a plugin file and a module beside it, trained by another process; run, plugin, the user's state."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "code").mkdir()
    plugin = folder / "code" / "mine.py"
    plugin.write_text(BACKBONE.format(helper="signs_of_mine"))
    (plugin.parent / "signs_of_mine.py").write_text("def sign():\n    return 1\n")
    state = folder / "state"
    run = partial(small_run, "plugin", folder, *CHANGES, plugin_files=[str(plugin), str(TINY)])
    succeeded(Fork(run, env={"SKETCHKIT_STATE": str(state)}))
    return folder / "run", plugin, state


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of all of it, to be changed; the code is where it was."""
    run, plugin, state = trained
    shutil.copytree(state, tmp_path / "state")
    return Path(shutil.copytree(run, tmp_path / "run")), plugin, tmp_path / "state"


def translate(run, picture, *words, state, code=0):
    """The one line that is said on the error stream, or the picture."""
    out = picture.with_name("out.png")
    done = sketchkit(
        "translate", run, picture, "-o", out, "--overwrite", *words, env={"SKETCHKIT_STATE": str(state)}
    ).result()
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip() if code else (done.stderr.strip(), read_image(out))


def test_what_was_trained_with_here_runs_unasked_wherever_it_lies_now(trained, tmp_path, picture):
    run, _, state = trained
    said, before = translate(run, picture, state=state)
    assert said == ""
    shutil.copy(run / "iter_3.pth", tmp_path / "alone.pth")
    assert (translate(tmp_path / "alone.pth", picture, state=state)[1] == before).all()


def test_code_from_elsewhere_is_named_and_runs_only_when_asked_for(copy, tmp_path, picture):
    run, plugin, state = copy
    before = translate(run, picture, state=state)[1]
    line = translate(run, picture, state=tmp_path / "other", code=1)
    assert line.startswith(f"error: {run / 'iter_3.pth'} wants to run code that was not trained with here: ")
    assert f"mine.py (sha256 {digest_of(plugin)})" in line and "signs_of_mine.py" in line and "\n" not in line
    assert "--trust-code" in line and "--plugin FILE" in line
    for words in (["--trust-code"], ["--plugin", plugin, "--plugin", TINY]):
        assert (translate(run, picture, *words, state=tmp_path / "other")[1] == before).all()
    # Asked for once, it is not trusted from then on.
    translate(run, picture, state=tmp_path / "other", code=1)
    for command in ("eval", "info"):
        place = run / "config.json" if command == "info" else run
        done = sketchkit(command, place, env={"SKETCHKIT_STATE": str(tmp_path / "other")}).result()
        assert done.returncode == 1 and "not trained with here" in done.stderr and "Traceback" not in done.stderr


def test_the_copy_of_a_run_is_used_when_the_original_has_changed(copy, tmp_path, picture):
    run, plugin, state = copy
    before = translate(run, picture, state=state)[1]
    own = plugin.with_name("signs_of_mine.py")
    kept = own.read_text()
    try:
        own.write_text("def sign():\n    return -1\n")
        said, after = translate(run, picture, state=state)
        assert f"{plugin} was changed or moved since: the copy is used" in said and (after == before).all()
        # The run's own copies, when the user's are gone; and what is asked for in place of them.
        other = tmp_path / "other"
        assert (translate(run, picture, "--trust-code", state=other)[1] == before).all()
        words = ["--plugin", plugin, "--plugin", TINY]
        assert (translate(run, picture, *words, state=other)[1] == 255 - before.astype(int)).mean() > 0.9
        shutil.rmtree(run / "plugins")
        line = translate(run, picture, "--trust-code", state=other, code=1)
        assert "is neither there nor beside it in plugins/: give the file with --plugin" in line
    finally:
        own.write_text(kept)


def test_changed_code_is_judged_anew_and_named(copy, tmp_path, capsys):
    run, plugin, state = copy
    other = tmp_path / "mine.py"
    other.write_text(BACKBONE.format(helper="other_signs"))
    (tmp_path / "other_signs.py").write_text("def sign():\n    return -1\n")
    values = []
    for words in ([], ["--plugin", other], []):
        done = sketchkit("eval", run, "-m", "l1", "--json", *words, env={"SKETCHKIT_STATE": str(state)}).result()
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        values.append(result["metrics"]["l1"]["value"])
    assert values[0] == values[2] != values[1]
    assert result["generator"]["code"]["plugins"]["mine.py"]["mine.py"] == digest_of(plugin)
    environment = json.loads((run / "environment.json").read_text())
    assert [code["entry"] for code in environment["plugin_code"]] == ["mine.py", TINY.name]


def test_resuming_with_other_code_says_so(copy, tmp_path):
    state = copy[2]
    other = tmp_path / "mine.py"
    other.write_text(BACKBONE.format(helper="resumed_signs"))
    (tmp_path / "resumed_signs.py").write_text("def sign():\n    return 1\n")
    changes = [*CHANGES, "train_cfg.max_iters=4"]
    again = partial(small_run, "plugin", tmp_path, *changes, plugin_files=[str(other), str(TINY)], resume=True)
    done = Fork(again, env={"SKETCHKIT_STATE": str(state)}).result()
    assert done.returncode == 0, done.stderr
    assert "the plugin code has changed since" in done.stdout
    assert "mine.py, resumed_signs.py, signs_of_mine.py" in done.stdout


# Attacks.


def bare(run, folder):
    """A checkpoint that somebody sends."""
    (folder / "sent").mkdir()
    return Path(shutil.copy(run / "iter_3.pth", folder / "sent" / "model.pth"))


def beside(run, folder):
    """A run folder with code in it."""
    return Path(shutil.copytree(run, folder / "sent"))


def unpacked(run, folder):
    """An archive, unpacked elsewhere than it was made."""
    archive = shutil.make_archive(str(folder / "archive"), "zip", run)
    shutil.unpack_archive(archive, folder / "a" / "b")
    return folder / "a" / "b"


class Command:
    """What a pickle runs."""

    def __init__(self, sprung):
        self.sprung = sprung

    def __reduce__(self):
        return (open, (str(self.sprung), "w"))


def change(config, place, sprung):
    """Every way that is known to make a config run something, one at a time."""
    shell = f"touch {sprung}"
    trap = place / "trap.py"
    trap.write_text(f"open({str(sprung)!r}, 'w').close()\n")
    (place / "plugins" / "0").mkdir(parents=True, exist_ok=True)
    shutil.copy(trap, place / "plugins" / "0" / "trap.py")
    (place / "list.pkl").write_bytes(pickle.dumps(Command(sprung)))
    code = PluginCode(str(place), "trap.py", {"trap.py": digest_of(trap)}).to_dict()
    dataset = dict(config["val_dataloader"]["dataset"])

    def data(**options):
        return {"val_dataloader": {**config["val_dataloader"], "dataset": options}}

    yield data(**{**dataset, "pipeline": [{"type": "os.system", "command": shell}]})
    yield data(type="os.system", command=shell)
    yield data(type="BaseDataset", ann_file=str(place / "list.pkl"))
    yield data(type="ConcatDataset", datasets=[{"type": "BaseDataset", "ann_file": str(place / "list.pkl")}])
    for part in ("backbone", "translator"):
        yield {part: {"type": "subprocess.getoutput", "cmd": shell}}
        yield {part: {"type": "trap", "_scope_": "trap"}}
        yield {part: {"type": "trap.registry"}}
    yield {"translator": {**config["translator"], "data_preprocessor": {"type": "os.system", "command": shell}}}
    yield {"translator": {**config["translator"], "ema": {"type": "os.system", "command": shell}}}
    yield {"backbone": {**config["backbone"], "norm": {"type": "os.system", "command": shell}}}
    yield {"custom_imports": {"imports": ["trap"]}}
    yield {"plugin_files": ["trap.py"], "import_folder": str(place)}
    yield {"plugin_code": [code]}
    yield {"plugin_code": [{**code, "folder": "."}]}
    yield {"plugin_code": [{**code, "files": {}, "entry": "trap"}]}
    yield {"plugin_code": [{**code, "entry": "../sent/trap.py", "files": {"../sent/trap.py": digest_of(trap)}}]}
    yield {"plugin_code": "trap"}
    yield {"metrics": [{"type": "os.system", "command": shell}]}
    # What mmengine builds within what it builds.
    yield {"visualizer": {"type": "Visualizer", "vis_backends": [{"type": "os.system", "command": shell}]}}
    yield {"custom_hooks": [{"type": "EMAHook", "ema_type": "trap"}]}
    yield {"optim_wrapper": {**config["optim_wrapper"], "constructor": "trap"}}
    yield {"env_cfg": {"dist_cfg": {"backend": "trap"}}, "log_processor": {"type": "trap"}}
    # Names that there are, with options that run or write something.
    (place / "cxx").write_text(f"#!/bin/sh\n{shell}\n")
    (place / "cxx").chmod(0o755)
    yield {"compile": {"options": {"cpp.cxx": [None, str(place / "cxx")]}}}
    search = {"rfstructure_file": str(place / "list.pkl"), "config": {"search": {"num_branches": 2}}}
    yield {
        "backbone": {**config["backbone"], "norm": {"type": "BN"}},
        "custom_hooks": [{"type": "RFSearchHook", **search}],
    }
    yield {"work_dir": str(sprung)}
    yield {"custom_hooks": [{"type": "ProfilerHook", "json_trace_path": str(sprung), "profile_times": 1}]}
    backend = {"type": "LocalVisBackend", "save_dir": str(place), "config_save_file": str(sprung) + ".py"}
    yield {"visualizer": {"type": "Visualizer", "vis_backends": [backend]}}
    yield {"val_dataloader": {**config["val_dataloader"], "collate_fn": {"type": "os.system"}}}


@pytest.mark.parametrize("form", [bare, beside, unpacked])
def test_nothing_that_a_run_names_runs(form, runs, tmp_path, picture):
    place = form(runs("pix2pix"), tmp_path)
    file = place if place.is_file() else place / "iter_3.pth"
    content = torch.load(file, weights_only=True)
    config = json.loads(content["config"])
    sprung, described = tmp_path / "sprung", file.parent / "config.json"
    commands = (
        ["translate", place, picture, "-o", tmp_path / "out.png", "--device", "cpu"],
        ["eval", place, "-m", "l1", "--device", "cpu"],
        ["info", described],
        ["train", described, "--work-dir", tmp_path / "new", "train_cfg.max_iters=1", "train_cfg.val_interval=1"],
        ["train", described, "train_cfg.max_iters=1", "train_cfg.val_interval=1"],
    )

    def attack():
        """In this folder, and with it on the path, as `python -m sketchkit` has it."""
        sys.path.insert(0, str(file.parent))
        for number, changed in enumerate(change(config, file.parent, sprung)):
            text = json.dumps({**config, **changed})
            torch.save({**content, "config": text}, file)
            described.write_text(text)
            for words in commands:
                # Anything but an exit is an error that nobody has thought of.
                with pytest.raises(SystemExit):
                    main([*map(str, words)])
                touched = [*tmp_path.glob("sprung*")]
                assert not touched and "trap" not in sys.modules, (number, words)
            shutil.rmtree(tmp_path / "new", ignore_errors=True)

    succeeded(Fork(attack, cwd=file.parent))


def test_what_a_stranger_s_config_would_do_is_done_when_it_is_asked_for(runs, tmp_path):
    """So that the test above cannot pass for another reason."""
    run = Path(shutil.copytree(runs("pix2pix"), tmp_path / "sent"))
    sprung = tmp_path / "sprung"
    (run / "trap.py").write_text(f"open({str(sprung)!r}, 'w').close()\n")
    code = PluginCode(str(run), "trap.py", {"trap.py": digest_of(run / "trap.py")}).to_dict()
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "plugin_code": [code]}))
    words = ["train", run / "config.json", "--work-dir", tmp_path / "new", "train_cfg.max_iters=1"]
    done = sketchkit(*words).result()
    assert done.returncode == 1 and "was not written by a training here" in done.stderr and not sprung.exists()
    succeeded(sketchkit(*words, "train_cfg.val_interval=1", "--trust-code"))
    assert sprung.exists()
    # What that training has written, the next may go by.
    succeeded(sketchkit("train", tmp_path / "new/config.json", "--work-dir", tmp_path / "again"))


def test_a_compiled_file_beside_code_is_not_run(copy, tmp_path, picture):
    run, plugin, _ = copy
    sprung = tmp_path / "sprung"
    (tmp_path / "evil.py").write_text(f"open({str(sprung)!r}, 'w').close()\ndef sign():\n    return 1\n")
    for place in (run / "plugins" / "0", tmp_path / "sent"):
        place.mkdir(exist_ok=True)
        for file in (plugin, plugin.with_name("signs_of_mine.py")):
            if not (place / file.name).exists():
                shutil.copy(file, place)
            cached = importlib.util.cache_from_source(str(place / file.name))
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(tmp_path / "evil.py"), cached, invalidation_mode=mode)
    translate(run, picture, "--trust-code", state=tmp_path / "other")
    words = ["--plugin", tmp_path / "sent" / "mine.py", "--plugin", TINY]
    translate(run, picture, *words, state=tmp_path / "other")
    assert not sprung.exists()


def test_data_names_no_code_by_way_of_a_base(tmp_path):
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n")
    (tmp_path / "base.json").write_text('{"plugin_files": ["trap.py"]}')
    (tmp_path / "mine.py").write_text('_base_ = "base.json"\n')
    with pytest.raises(ConfigError, match=r"_base_ = 'base.json' is no Python config"):
        load_config(tmp_path / "mine.py")
    assert not (tmp_path / "sprung").exists()


def test_a_resume_removes_nothing_that_a_checkpoint_names(runs, tmp_path):
    run = Path(shutil.copytree(runs("pix2pix"), tmp_path / "run"))
    precious = tmp_path / "thesis.txt"
    precious.write_text("all of it")
    content = read_checkpoint(run / "iter_3.pth", resuming=True)
    info = {**content["runtime_info"], "best_ckpt": str(precious), "last_ckpt": str(precious), "best_score": 1e9}
    write_checkpoint(run / "iter_3.pth", {**content, "runtime_info": info})
    changes = ["default_hooks.checkpoint.save_best=l1", "train_cfg.max_iters=6"]
    shutil.copytree(runs("pix2pix").parent / "data", tmp_path / "data")
    small_run("pix2pix", tmp_path, *changes, resume=True)
    assert precious.read_text() == "all of it" and (run / "iter_6.pth").is_file()


def test_a_run_writes_through_no_link(runs, tmp_path):
    run = Path(shutil.copytree(runs("pix2pix"), tmp_path / "run"))
    target = tmp_path / "bashrc"
    target.write_text("mine")
    for name in ("curves.png", "grids/iter_000001.png"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(target)
        with pytest.raises(ConfigError, match="is a link, and what a run writes would go elsewhere"):
            small_run("pix2pix", tmp_path, "train_cfg.max_iters=4", resume=True)
        (run / name).unlink()
    (run / "eval").symlink_to(tmp_path, target_is_directory=True)
    done = sketchkit("eval", run, "-m", "l1").result()
    assert done.returncode == 1 and "is a link, and what is written would go elsewhere" in done.stderr
    assert target.read_text() == "mine"


def test_what_a_file_imports_by_a_made_up_name_is_kept_and_its_text_as_it_was_read(tmp_path):
    state = tmp_path / "state"
    code = tmp_path / "code"
    code.mkdir()
    (code / "made_up.py").write_text("factor = 1\n")
    file = code / "dynamic.py"
    file.write_text("import importlib\nimportlib.import_module('made' + '_up')\n")

    def load_and_edit():
        config = Config({"plugin_files": [str(file)]})
        load_named(config, [], tmp_path)
        (kept,) = kept_codes(config)
        assert sorted(kept.files) == ["dynamic.py", "made_up.py"]
        file.write_text("1 / 0")
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "config.json").write_text("{}")
        keep(config, tmp_path / "run")
        assert "import_module" in (tmp_path / "run/plugins/0/dynamic.py").read_text()
        load_kept(Config(config.to_dict()), [], tmp_path / "run" / "config.json")

    succeeded(Fork(load_and_edit, env={"SKETCHKIT_STATE": str(state)}))


@pytest.mark.parametrize("state", ["link", "shared", "relative"])
def test_a_state_folder_of_somebody_else_is_not_believed(copy, picture, tmp_path, state):
    run, _, own = copy
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "trusted_code").symlink_to(own / "trusted_code")
    if state == "shared":
        place = own
        place.chmod(0o777)
    line = translate(run, picture, state="elsewhere" if state == "relative" else place, code=1)
    assert ("give an absolute path" if state == "relative" else "not trained with here") in line


@pytest.mark.parametrize(
    "code", [5, [5], [{}], [{"folder": "x", "entry": None, "files": {}}], [{"folder": "x", "entry": "a", "files": [1]}]]
)
def test_records_of_code_that_are_none_are_one_line(code, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"plugin_code": code}))
    with pytest.raises(PluginError, match="plugin_code="):
        load_config(tmp_path / "config.json", trains=False)


def test_a_file_with_a_trusted_name_is_not_trusted(copy, picture, tmp_path):
    """Trust is of the content: the digest that a run claims is compared with what is there."""
    run, _, state = copy
    sprung = tmp_path / "sprung"
    for file in (run / "plugins").rglob("signs_of_mine.py"):
        file.write_text(f"open({str(sprung)!r}, 'w').close()\ndef sign():\n    return 1\n")
    translate(run, picture, state=state)
    translate(run, picture, "--trust-code", state=tmp_path / "other")  # the original is still where it was
    assert not sprung.exists()


def test_a_state_folder_that_others_can_write_is_not_believed(copy, picture):
    run, _, state = copy
    (state / "trusted_code").chmod(0o777)
    assert "not trained with here" in translate(run, picture, state=state, code=1)


def test_two_runs_with_files_of_one_name_keep_to_their_own(tmp_path):
    """In one process, one after the other and back."""
    folders = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "common.py").write_text(f"factor = {number + 2}\n")
        (folder / "my_losses.py").write_text(
            "import common\nfrom torch import nn\nfrom sketchkit.registry import LOSSES\n"
            "@LOSSES.register_module()\nclass MyOwnLoss(nn.Module):\n    factor = common.factor\n"
            "    def forward(self, fake):\n        return self.factor * fake.mean()\n"
        )
        (folder / "config.py").write_text(
            '_base_ = "sketchkit::pix2pix_facades"\ncustom_imports = dict(imports=["my_losses"])\n'
        )
        folders.append(folder)

    def both():
        from sketchkit.registry import LOSSES

        for number in (0, 1, 0, 1):
            config = load_config(folders[number] / "config.py")
            assert LOSSES.get("MyOwnLoss").factor == number + 2
            (code,) = kept_codes(config)
            assert sorted(code.files) == ["common.py", "my_losses.py"]
        (folders[1] / "common.py").write_text("factor = 7\n")
        load_config(folders[1] / "config.py")
        assert LOSSES.get("MyOwnLoss").factor == 7
        with pytest.raises(PluginError, match="MyOwnLoss"):
            load_config(folders[0] / "config.py", plugin_files=[folders[1] / "my_losses.py"])
        assert LOSSES.get("MyOwnLoss").factor == 7

    succeeded(Fork(both))


def test_a_run_of_the_face_asks_too(copy, tmp_path, monkeypatch):
    import sketchkit as face

    run, _, _ = copy
    monkeypatch.setenv("SKETCHKIT_STATE", str(tmp_path / "other"))

    def ask():
        with pytest.raises(PluginError, match="not trained with here"):
            face.load(run)
        assert isinstance(face.load(run, trust_code=True).translator, TrainedTranslator)
        assert loading.distributions() == {}

    succeeded(Fork(ask))
