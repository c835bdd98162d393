"""`tools/results.py`: what runs say of themselves is on the page, and what they say is text and nothing else."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from sketchkit.cli import run
from sketchkit.config.load import load_config
from sketchkit.config.names import config_names
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.hooks.record import _config_name
from tests.conftest import ROOT
from tests.eval_command import call
from tests.small_runs import BRIEF, KINDS
from tools import published, results, results_page, results_run

GIVEN = ("image_size=64", "backbone.num_downs=6", "batch_size=2")
RATES = [(50, 20.0), (100, 10.0), (125, 5.0)]
GENERATOR = {
    "iteration": 100,
    "weights": "last",
    "test_norm": "batch",
    "test_dropout": True,
    "draws": 2,
    "split": "test",
}
SCORES = {
    "fid": {
        "value": 130.5,
        "n": {"real": 106, "fake": 106},
        "extractor": {"network": "inception_fid", "resize": "tf", "weights": "abcdef0123456789"},
        "note": "says little of so few",
    },
    "psnr": {"value": "inf", "n": {"pair": 106}, "extractor": {"extractor": "psnr"}, "note": None},
}
MARKUP = "x|<script>alert(1)</script>`<img src=x>![a](http://e.org/b.png)"


def written(folder, name="pix2pix_facades", given=GIVEN, metrics=True, **environment):
    """A run folder of nothing but what a run says of itself."""
    (folder / "grids").mkdir(parents=True)
    config = load_config(ROOT / f"configs/{name}.py", ["data_root=/some/place/facades", *given]).to_dict()
    record = {
        "config": name,
        "device": "cpu",
        "cores": 2,
        "processes": 2,
        "data": {"samples": 400, "fingerprint": "ab" * 32},
        **environment,
    }
    files = {"config.json": config, "environment.json": record}
    if metrics:
        files["metrics.json"] = {"format": "sketchkit metrics", "metrics": SCORES, "generator": GENERATOR}
    for file, content in files.items():
        (folder / file).write_text(json.dumps(content))
    rows = [{"iter": 0, "val/l1": 0.9}, *({"iter": i, "images_per_second": rate} for i, rate in RATES)]
    (folder / "scalars.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


def page_of(tmp_path, *folders, code=0):
    """What the command writes of the folders, with pictures beside it."""
    (tmp_path / "docs").mkdir(exist_ok=True)
    words = [*map(str, folders), "-o", str(tmp_path / "docs/page.md"), "--pictures", str(tmp_path / "docs/shown")]
    with pytest.raises(SystemExit) as end:
        run(results.main, words, "results.py")
    assert (end.value.code or 0) == code
    return (tmp_path / "docs/page.md").read_text()


def facts(page, name):
    """The facts of a run's section, and its whole text."""
    section = page.split(f"### `{name}`")[1].split("\n### ")[0].split("\n## ")[0]
    return dict(re.findall(r"^\| ([\w ]+?) \| (.*) \|$", section, re.MULTILINE)), section


