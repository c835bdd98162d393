"""Sweeps: which runs there are, that they are train's own, what they are compared by, and how they go on."""

import csv
import json
import math
import shutil
import signal

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from sketchkit.config.load import load_config
from sketchkit.data.image_io import write_image
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.plots import BETWEEN, COLUMN, _wrapped, draw_columns
from sketchkit.engine.train import train
from sketchkit.errors import ConfigError, DataError
from sketchkit.registry import LOSSES
from sketchkit.sweeps import sweep as module
from sketchkit.sweeps.sweep import Sweep
from sketchkit.sweeps.words import parse_words, split_values
from tests.conftest import NARROW, ROOT, TINY, tiny_overrides

pytestmark = pytest.mark.slow  # whole runs

DEMO = NARROW
KEY = "generator_losses.pixel.weight"
SIZE, SAMPLES, GAP, LINE = 16, 3, 2, 14


@LOSSES.register_module()
class SendsSigint(torch.nn.Module):
    """Presses Ctrl-C the `at`-th time it is asked; `at` is the class's, so that the config stays as it is."""

    at, calls = 0, 0

    def forward(self, fake):
        SendsSigint.calls += 1
        if SendsSigint.calls == SendsSigint.at:
            signal.raise_signal(signal.SIGINT)
        return 0 * fake.mean()


def fixed(sample_root, *more):
    return tiny_overrides(sample_root, f"default_hooks.grids.samples={SAMPLES}", *more)


def go(swept, samples=SAMPLES):
    results = swept.train(lambda line: None)
    swept.write(results)
    return results, swept.draw(results, samples)


def rows_of(folder):
    rows = [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


@pytest.fixture(scope="module")
def finished(sample_root, tmp_path_factory):
    """A sweep over three weights of the pixel term, at its end: (sweep, results, picture)."""
    swept = Sweep(DEMO, [f"{KEY}=1,1e2,10"], tmp_path_factory.mktemp("sweeps") / "out", fixed(sample_root), [TINY])
    return swept, *go(swept)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0,1e-4,1e-2", ["0", "1e-4", "1e-2"]),
        ("dict(x=1,y=2),[1,2],none", ["dict(x=1,y=2)", "[1,2]", "none"]),
        ("{'a,b': (1, 2)},\"c,d\"", ["{'a,b': (1, 2)}", '"c,d"']),
        ("'it)',1", ["'it)'", "1"]),
        ("", [""]),
        ("1,,2", ["1", "", "2"]),
    ],
)
def test_values_are_split_where_nothing_encloses_the_comma(text, values):
    assert split_values(text) == values


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no key to sweep"),
        (["a.b"], "'a.b' lacks a value"),
        (["a="], "'a=' lacks a value"),
        (["a=1,"], "'a=1,' lacks a value"),
        (["a=1", "a=2"], "a is given twice"),
        (["a=1", "+a=2"], "a is given twice"),
        (["f=1"], "f is to be swept and fixed"),
        (["a=1,1"], "names a value twice"),
        (["a=[1,2"], "does not close"),
    ],
)
def test_words_that_say_nothing_clear_are_refused(words, message):
    with pytest.raises(ConfigError) as caught:
        parse_words(words, ["f=3"])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_settings_are_every_combination_and_named_by_what_tells_them_apart(sample_root, tmp_path):
    words = [f"{KEY}=1,1e-4", "generator_losses.gan.weight=2", "backbone.width=4,8", "seed=3"]
    settings = Sweep(DEMO, words, tmp_path / "out", fixed(sample_root), [TINY]).settings
    # `gan` is also a term of the discriminator's.
    end = "generator_losses.gan.weight=2"
    assert [setting.folder.name for setting in settings] == [
        f"pixel.weight={weight},{end},backbone.width={width},seed=3" for weight in ("1", "1e-4") for width in (4, 8)
    ]
    configs = [setting.config for setting in settings]
    assert [(c.generator_losses.pixel.weight, c.backbone.width, c.seed) for c in configs] == [
        (1, 4, 3), (1, 8, 3), (1e-4, 4, 3), (1e-4, 8, 3)
    ]  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_value_that_cannot_name_a_folder_gets_a_name_of_its_own(sample_root, tmp_path):
    plain = "dict(type='PixelLoss', distance='{}')"
    words = [f"generator_losses.pixel={plain.format('l1')},{plain.format('l2')}"]
    settings = Sweep(DEMO, words, tmp_path / "out", fixed(sample_root), [TINY]).settings
    names = [setting.folder.name for setting in settings]
    assert len({*names}) == 2
    assert all("/" not in name and "'" not in name and name.startswith("generator_losses.pixel=dict") for name in names)
    assert [s.config.generator_losses.pixel.distance for s in settings] == ["l1", "l2"]


