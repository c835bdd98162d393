"""`sketchkit stylize`: files in, a picture out, and one line for every mistake."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from sketchkit.cli import main
from sketchkit.config.load import load_config
from sketchkit.config.names import preset_file, presets
from sketchkit.data.image_io import read_image, read_straight, write_image
from tests.conftest import ROOT
from tests.forks import sketchkit

RANDOM = ["--cfg-options", "translator.weights=None", "--iterations", "2"]


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """A content picture of 60 x 40 and two styles."""
    rng = np.random.default_rng(0)
    for name, size in (("content", (40, 60)), ("style", (50, 30)), ("other", (33, 47))):
        write_image(tmp_path / f"{name}.png", rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    return [str(tmp_path / f"{name}.png") for name in ("content", "style", "other")]


def run(*words: object, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main(["stylize", *map(str, words)])
    assert end.value.code == code


def failed(capsys: pytest.CaptureFixture, *words: object, code: int) -> str:
    run(*words, code=code)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error:" in line.lower()]
    return line


@pytest.mark.parametrize(("size", "expected"), [(0, (40, 60)), (512, (40, 60)), (45, (30, 45))])
def test_the_output_has_the_contents_shape(size, expected, pictures, tmp_path, capsys):
    out = tmp_path / "new" / "out.png"
    run(*pictures[:2], "-o", out, "--size", size, *RANDOM)
    assert read_image(out).shape == (*expected, 3)
    text = capsys.readouterr().out
    assert f"{out}: {expected[1]} x {expected[0]}" in text
    assert "[2/2]" in text and "iterations/s" in text and "0:00:00 left" in text
    assert "content " in text and "style " in text and "tv " in text


def test_the_same_call_gives_the_same_picture_and_options_matter(pictures, tmp_path):
    names = {
        "first": (),
        "again": (),
        "noise": ("--init", "noise"),
        "seed": ("--init", "noise", "--seed", 1),
        "lbfgs": ("--optimizer", "lbfgs"),
        "two": (pictures[2], "--style-weights", "1,3"),
    }
    seen = {}
    for name, options in names.items():
        run(*pictures[:2], "-o", tmp_path / f"{name}.png", *options, *RANDOM)
        seen[name] = (tmp_path / f"{name}.png").read_bytes()
    assert seen.pop("again") == seen["first"]
    assert len(set(seen.values())) == len(seen)


def test_intermediate_pictures_and_no_progress(pictures, tmp_path, capsys):
    run(*pictures[:2], "-o", tmp_path / "out.jpg", "--save-every", 1, "--tile", 32, "--quiet", *RANDOM)
    assert len(capsys.readouterr().out.splitlines()) == 1
    found = sorted(path.name for path in tmp_path.glob("out*"))
    assert found == ["out.jpg", "out_iter_000001.png", "out_iter_000002.png"]


def test_a_loss_of_ones_own(pictures, tmp_path, capsys):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from torch import nn\nfrom sketchkit.registry import LOSSES\n\n\n@LOSSES.register_module()\n"
        "class Brighten(nn.Module):\n    def forward(self, fake):\n        return -fake.mean()\n"
    )
    term = "+generator_losses.bright=dict(type='Brighten', weight=2.0)"
    run(*pictures[:2], "-o", tmp_path / "out.png", "--plugin", plugin, *RANDOM, term)
    assert "bright " in capsys.readouterr().out


@pytest.mark.parametrize("name", presets())
def test_presets_are_the_configs_and_load(name):
    config = load_config(preset_file(name))
    assert config.translator.type == "StyleTranslator"
    assert list(config.generator_losses) == ["content", "style", "tv"]
    first = preset_file(name).read_text().splitlines()[0]
    assert first == f"# sketchkit stylize CONTENT STYLE -o OUT --config configs/{preset_file(name).name}"


def test_the_seeds_numbers():
    config = load_config(preset_file("squeezenet"))
    assert config.translator.optimizer == dict(type="Adam", lr=3.0)
    assert (config.translator.iterations, tuple(config.translator.decay)) == (200, (0.9, 1 / 30))
    content, style, tv = config.generator_losses.values()
    assert (tuple(content.layers), content.weight) == ((3,), 5e-3)
    assert (tuple(style.layers), tuple(style.layer_weights)) == ((1, 4, 6, 7), (20000, 500, 12, 1))
    assert (tv.penalty, tv.reduction, tv.weight) == ("squared", "sum", 5e-2)


def test_the_pyramid_of_a_preset_paints(pictures, tmp_path, capsys):
    run(*pictures[:2], "-o", tmp_path / "out.png", "--preset", "squeezenet-pyramid", *RANDOM, "translator.pyramid=40")
    assert "[4/4]" in capsys.readouterr().out
    assert read_image(tmp_path / "out.png").shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["{content}", "nowhere.png"], 1, "no picture at nowhere.png"),
        (["{content}", "{broken}"], 1, "is not a whole image"),
        (["{content}"], 2, "a content picture and one style or more"),
        (["{content}", "{style}", "-o", "out.xyz"], 2, "no image format ends in '.xyz'"),
        (["{content}", "{style}", "-o", "{style}"], 2, "one of the pictures to read"),
        (["{content}", "{style}", "--style-weights", "1,2"], 2, "2 style weights for 1 styles"),
        (["{content}", "{style}", "--style-weights", "a"], 2, "give numbers with commas"),
        (["{content}", "{style}", "generator_losses.content.layers=(99,)"], 2, "has no layer 99"),
        (["{content}", "{style}", "translator.itrations=3"], 2, "did you mean 'iterations'"),
        (["{content}", "{style}", "--config", "configs/sketchygan_demo.py"], 2, "does not paint"),
        (["{content}", "{style}", "--size", "12"], 1, "a picture of 12 x 8 pixels is too small"),
        (["{content}", "{style}", "generator_losses.style.weight=1e300"], 1, "no longer finite"),
        (["{content}", "{style}", "generator_losses.style.weight=1e400"], 2, "style.weight=inf: give a finite number"),
        (["{content}", "{style}", "translator.weights=nowhere.pth"], 1, "no weights of squeezenet1_1 at nowhere.pth"),
    ],
)
def test_a_mistake_is_one_line(words, code, message, pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(pictures[0]).read_bytes()[:200])
    names = {"content": pictures[0], "style": pictures[1], "broken": broken}
    words = [word.format(**names) for word in words]
    words = words if "-o" in words else [*words, "-o", tmp_path / "out.png"]
    random = [] if "--config" in words or "translator.weights" in str(words) else RANDOM
    assert message in failed(capsys, *words, *random, code=code)


def test_missing_weights_are_one_line(pictures, tmp_path, capsys, monkeypatch):
    for name in ("TORCH_HOME", "SKETCHKIT_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    line = failed(capsys, *pictures[:2], "-o", tmp_path / "out.png", "--preset", "vgg19", code=1)
    assert "vgg19-dcbb9e9d.pth" in line and "put it there with" in line


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is(pictures, tmp_path):
    words = [*pictures[:2], "-o", tmp_path / "out.png", "--iterations", 100000, "--save-every", 1]
    call = sketchkit("stylize", *words, *RANDOM[:2], cwd=ROOT)
    for _ in range(600):
        if (tmp_path / "out_iter_000002.png").exists():
            break
        time.sleep(0.1)
    call.send_signal(signal.SIGINT)
    done = call.result(timeout=60)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert "(stopped by SIGINT after " in done.stdout
    assert read_image(tmp_path / "out.png").shape == (40, 60, 3)


def test_transparency_is_kept_or_said_to_be_lost(tmp_path, pictures, capsys):
    rgba = np.random.default_rng(0).integers(0, 256, (40, 60, 4), dtype=np.uint8)
    write_image(tmp_path / "clear.png", rgba)
    run(tmp_path / "clear.png", pictures[1], "-o", tmp_path / "out.png", "--quiet", *RANDOM)
    assert np.array_equal(read_straight(tmp_path / "out.png")[..., 3], rgba[..., 3])
    assert "has transparency" not in capsys.readouterr().out
    run(tmp_path / "clear.png", pictures[1], "-o", tmp_path / "out.jpg", "--quiet", *RANDOM)
    assert "has transparency, which .jpg cannot keep: it is laid on white" in capsys.readouterr().out
    # A picture that could have transparency and has none is painted without.
    write_image(tmp_path / "opaque.png", np.dstack([rgba[..., :3], np.full((40, 60), 255, np.uint8)]))
    run(tmp_path / "opaque.png", pictures[1], "-o", tmp_path / "opaque_out.png", "--quiet", *RANDOM)
    assert read_straight(tmp_path / "opaque_out.png").shape == (40, 60, 3)