def html_of(page):
    """As it is shown, by another's reading of Markdown."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(page)


@pytest.mark.slow  # whole runs
def test_the_page_says_of_two_runs_what_their_folders_hold(runs, tmp_path, capsys):
    measured = shutil.copytree(runs("pix2pix"), tmp_path / "measured")
    plain = shutil.copytree(runs("cycle"), tmp_path / "plain")
    call(measured, "--metric", "l1", "--no-cache")
    value = json.loads((measured / "metrics.json").read_text())["metrics"]["l1"]["value"]

    page = page_of(tmp_path, measured, plain)
    table = [line for line in page.splitlines() if line.startswith("| [")]
    assert [re.findall(r"`(\w+)`", line)[:2] for line in table[:2]] == [
        ["cyclegan_apple2orange", "plain"],
        ["pix2pix_facades", "measured"],
    ]
    assert table[0].endswith("| not measured |") and table[1].endswith(f"| `l1` {value:.4g} |")
    told, section = facts(page, "measured")
    assert f"| `l1` | {value:.4g} | 2 `pair` | `pixels` |" in section
    assert told["measured"] == (
        "iteration 3, weights `last`, norms `batch`, draws `1`, split `val`, held out, dropout on"
    )
    # Everything that was asked for, each told once though it is in many places.
    asked = {"image_size=32", *BRIEF, *KINDS["pix2pix"][2]} - {"default_hooks.grids.interval=1000"}  # as shipped
    assert {word.replace("=1e-2", "=0.01") for word in asked} == set(re.findall("`(.*?)`", told["differs from it in"]))
    assert told["training"].startswith("3 iterations of 3, batches of 2, 0:00:0")
    # The counts are those of what was trained.
    state = read_checkpoint(measured / "iter_3.pth")["model"]
    for key, count in re.findall(r"`([\w.]+)` ([\d,]+)", told["parameters"]):
        weights = [t for name, t in state.items() if name.startswith(f"{key}.") and not name.endswith(STATISTICS)]
        assert int(count.replace(",", "")) == sum(tensor.numel() for tensor in weights) > 0
    assert facts(page, "plain")[0]["measured"] == "not measured"
    for name in re.findall(r"\]\((shown/[\w-]+\.jpg)\)", page):
        assert Image.open(tmp_path / "docs" / name).size > (32, 32)
    pictures = {file.name: file.read_bytes() for file in (tmp_path / "docs/shown").iterdir()}
    assert len(pictures) == 2
    assert page == page_of(tmp_path, plain, measured)
    assert pictures == {file.name: file.read_bytes() for file in (tmp_path / "docs/shown").iterdir()}
    assert str(tmp_path) not in page


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def test_time_is_that_of_each_interval_at_its_own_rate(tmp_path):
    record = results_run.read_run(written(tmp_path / "run"))
    # Two processes with batches of two: 50 iterations at 20 pictures a second, 50 at 10, 25 at 5.
    assert record.batch == 4 and record.iterations == 125
    assert record.seconds == pytest.approx(50 * 4 / 20 + 50 * 4 / 10 + 25 * 4 / 5)


def test_overrides_are_told_once_and_nothing_else_is(tmp_path):
    assert results_run.overrides(results_run.read_run(written(tmp_path / "a"))) == [
        "image_size=64",
        "batch_size=2",
        "backbone.num_downs=6",
    ]
    page = page_of(tmp_path, written(tmp_path / "b", given=[]), written(tmp_path / "c", config="mine"))
    assert facts(page, "b")[0]["differs from it in"] == "nothing: as shipped"
    assert facts(page, "c")[0]["differs from it in"].startswith("not known")


def test_the_place_of_a_file_is_not_told(tmp_path):
    record = results_run.read_run(
        written(tmp_path / "a", given=["val_evaluator.weights={'alexnet': '/home/me/a.pth'}"])
    )
    assert results_run.overrides(record) == ["val_evaluator.weights.alexnet=.../a.pth"]


def test_a_config_that_is_not_named_is_the_one_of_the_command(tmp_path):
    command = ["x/train.py", "--work-dir", "runs/a", "configs/cut_apple2orange.py", "pix2pix_facades"]
    assert results_run.read_run(written(tmp_path / "a", config=None, command=command)).name == "cut_apple2orange"
    assert results_run.read_run(written(tmp_path / "b", config=None, command=["pytest"])).name == "unknown"


def test_a_run_that_goes_on_from_its_config_json_keeps_the_name_of_its_config(tmp_path):
    folder = written(tmp_path / "run")
    assert _config_name(str(folder / "config.json")) == "pix2pix_facades"
    assert _config_name("some/where/mine.py") == "mine" and _config_name(None) is None
    (folder / "environment.json").write_text("{")
    assert _config_name(str(folder / "config.json")) is None


def test_what_is_no_run_or_not_measured_is_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    odd = written(tmp_path / "odd")
    (odd / "config.json").write_text('{"a": 1, "a": 2}')
    page = page_of(tmp_path, tmp_path / "empty", odd, written(tmp_path / "good", metrics=False))
    lines = [line for line in page.splitlines() if line.startswith("- `empty`") or line.startswith("- `odd`")]
    assert lines[0] == "- `empty`: `no run folder: there is no config.json in it`"
    assert lines[1].startswith("- `odd`: `config.json is damaged (the key 'a' is there twice)")
    assert facts(page, "good")[0]["measured"] == "not measured"


@pytest.mark.parametrize("content", ["{", '{"metrics": {}}', json.dumps({"format": "sketchkit metrics"})])
def test_measures_of_another_form_are_none(tmp_path, content):
    folder = written(tmp_path / "a")
    (folder / "metrics.json").write_text(content)
    record = results_run.read_run(folder)
    assert record.measured is None and record.unmeasured.startswith("not measured: ") and record.scores == []


def test_markup_in_what_a_run_says_is_text(tmp_path):
    folder = written(
        tmp_path / "a|<b>`c",
        given=[],
        config=MARKUP,
        device=MARKUP + "\n\n# Heading",
        versions={MARKUP: MARKUP},
        data={"samples": 1, "fingerprint": MARKUP},
    )
    config = json.loads((folder / "config.json").read_text())
    config |= {"data_root": f"/{MARKUP}", "image_size": MARKUP, "heads": {MARKUP: {"type": MARKUP}}}
    (folder / "config.json").write_text(json.dumps(config))
    scores = {MARKUP: {"value": MARKUP, "n": {MARKUP: 3}, "extractor": {"network": MARKUP}, "note": MARKUP}}
    content = {"format": "sketchkit metrics", "metrics": scores, "generator": {"weights": MARKUP, "split": MARKUP}}
    (folder / "metrics.json").write_text(json.dumps(content))
    (folder / "scalars.jsonl").write_text(json.dumps({"iter": 3, f"val/{MARKUP}": 1e999}) + "\n")
    refused = tmp_path / "<i>no"
    refused.mkdir()
    html = html_of(page_of(tmp_path, folder, refused))
    assert not re.search('<(script|img|b|i)>|<img src=x|e.org/b.png"', html)
    assert "alert(1)" in html and html.count("<h1>") == 1
    links = re.findall('href="(.*?)"', html)
    assert all(link.endswith(".md") or link in published.SOURCES.values() for link in links)
    # No cell is cut in two, and none is added.
    head, row = re.findall("<tr>.*?</tr>", html, re.DOTALL)[:2]
    assert head.count("<th>") == row.count("<td>") == 9


def test_numbers_that_are_none_do_no_harm(tmp_path):
    folder = written(tmp_path / "a", processes=10**400, cores=True, data=[1], command=7, config=None)
    rows = [{"iter": 10**400, "images_per_second": 1}, {"iter": 5, "images_per_second": 1e-320, "val/l1": 10**400}]
    (folder / "scalars.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    config = json.loads((folder / "config.json").read_text())
    config |= {"train_cfg": 3, "image_size": -1, "heads": [], "backbone": {"type": "os.system"}}
    (folder / "config.json").write_text(json.dumps(config))
    told, _ = facts(page_of(tmp_path, folder), "a")
    assert told["parameters"].startswith("not counted") and told["machine"].startswith("`cpu`; ")
    assert told["in training"].startswith("iteration 5: `val/l1` `1000")
    assert told["training"] == "5 iterations of an unknown number, batches of 2, not said"


def test_pictures_are_small_and_none_is_of_elsewhere(tmp_path):
    folder, other = written(tmp_path / "a"), written(tmp_path / "other/a")
    noise = np.random.default_rng(0).integers(0, 256, (540, 420, 3), np.uint8)
    for file in (folder / "grids/iter_999999.png", folder / "grids/iter_1000000.png", other / "secret.png"):
        Image.fromarray(noise[: 40 if "999" in file.name else None]).save(file)
    (other / "grids/iter_000001.png").symlink_to(other / "secret.png")
    page = page_of(tmp_path, folder, other)
    (picture,) = re.findall(r"\]\((shown/.*)\)", page)
    file = tmp_path / "docs" / picture
    shown = Image.open(file)
    assert file.stat().st_size <= 100_000 and shown.format == "JPEG"
    assert shown.height / shown.width == pytest.approx(900 / 700, abs=0.02)  # the last one
    assert page.count("No grid of samples") == 1
    assert [path.name for path in (tmp_path / "docs/shown").iterdir()] == [file.name]


def test_the_picture_of_a_run_can_be_left_out(tmp_path, capsys):
    folders = [written(tmp_path / name) for name in ("shown", "kept")]
    for folder in folders:
        Image.new("RGB", (40, 40)).save(folder / "grids/iter_000001.png")
    page = page_of(tmp_path, *folders, "--unshown", "kept")
    assert "![" in facts(page, "shown")[1] and "![" not in facts(page, "kept")[1]
    assert "Its pictures are not shown" in facts(page, "kept")[1] and "--unshown kept" in page
    assert "no run is called 'kep'" in failing(tmp_path, capsys, *folders, "--unshown", "kep")


def failing(tmp_path, capsys, *words):
    capsys.readouterr()
    page_of(tmp_path, *words, code=2)
    return capsys.readouterr().err


def test_a_number_stands_beside_a_published_one_with_all_that_keeps_them_apart(tmp_path):
    alike = written(tmp_path / "alike", given=["batch_size=2"])
    told = [line for line in page_of(tmp_path, alike).splitlines() if "`alike` 130.5" in line]
    assert told == [
        f"- pix2pix, facades, labels to photos, {by}: `fid` {value}; `alike` 130.5, not comparable: "
        "100 iterations against 80,000; 1 settings other than shipped"
        for by, value in (("official, as MMGeneration measured it", "119.135"), ("MMGeneration", "124.977"))
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"test_norm": "running"}, ["another test protocol"]),
        ({"split": "train"}, ["not held out, or not known to be"]),
        ({"iteration": 40_000}, ["40,000 iterations against 80,000"]),
    ],
)
def test_what_keeps_a_number_apart(tmp_path, change, said):
    folder = written(tmp_path / "a", given=[])
    made = {**GENERATOR, "iteration": 80_000, **change}
    content = {"format": "sketchkit metrics", "metrics": SCORES, "generator": made}
    (folder / "metrics.json").write_text(json.dumps(content))
    record = results_run.read_run(folder)
    assert list(results_page.obstacles(published.PUBLISHED[0], record, record.scores[0])) == said


def test_every_config_has_a_system_and_every_figure_a_source():
    assert {name.partition("_")[0] for name in config_names()} <= set(published.SYSTEMS)
    assert all((ROOT / "docs" / system.page).is_file() for system in published.SYSTEMS.values())
    names = {system.name for system in published.SYSTEMS.values()}
    for one in published.PUBLISHED:
        assert one.system in names and one.source in published.SOURCES and one.apart
        assert one.config is None or one.config in config_names()
    assert names == {one.system for one in published.PUBLISHED} | set(published.UNREAD)


def test_a_wrong_call_is_named_at_once(tmp_path):
    words = f"""import sys; sys.argv = ['results.py', {str(tmp_path / "no")!r}, '-o', 'x.md']
import tools.results as tool
try: tool.cli.run(tool.main, None, 'results.py')
except SystemExit as end: assert end.code == 2
assert 'torch' not in sys.modules"""
    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == f"error: no folder at {tmp_path / 'no'}: name run folders\n"