def test_a_run_of_a_sweep_is_the_run_that_train_makes(finished, sample_root, tmp_path):
    folder = finished[0].folder / "pixel.weight=1e2"
    train(load_config(DEMO, [*fixed(sample_root), f"{KEY}=100"], [TINY]), tmp_path / "alone")
    assert rows_of(folder) == rows_of(tmp_path / "alone")


def test_the_tables_numbers_are_the_last_of_each_runs_scalars(finished):
    swept, results, _ = finished
    with (swept.folder / "table.csv").open() as file:
        table = list(csv.DictReader(file))
    record = json.loads((swept.folder / "sweep.json").read_text())
    assert [line[KEY] for line in table] == ["1", "1e2", "10"]
    for line, kept, one in zip(table, record["settings"], results, strict=True):
        rows = rows_of(swept.folder / f"pixel.weight={line[KEY]}")
        (held_out,) = [row for row in rows if "val/l1" in row and row["iter"] == 6]
        (losses,) = [row for row in rows if "G/total" in row and row["iter"] == 6]
        last = {k: v for k, v in {**held_out, **losses}.items() if k.startswith(("val/", "G/"))}
        assert {"val/l1", "val/diversity", "G/pixel", "G/total"} <= last.keys()
        assert one.scalars == kept["scalars"] == last
        assert {name: float(line[name]) for name in last} == last
        assert (line["state"], line["iterations"], kept["iterations"]) == ("done", "6", 6)
    assert [kept["values"] for kept in record["settings"]] == [{KEY: "1"}, {KEY: "1e2"}, {KEY: "10"}]


def cell(image, left, top):
    return np.asarray(image)[top : top + SIZE, left : left + SIZE]


def test_each_column_shows_what_the_runs_own_grid_shows(finished):
    swept, _, path = finished
    picture = Image.open(path)
    top = picture.height - SAMPLES * (SIZE + GAP)
    assert picture.width == GAP + 5 * (COLUMN + GAP)
    assert top in [n * LINE + GAP for n in (1, 2)]
    columns = [[cell(picture, GAP + c * (COLUMN + GAP), top + r * (SIZE + GAP)) for r in range(3)] for c in range(5)]
    for place, weight in ((2, "1"), (3, "1e2"), (4, "10")):
        grid = Image.open(swept.folder / f"pixel.weight={weight}" / "grids/iter_000006.png")
        for sample in range(SAMPLES):
            # The grid: two blocks of two rows; source, target, output and second noise in each.
            block, row = divmod(sample, 2)
            lefts = {kind: block * (4 * (SIZE + GAP) + GAP + BETWEEN) + GAP + kind * (SIZE + GAP) for kind in (0, 1, 2)}
            shown = {kind: cell(grid, left, LINE + GAP + row * (SIZE + GAP)) for kind, left in lefts.items()}
            assert np.array_equal(columns[0][sample], shown[0])
            assert np.array_equal(columns[1][sample], shown[1])
            assert np.array_equal(columns[place][sample], shown[2])
    assert not np.array_equal(columns[2], columns[3]) and not np.array_equal(columns[3], columns[4])


