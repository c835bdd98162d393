"""A run is data: what it names is looked up, and code that it brings along runs with the user's consent alone."""

import json
import pickle
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from sketchkit import loading
from sketchkit.cli import main
from sketchkit.config.load import load_config
from sketchkit.config.plugins import kept_codes
from sketchkit.data.image_io import read_image
from sketchkit.errors import PluginError
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
    done = sketchkit("translate", run, picture, "-o", out, *words, env={"SKETCHKIT_STATE": str(state)}).result()
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
                assert not sprung.exists() and "trap" not in sys.modules, (number, words)
            shutil.rmtree(tmp_path / "new", ignore_errors=True)

    succeeded(Fork(attack, cwd=file.parent))


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
