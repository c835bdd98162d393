import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from mmengine import registry as roots

from sketchkit import loading, registry, transactions
from sketchkit.cli.plugins import command
from sketchkit.engine.train import train
from sketchkit.errors import ConfigError, PluginError
from sketchkit.plugin_code import code_of_file

LOSS = """
from torch import nn
from sketchkit.registry import LOSSES

@LOSSES.register_module()
class {name}(nn.Module):
    '''A loss of the plugin tests.'''
    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor
    def forward(self, fake):
        return self.factor * fake.mean()
"""


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_is_a_plugin(tmp_path):
    loading.load_file(write(tmp_path, "one.py", LOSS.format(name="LossOfAFile")))
    assert registry.LOSSES.build(dict(type="LossOfAFile", factor=2.0)).factor == 2.0


def test_a_broken_file_leaves_nothing_registered_and_is_named(tmp_path):
    path = write(tmp_path, "half.py", LOSS.format(name="HalfLoss") + "\nraise RuntimeError('boom')\n")
    with pytest.raises(PluginError, match=r"half\.py failed to load: RuntimeError: boom"):
        loading.load_file(path)
    assert registry.LOSSES.find("HalfLoss") is None
    assert any(plugin.name == str(path) for plugin in loading.failures())


def test_a_broken_plugin_is_mentioned_where_its_name_is_missed(tmp_path):
    with pytest.raises(PluginError):
        loading.load_file(write(tmp_path, "missed.py", LOSS.format(name="MissedLoss") + "\n1 / 0\n"))
    with pytest.raises(ConfigError, match=r"no loss is named 'MissedLoss'.*missed\.py failed to load \(ZeroDivision"):
        registry.LOSSES.build(dict(type="MissedLoss"))


def test_a_mended_file_loads(tmp_path):
    path = write(tmp_path, "mend.py", "raise ValueError\n")
    with pytest.raises(PluginError):
        loading.load_file(path)
    path.write_text(LOSS.format(name="MendedLoss"))
    loading.load_file(path)
    assert registry.LOSSES.find("MendedLoss") is not None
    assert all(plugin.name != str(path) for plugin in loading.failures())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys\nsys.exit('bye')", "SystemExit: bye"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['--nonsense'])", "SystemExit: 2"),
        ("raise RuntimeError('one\\ntwo')", "RuntimeError: one two"),
        ("def broken(:", "SyntaxError: "),
        ("import pytest\npytest.skip('not here', allow_module_level=True)", "Skipped: not here"),
    ],
)
def test_a_file_that_ends_the_program_is_reported(tmp_path, text, said):
    with pytest.raises(PluginError, match=rf"script\.py failed to load: {said}") as caught:
        loading.load_file(write(tmp_path, "script.py", text))
    assert "\n" not in str(caught.value)


def test_nothing_of_a_failing_plugin_stays_in_mmengines_registries_or_among_the_modules(tmp_path):
    write(tmp_path, "helper_of_failing.py", "value = 1\n")
    names = "MODELS", "HOOKS", "FUNCTIONS", "TASK_UTILS"
    text = "import helper_of_failing\nfrom mmengine import registry as roots\nfrom sketchkit import registry\n"
    text += "".join(f"roots.{name}.register_module(name='Left', module=dict)\n" for name in names)
    text += "registry.MODELS.register_module(name='Left', module=dict)\n1 / 0\n"
    with pytest.raises(PluginError, match="ZeroDivision"):
        loading.load_file(write(tmp_path, "failing.py", text))
    assert all("Left" not in getattr(roots, name).module_dict for name in names)
    assert "Left" not in registry.MODELS.module_dict and "helper_of_failing" not in sys.modules