def test_a_second_call_trains_nothing_and_a_new_value_adds_a_run(finished, sample_root, tmp_path, monkeypatch):
    swept, results, _ = finished
    out = tmp_path / "out"
    shutil.copytree(swept.folder, out)
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*")}
    assert any(path.suffix == ".pth" for path in before)
    trained = []
    monkeypatch.setattr(module, "train", lambda config, folder, resume: trained.append(folder.name))
    said = []
    again = Sweep(DEMO, [f"{KEY}=1,1e2,10"], out, fixed(sample_root), [TINY]).train(said.append)
    assert [one.scalars for one in again] == [one.scalars for one in results]
    assert said == [f"[{i}/3] pixel.weight={w}: already trained" for i, w in ((1, "1"), (2, "1e2"), (3, "10"))]
    assert trained == [] and {path: path.stat().st_mtime_ns for path in out.glob("*/*")} == before
    Sweep(DEMO, [f"{KEY}=10,7"], out, fixed(sample_root), [TINY]).train(said.append)
    assert trained == ["pixel.weight=7"]


def test_a_setting_cut_short_goes_on_from_its_checkpoint(finished, sample_root, tmp_path):
    swept, results, picture = finished
    out = tmp_path / "out"
    shutil.copytree(swept.folder, out)
    (out / "pixel.weight=1e2" / "iter_6.pth").unlink()
    again, drawn = go(Sweep(DEMO, [f"{KEY}=1,1e2,10"], out, fixed(sample_root), [TINY]))
    assert [one.scalars for one in again] == [one.scalars for one in results]
    assert drawn.read_bytes() == picture.read_bytes()


def test_ctrl_c_saves_ends_the_sweep_and_the_same_call_goes_on(sample_root, tmp_path, monkeypatch):
    term = "+generator_losses.key=dict(type='SendsSigint')"
    call = [f"{KEY}=1,2,3"], tmp_path / "out", fixed(sample_root, term, "train_cfg.max_iters=2"), [TINY]
    monkeypatch.setattr(SendsSigint, "calls", 0)
    monkeypatch.setattr(SendsSigint, "at", 2 + 1)  # in the second setting's first iteration
    results = Sweep(DEMO, *call).train(lambda line: None)
    assert [one.state for one in results] == ["done", "interrupted"]
    assert read_checkpoint(tmp_path / "out" / "pixel.weight=2" / "iter_1.pth")["iter"] == 1
    assert not (tmp_path / "out" / "pixel.weight=3").exists()
    results, _ = go(Sweep(DEMO, *call))
    assert [(one.state, one.iterations) for one in results] == [("done", 2)] * 3
    assert SendsSigint.calls == 2 + 2 + 2
    assert [row["iter"] for row in rows_of(results[1].setting.folder) if "G/total" in row] == [1, 2]


