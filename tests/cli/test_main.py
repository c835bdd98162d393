import shutil
import subprocess
import sys

import pytest

from sketchkit.cli import COMMANDS, cli, main
from sketchkit.cli.data import COMMANDS as DATA_COMMANDS
from tests.conftest import NARROW, ROOT, TINY, tiny_overrides
from tests.forks import succeeded, training


def run(*words, cwd=ROOT):
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, cwd=cwd)


def test_python_runs_the_package():
    result = run("-m", "sketchkit", "--version")
    assert result.returncode == 0 and result.stdout.startswith("sketchkit, version "), result.stderr


def test_help_imports_nothing_heavy():
    """What takes time is importing torch; without it `--help` answers in a tenth of a second."""
    script = (
        "import sys\nfrom sketchkit.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'mmengine', 'numpy', 'cv2', 'matplotlib', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = run("-c", script)
    assert result.returncode == 0, result.stderr
    for name in COMMANDS:
        assert name in result.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_imports_no_torch_for_it(name):
    script = (
        f"import sys\nfrom sketchkit.cli import main\ntry:\n    main(['{name}', '--help'])\n"
        "except SystemExit as end:\n    assert not end.code\nassert 'torch' not in sys.modules\n"
    )
    result = run("-c", script)
    assert result.returncode == 0, result.stderr
    assert "Usage" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train", "configs/sketchygan_sketchi.py"], 2, "no config at configs/sketchygan_sketchi.py: did you mean"),
        (["train", "configs/sketchygan_demo.py", "--cfg-options", "image_sise=8"], 2, "did you mean 'image_size'"),
        (["train", "sketchygan_demo", "--work-dir", ""], 2, "an empty word is given, which stands for nothing"),
        (["data", "sample", "out", "--size", "1000000000"], 2, "1000000000 is not in the range 16<=x<=16384"),
        (
            ["train", "sketchygan_demo", "default_hooks.checkpoint.interval=0"],
            2,
            "interval=0: give a whole number of 1",
        ),
        (["train", "configs/sketchygan_demo.py", "--cfg-options", "seed=1", "data_root=/nowhere"], 1, "/nowhere"),
        (["info", "configs/sketchygan_demo.py", "--cfg-options", "backbone.type=MRUGenerater"], 2, "'MRUGenerator'"),
        (
            ["train", "configs/sketchygan_demo.py", "--plugin", "nowhere.py"],
            1,
            "no plugin file at nowhere.py: check the path given to --plugin",
        ),
        (
            ["info", "configs/sketchygan_demo.py", "--cfg-options", "backbone.width=0"],
            2,
            "width=0: give a whole number",
        ),
        (["trian"], 2, "error: no command 'trian' in sketchkit: did you mean 'train'?"),
        (["data", "smaple"], 2, "error: no command 'smaple' in sketchkit data: did you mean 'sample'?"),
        (["plugins", "lsit"], 2, "error: no command 'lsit' in sketchkit plugins: did you mean 'list'?"),
        (["info", "pix2pix_facades", "--jsno"], 2, "(see sketchkit info --help)"),
        (["translate"], 2, "error: Missing argument 'RUN' (see sketchkit translate --help)"),
    ],
)
def test_a_users_mistake_is_one_line_and_a_code(words, code, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    if words[0] == "train":
        words = [*words, "--work-dir", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as end:
        main(words)
    error = capsys.readouterr().err
    assert end.value.code == code
    assert message in error
    assert "Traceback" not in error
    assert len([line for line in error.splitlines() if line.startswith("error:")]) == 1


def test_a_folder_that_cannot_be_made_is_one_line(sample_root, capsys):
    words = ["train", str(NARROW), "--plugin", str(TINY), "--work-dir", "/proc/nowhere"]
    with pytest.raises(SystemExit) as end:
        main([*words, "--cfg-options", *tiny_overrides(sample_root)])
    assert end.value.code == 1
    assert capsys.readouterr().err.strip() == "error: /proc/nowhere: No such file or directory"


def test_the_commands_are_those_there_are():
    folder = ROOT / "sketchkit" / "cli"
    assert {path.stem for path in folder.glob("[!_]*")} - {"groups", "options", "pictures", "progress"} == set(COMMANDS)
    assert {path.stem for path in (folder / "data").glob("[!_]*.py")} == set(DATA_COMMANDS)
    assert cli.list_commands(None) == sorted(COMMANDS)


@pytest.mark.slow
def test_cfg_options_take_several_words(sample_root, tmp_path):
    words = [NARROW, "--plugin", TINY, "--work-dir", tmp_path / "run"]
    words += ["--cfg-options", *tiny_overrides(sample_root, "train_cfg.max_iters=1")]
    result = training(*words).result()
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[1/1]" in result.stdout
    assert "sample grids:" in result.stdout
    assert "WARNING" not in result.stdout + result.stderr


@pytest.mark.slow
def test_too_much_damage_is_one_line_and_costs_no_iteration(sample_root, tmp_path):
    """Found by a data worker, in the second epoch: the run saves what it has done and says what is wrong."""
    root, folder = tmp_path / "data", tmp_path / "run"
    shutil.copytree(sample_root, root)
    words = [NARROW, "--plugin", TINY, "--work-dir", folder, "--cfg-options"]
    words += tiny_overrides(root, "num_workers=1", "max_unreadable=0")
    succeeded(training(*words, "train_cfg.max_iters=2"))
    tested = (root / "info" / "testset.txt").read_text()
    for path in root.glob("sketch/*/*/*.png"):
        if f"{path.parent.name}/{path.stem.rpartition('-')[0]}.jpg" not in tested:
            path.write_bytes(path.read_bytes()[:50])
    result = training(*words, "train_cfg.max_iters=40", "default_hooks.grids.interval=100", "--resume").result()
    assert result.returncode == 1, result.stdout
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert "1 unreadable files in" in line and "max_unreadable=1" in line
    assert f"the data failed: saved {folder}/iter_2.pth" in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_missing_perceptual_weights_are_one_line_that_names_the_file_and_the_option(sample_root, tmp_path, monkeypatch):
    for name in ("TORCH_HOME", "HF_HOME", "SKETCHKIT_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    words = [ROOT / "configs/sketchygan_sketchy.py", "--work-dir", tmp_path / "run", "--cfg-options"]
    result = training(*words, f"data_root={sample_root}", "categories=13").result()
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: generator_losses.perceptual: ")
    assert "inception" in line
    assert line.endswith("drop the term with --cfg-options generator_losses.perceptual=None")