def test_what_a_plugin_prints_is_no_result(tmp_path):
    prints = write(tmp_path, "prints.py", "print('hello')\n" + LOSS.format(name="PrintingLoss"))
    broken = write(tmp_path, "broken.py", "raise ValueError('no')")
    result = CliRunner().invoke(command, ["list", "--json", "--plugin", str(broken), "--plugin", str(prints)])
    assert result.exit_code == 0 and "hello" in result.stderr
    found = json.loads(result.stdout)
    assert {"plugin": str(broken), "error": "ValueError: no"} in found["failed"]
    assert [row["source"] for row in found["plugins"] if row["name"] == "PrintingLoss"] == ["prints.py"]


def test_what_a_plugin_does_to_the_process_is_undone(tmp_path):
    folder = Path.cwd()
    text = "import os\nos.chdir('/')\nos.write(1, b'hello')\n"
    text += "class Odd(Exception):\n    def __str__(self):\n        1 / 0\n"
    with pytest.raises(PluginError, match="Odd"):
        loading.load_file(write(tmp_path, "odd.py", text + "raise Odd\n"))
    assert Path.cwd() == folder


def test_what_is_listed_may_be_of_no_module(tmp_path):
    text = "from sketchkit.registry import LOSSES\nLOSSES.register_module('Plain', module=dict)\n"
    text += "class Made: ...\nMade.__module__ = 'no_such_module'\nLOSSES.register_module(module=Made)\n"
    text += "class Nowhere: ...\nNowhere.__module__ = None\nLOSSES.register_module(module=Nowhere)\n"
    result = CliRunner().invoke(command, ["list", "--plugin", str(write(tmp_path, "listed.py", text))])
    assert result.exit_code == 0 and "Nowhere" in result.stdout


def test_a_package_of_odd_files_is_read(tmp_path):
    package = tmp_path / "odd_package"
    (package / "folder.py").mkdir(parents=True)
    write(package, "__init__.py", "")
    (package / ".#lock.py").symlink_to("nowhere")
    os.mkfifo(package / "pipe.py")
    file = write(tmp_path, "uses_odd_package.py", "import odd_package\n")
    loading.load_file(file)
    assert sorted(code_of_file(file).files) == ["odd_package/__init__.py", "uses_odd_package.py"]


def test_a_slow_plugin_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(transactions, "SLOW", 0.05)
    loading.load_file(write(tmp_path, "slow.py", "import time\ntime.sleep(0.3)\n"))
    assert f"still importing plugin {tmp_path / 'slow.py'}, after 0.05 s" in capsys.readouterr().err


def test_files_of_one_name_and_their_neighbours_are_apart(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, "neighbour.py", f"factor = '{name}'\n")
        text = "import neighbour\n" + LOSS.format(name=f"LossOf{name}") + "\n    origin = neighbour.factor\n"
        loading.load_file(write(tmp_path / name, "same.py", text))
    losses = [registry.LOSSES.get(f"LossOf{name}") for name in ("first", "second")]
    assert [loss.origin for loss in losses] == ["first", "second"]
    assert losses[0].__module__ != losses[1].__module__


def test_a_file_called_as_a_library_takes_nobodys_place(tmp_path):
    import random

    loading.load_file(write(tmp_path, "random.py", LOSS.format(name="LossOfRandom")))
    assert sys.modules["random"] is random and registry.LOSSES.find("LossOfRandom")


def test_an_edited_file_or_neighbour_loads_again_and_what_it_has_no_more_is_gone(tmp_path):
    file = write(tmp_path, "edited.py", LOSS.format(name="EditedLoss") + LOSS.format(name="GoneLoss"))
    loading.load_file(file)
    write(tmp_path, "beside_edited.py", "factor = 2\n")
    text = "import beside_edited\n" + LOSS.format(name="EditedLoss").replace(
        "factor=1.0", "factor=beside_edited.factor"
    )
    file.write_text(text)
    loading.load_file(file)
    assert registry.LOSSES.build(dict(type="EditedLoss")).factor == 2 and registry.LOSSES.find("GoneLoss") is None
    write(tmp_path, "beside_edited.py", "factor = 3\n")
    loading.load_file(file)
    assert registry.LOSSES.build(dict(type="EditedLoss")).factor == 3
    # A state that fails leaves the one before.
    file.write_text("1 / 0")
    with pytest.raises(PluginError):
        loading.load_file(file)
    assert registry.LOSSES.build(dict(type="EditedLoss")).factor == 3