def test_a_setting_that_fails_is_reported_the_others_go_on_and_it_is_tried_again(sample_root, tmp_path):
    term = "+generator_losses.bad=dict(type='FailsOnce', at=4)"
    watch = ["default_hooks.watchdog.interval=1", "default_hooks.checkpoint.interval=3"]
    call = ["generator_losses.bad.at=4,100"], tmp_path / "out", fixed(sample_root, term, *watch), [TINY]
    results, picture = go(Sweep(DEMO, *call))
    assert [(one.state, one.iterations) for one in results] == [("failed", 3), ("done", 6)]
    assert "watchdog at iteration 4: non_finite" in results[0].reason and "\n" not in results[0].reason
    with (tmp_path / "out" / "table.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [line["state"] for line in table] == ["failed", "done"]
    assert table[0]["reason"] == results[0].reason
    assert Image.open(picture).width == GAP + 4 * (COLUMN + GAP)  # what it had learnt before is shown
    # From iteration 3 on, the fourth call is not reached.
    assert [one.state for one in Sweep(DEMO, *call).train(lambda line: None)] == ["done", "done"]


def test_nothing_is_drawn_where_no_setting_has_a_checkpoint(sample_root, tmp_path):
    term = "+generator_losses.bad=dict(type='FailsOnce', at=1)"
    call = [f"{KEY}=1,2"], tmp_path / "out", fixed(sample_root, term, "default_hooks.watchdog.interval=1"), [TINY]
    results, picture = go(Sweep(DEMO, *call))
    assert [one.state for one in results] == ["failed", "failed"]
    assert picture is None and not (tmp_path / "out" / "sweep.png").exists()


def test_values_that_are_not_finite_are_null_in_the_json(finished, tmp_path):
    swept, results, _ = finished
    shutil.copytree(swept.folder, tmp_path / "out")
    other = Sweep.__new__(Sweep)
    other.folder, other._record = tmp_path / "out", {}
    broken = module.Result(results[0].setting, "failed", "why")
    broken.scalars = {"G/total": math.nan, "val/l1": 0.5}
    other.write([broken])
    text = (tmp_path / "out" / "sweep.json").read_text()
    kept = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert kept["settings"][0]["scalars"] == {"G/total": None, "val/l1": 0.5}


@pytest.mark.parametrize(
    ("words", "more", "message"),
    [
        (["generator_losses.pixel.weigth=1,2"], [], "did you mean 'weight'"),
        ([f"{KEY}=1", "backbone.width=4,wide"], [], "backbone.width=wide: TinyBackbone cannot be built"),
        ([f"{KEY}=1,much"], [], "generator_losses.pixel.weight='much': give a finite number"),
        (["optim_wrapper.discriminator.optimizer.lr=1,fast"], [], "optimizer.lr='fast': give a finite number"),
        (["heads.discriminator.type=TinyHead,TinyHaed"], [], "'TinyHead'"),
        ([f"{KEY}=1"], ["data_root=nowhere"], "nowhere"),
        ([f"{KEY}=1"], ["train_dataloader=None"], "train_dataloader=None: give a dict"),
        ([f"{KEY}=1"], ["image_sise=8"], "did you mean 'image_size'"),
    ],
)
def test_what_cannot_work_fails_before_anything_is_trained(words, more, message, sample_root, tmp_path):
    with pytest.raises((ConfigError, DataError)) as caught:
        Sweep(DEMO, words, tmp_path / "out", fixed(sample_root, *more), [TINY])
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_refused(finished, sample_root, tmp_path):
    swept = finished[0]

    def refused(out, *more):
        with pytest.raises(ConfigError) as caught:
            Sweep(DEMO, [f"{KEY}=1"], out, fixed(sample_root, *more), [TINY])
        assert "with -o" in str(caught.value) and "\n" not in str(caught.value)
        return str(caught.value)

    assert "other fixed options: train_cfg.max_iters differ" in refused(swept.folder, "train_cfg.max_iters=7")
    assert "other fixed options: seed, randomness.seed" in refused(swept.folder, "seed=7")
    run = swept.folder / "pixel.weight=1"
    assert "holds runs that no sweep has made" in refused(run)
    assert "is a file" in refused(run / "config.json")
    shutil.copytree(run, tmp_path / "runs" / "mine")
    assert "holds runs that no sweep has made" in refused(tmp_path / "runs")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sweep.json").write_text('{"base":')
    assert "sweep.json is damaged" in refused(tmp_path / "broken")


def test_several_processes_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="without torchrun"):
        Sweep(DEMO, [f"{KEY}=1"], tmp_path / "out")