def test_what_is_installed_in_the_folder_of_a_file_is_not_its_code(tmp_path):
    """A home folder holds environments; a checkout holds sketchkit itself."""
    installed = tmp_path / "env/lib/site-packages"
    installed.mkdir(parents=True)
    write(installed, "installed_beside.py", "value = 1\n")
    write(tmp_path, "own_beside.py", "import sketchkit.registry\n")
    (tmp_path / "sketchkit").mkdir()
    write(tmp_path / "sketchkit", "__init__.py", "")
    text = f"import sys, own_beside\nsys.path.append({str(installed)!r})\nimport installed_beside\n1 / 0\n"
    file = write(tmp_path, "at_home.py", text)
    assert sorted(code_of_file(file).files) == ["at_home.py", "own_beside.py"]
    try:
        with pytest.raises(PluginError, match="ZeroDivision"):
            loading.load_file(file)
        assert "installed_beside" in sys.modules and "own_beside" not in sys.modules
    finally:
        sys.path.remove(str(installed))
        sys.modules.pop("installed_beside", None)


def test_a_file_may_be_given_twice_and_register_what_is_torchs(tmp_path):
    text = (
        "import torch\nfrom sketchkit.registry import LOSSES\nLOSSES.register_module('TorchsOwn', module=torch.nn.{})\n"
    )
    file = write(tmp_path, "twice.py", text.format("L1Loss"))
    code = code_of_file(file)
    loading.load_codes([(code, tmp_path), (code_of_file(file), tmp_path)])
    file.write_text(text.format("MSELoss"))
    loading.load_file(file)
    assert registry.LOSSES.get("TorchsOwn") is torch.nn.MSELoss


@pytest.mark.parametrize("force", ["", "force=True"])
def test_nobody_takes_a_name_of_sketchkit_or_mmengine(tmp_path, force):
    for entries, name in (("LOSSES", "PixelLoss"), ("HOOKS", "CheckpointHook"), ("OPTIMIZERS", "Adam")):
        text = f"from sketchkit import registry\n@registry.{entries}.register_module(name='{name}', {force})\n"
        text += "class Own: ..."
        with pytest.raises(
            PluginError, match=f"{name} is already registered in .*, by sketchkit: give it another name"
        ):
            loading.load_file(write(tmp_path, f"{name}.py", text))
    assert registry.LOSSES.get("PixelLoss").__module__ == "sketchkit_plugins.losses.pixel"


def spawned(entries, queue):
    queue.put([entry.__name__ for entry in entries])


@pytest.mark.slow
def test_a_spawned_process_finds_the_classes_of_a_plugin_file(tmp_path):
    """As data loaders start their workers on macOS and Windows."""
    write(tmp_path, "beside_spawned.py", "class Beside: ...\n")
    text = "from beside_spawned import Beside\n" + LOSS.format(name="SpawnedLoss")
    loading.load_file(write(tmp_path, "spawned-file.v2.py", text))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    entries = registry.LOSSES.get("SpawnedLoss"), sys.modules["beside_spawned"].Beside
    process = context.Process(target=spawned, args=(entries, queue))
    process.start()
    assert queue.get(timeout=60) == ["SpawnedLoss", "Beside"]
    process.join()