def test_runs_of_other_sizes_are_shown_at_one(sample_root, tmp_path):
    words = [word for word in fixed(sample_root, "train_cfg.max_iters=1") if not word.startswith("image_size")]
    _, picture = go(Sweep(DEMO, ["image_size=16,24"], tmp_path / "out", words, [TINY]))
    with Image.open(picture) as image:
        assert image.width == GAP + 4 * (COLUMN + GAP)
        assert (image.height - GAP - SAMPLES * (24 + GAP)) % LINE == 0


def test_runs_of_other_samples_are_not_shown_side_by_side(finished, monkeypatch):
    swept, results, _ = finished
    real, calls = module._held_out, iter("ab")

    def other(config, samples):
        showcase = real(config, samples)
        (batch,) = showcase.batches
        batch["key"] = [f"{next(calls)}{key}" if i == 0 else key for i, key in enumerate(batch["key"])]
        return showcase

    monkeypatch.setattr(module, "_held_out", other)
    with pytest.raises(DataError, match=r"no sweep\.png: the settings hold out different samples"):
        swept.draw(results, SAMPLES)


def test_unpaired_runs_show_the_source_and_each_output(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for name in "abcd":
            write_image(tmp_path / "data" / folder / f"{name}.png", rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    tiny = [
        f"data_root={tmp_path / 'data'}", "image_size=16", "num_workers=0", "train_cfg.max_iters=2",
        "backbone=dict(type='TinyBackbone', noise=False)",
        "heads=dict(d=dict(type='PatchDiscriminator', num_layers=1, width=4, source_channels=0, norm=None))",
    ]  # fmt: skip
    words = ["generator_losses.cycle.weight=0,10"]
    swept = Sweep(ROOT / "configs/cyclegan_sketch2color.py", words, tmp_path / "out", tiny, [TINY])
    results, picture = go(swept, samples=2)
    assert {"val/cycle_A", "val/cycle_B", "G/cycle_BtoA"} <= results[0].scalars.keys()
    with Image.open(picture) as image:
        assert image.width == GAP + 3 * (COLUMN + GAP)
        top = image.height - 2 * (SIZE + GAP)
        shown = [cell(image, GAP, top + row * (SIZE + GAP)) for row in range(2)]
    # Two of four, spread evenly.
    for one, name in zip(shown, "ac", strict=True):
        assert np.array_equal(one, np.asarray(Image.open(tmp_path / "data" / "testA" / f"{name}.png")))


def test_captions_are_whole_and_stay_over_their_columns(tmp_path):
    long = "generator_losses.pixel=dict(type='PixelLoss',distance='l1')\nWWWWWWWWWWWWWWWWWWWWWWWWWWWW"
    font = ImageFont.load_default()
    lines = list(_wrapped(long, 74, font))
    assert "".join(lines) == long.replace("\n", "")
    assert max(font.getlength(line) for line in lines) <= 74
    assert list(_wrapped("tv.weight=0.0001", 74, font)) == ["tv.weight=", "0.0001"]
    white = torch.ones(1, 1, 4, 4)
    draw_columns([(long, white), ("", white), (long, white)], tmp_path / "page.png")
    ink = np.asarray(Image.open(tmp_path / "page.png").convert("L")) < 255
    assert ink.shape == (len(lines) * LINE + GAP + 4 + GAP, GAP + 3 * (COLUMN + GAP))
    step = COLUMN + GAP
    first, second, third = (ink[:, GAP + i * step : GAP + (i + 1) * step] for i in range(3))
    assert first.any() and not second.any() and np.array_equal(first, third)
    assert not first[:, -GAP:].any()


def test_a_plugin_that_fails_is_a_failed_setting_and_the_others_go_on(monkeypatch, tmp_path):
    from sketchkit.sweeps import sweep

    def broken(config, folder, resume):
        raise RuntimeError("first line\nshapes do not match")

    monkeypatch.setattr(sweep, "train", broken)
    result = sweep.train_setting(sweep.Setting(tmp_path, "a=1", {"a": "1"}, None))
    assert (result.state, result.reason) == ("failed", "RuntimeError: shapes do not match")