def python(script, cwd):
    """Run a script in a process where nothing has been loaded yet."""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_name_is_looked_up_and_never_imported():
    for name in ("this", "this.s", "torch.nn.ReLU", "mmengine.this"):
        assert registry.MODELS.find(name) is None and roots.MODELS.get(name) is None
    assert "this" not in sys.modules
    whole = registry.MODELS.find("sketchkit.ConditionalTranslator")
    assert whole is registry.MODELS.find("ConditionalTranslator") is not None
    assert registry.MODELS.find("mmengine.ConditionalTranslator") is None
    assert registry.HOOKS.find("mmengine.CheckpointHook") is registry.HOOKS.find("CheckpointHook") is not None


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A package that writes a file when it is imported, on the path."""
    (tmp_path / "trap").mkdir()
    for name in ("__init__", "registry", "function"):
        text = f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n\ndef run(*_, **__):\n    pass\n"
        write(tmp_path / "trap", f"{name}.py", text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "sprung"
    assert not (tmp_path / "sprung").exists() and not [name for name in sys.modules if name.startswith("trap")]


@pytest.mark.parametrize("type_", ["trap", "trap.function.run", "trap.run"])
@pytest.mark.parametrize("key", ["collate_fn", "worker_init_fn"])
def test_no_function_of_a_data_loader_is_imported(key, type_, trap, tiny_config, tmp_path):
    with pytest.raises(ConfigError, match="no function is named 'trap"):
        tiny_config(f"+train_dataloader.{key}={{'type': '{type_}'}}")
    config = tiny_config()
    config.train_dataloader[key] = {"type": type_}
    with pytest.raises(ConfigError, match="no function is named 'trap"):
        train(config, tmp_path / "run")


def test_no_scope_is_imported(trap, tiny_config):
    with pytest.raises(ConfigError, match=r"train_dataloader\.dataset\._scope_ would import a package"):
        tiny_config("+train_dataloader.dataset._scope_=trap")
    for entries in (registry.MODELS, registry.DATASETS, registry.HOOKS):
        with pytest.raises(ConfigError, match="_scope_"):
            entries.build({"type": "Resize", "_scope_": "trap"})


@pytest.mark.slow
def test_what_a_broken_plugin_imports_of_the_core_stays_and_its_names_are_taken(tmp_path):
    write(tmp_path, "broken.py", "import sketchkit.data.transforms\n1 / 0\n")
    write(
        tmp_path,
        "thief.py",
        "from sketchkit.registry import HOOKS\n@HOOKS.register_module()\nclass WatchdogHook: ...\n",
    )
    script = (
        "from sketchkit import loading, registry\nfrom sketchkit.errors import PluginError\n"
        "for name, message in (('broken.py', 'ZeroDivision'), ('thief.py', 'WatchdogHook is already registered')):\n"
        "    try:\n        loading.load_file(name)\n"
        "    except PluginError as error:\n        assert message in str(error), error\n"
        "    else:\n        raise AssertionError('it was let in')\n"
        "assert {'Only', 'Resize'} <= set(registry.TRANSFORMS.names())\n"
        "assert registry.HOOKS.get('WatchdogHook').__module__ == 'sketchkit.engine.hooks.watchdog'\n"
    )
    python(script, tmp_path)


def test_a_missing_file_is_named():
    with pytest.raises(PluginError, match=r"no plugin file at nowhere\.py"):
        loading.load_file("nowhere.py")


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (dict(type="PixelLos"), "no loss is named 'PixelLos': did you mean 'PixelLoss'"),
        (dict(type="PixelLoss", distnace="l1"), "PixelLoss has no option 'distnace': did you mean 'distance'"),
        (dict(distance="l1"), "a loss needs a type"),
    ],
)
def test_names_and_options_are_checked(cfg, message):
    with pytest.raises(ConfigError, match=message):
        registry.LOSSES.build(cfg)


@pytest.mark.parametrize("entries", registry.RUNNER_CHILDREN, ids=lambda entries: entries.name)
def test_unknown_names_of_the_runners_registries_are_answered(entries):
    with pytest.raises(ConfigError, match=f"no {entries.name} is named 'Nonesuch'"):
        entries.get("Nonesuch")
    assert "Nonesuch" not in entries


def test_plugins_list_shows_every_entry_with_one_line():
    result = CliRunner().invoke(command, ["list", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.output)["plugins"]
    names = {(row["kind"], row["name"]) for row in rows}
    for expected in (
        ("backbone", "MRUGenerator"), ("head", "MRUDiscriminator"), ("loss", "AdversarialLoss"),
    ):  # fmt: skip
        assert expected in names
    built_in = [row for row in rows if row["source"].startswith("sketchkit_plugins.")]
    assert built_in
    assert all(row["summary"] != "no description" for row in built_in)
    assert "MRUGenerator" in CliRunner().invoke(command, ["list"]).output


DISCOVERY = """
import sys
sys.path.insert(0, {root!r})
from sketchkit import loading, registry, transactions
assert registry.LOSSES.get("PixelLoss").__module__ == "sketchkit_plugins.losses.pixel"
assert not any(p.name.startswith("sketchkit_plugins") for p in loading.failures())
print([p.error for p in loading.failures()])
"""


@pytest.mark.slow
def test_a_bare_checkout_finds_its_plugins(tmp_path):
    """Without the installed package: the interpreter is told to leave its site hooks out."""
    root = Path(__file__).resolve().parents[1]
    hide = (
        "import sys\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in getattr(f, '__module__', '').lower()"
        " and 'editable' not in str(f).lower()]\n"
        "sys.path_hooks = [h for h in sys.path_hooks if 'editable' not in str(h).lower()]\n"
        "import importlib.util\nassert importlib.util.find_spec('sketchkit_plugins') is None\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", hide + DISCOVERY.format(root=str(root))], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr


FRESH = """
import sys
sys.path.insert(0, {root!r})
from sketchkit import loading, registry, transactions
from sketchkit.errors import PluginError
try:
    @registry.LOSSES.register_module()
    class DiversityLoss: ...
except PluginError as error:
    assert "DiversityLoss is already registered in loss, by sketchkit" in str(error), error
else:
    raise AssertionError("it was let in")
from sketchkit.errors import PluginError
try:
    loading.load_file("thief.py")
except PluginError as error:
    assert "PixelLoss is already registered" in str(error), error
else:
    raise AssertionError("it was let in")
assert registry.LOSSES.get("PixelLoss").__module__ == "sketchkit_plugins.losses.pixel"
assert registry.LOSSES.find("TheirGoodLoss")
assert not registry.LOSSES.find("TheirBrokenLoss") and not registry.LOSSES.find("TheirFolderLoss")
failed = sorted(p.name for p in loading.failures() if "thief" not in p.name)
assert failed == ["gone_package.sub", "their_plugins.broken", "their_plugins.folder"], failed
"""


@pytest.mark.slow
def test_where_nothing_was_loaded_yet_entry_points_are_found_and_no_file_takes_a_built_in_name(tmp_path):
    """A third party's broken module stays alone; one interpreter for both, as it takes seconds to start."""
    write(tmp_path, "thief.py", LOSS.format(name="PixelLoss"))
    package = tmp_path / "their_plugins"
    package.mkdir()
    write(package, "__init__.py", "")
    write(package, "good.py", LOSS.format(name="TheirGoodLoss"))
    write(package, "broken.py", LOSS.format(name="TheirBrokenLoss") + "\nimport no_such_package_at_all\n")
    (package / "folder").mkdir()
    (package / "tests").mkdir()
    for name in ("tests/__init__.py", "conftest.py", "test_it.py"):
        write(package, name, "raise SystemExit('a test was imported')")
    write(package / "folder", "__init__.py", LOSS.format(name="TheirFolderLoss") + "\nraise ValueError('no')\n")
    info = tmp_path / "their_plugins-1.0.dist-info"
    info.mkdir()
    write(info, "METADATA", "Metadata-Version: 2.1\nName: their-plugins\nVersion: 1.0\n")
    write(info, "entry_points.txt", "[sketchkit.plugins]\ntheirs = their_plugins\ngone = gone_package.sub\n")
    words = [sys.executable, "-c", FRESH.format(root=str(tmp_path))]
    result = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
