"""The test protocol of a run: in its validation, `eval`, `translate`, from Python and when it goes on."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sketchkit
from sketchkit.cli import main
from sketchkit.data.image_io import read_image, write_image
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.errors import ConfigError
from sketchkit.inference import TrainedTranslator
from tests.eval_command import failed, measured
from tests.small_runs import SIZE, small_run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_of_this_machine")]  # whole runs

BACKBONE = "{'type':'ResNetGenerator','width':4,'num_blocks':1,'norm':'batch','dropout':0.5,'init_gain':0.3}"
PUBLISHED = ("translator.test_norm=batch", "translator.test_dropout=True")
PLAIN = ("--test-norm", "running", "--test-dropout", "off")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run("pix2pix", tmp_path_factory.mktemp("protocol"), f"backbone={BACKBONE}", *PUBLISHED)


def told(result):
    return {name: result["generator"][name] for name in ("test_norm", "test_dropout", "test_batch", "draws", "noise")}


def l1(result):
    return result["metrics"]["l1"]["value"]


def folders(run):
    return {*(run / "eval").iterdir()} if (run / "eval").exists() else set()


@pytest.fixture
def picture(tmp_path):
    write_image(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))
    return tmp_path / "a.png"


def test_eval_measures_what_the_validation_did_or_as_it_is_told_and_says_which(run, capsys):
    rows = read_scalars(run / "scalars.jsonl")
    assert rows[-1]["val/diversity"] > 1e-3
    own = measured(capsys, run, "-m", "l1")
    assert json.loads((run / "metrics.json").read_text()) == own
    dropped = "dropout, a function of the sample's name"
    assert told(own) == dict(test_norm="batch", test_dropout=True, test_batch=1, draws=2, noise=dropped)
    assert l1(own) == pytest.approx(rows[-1]["val/l1"], abs=2e-3)
    (folder,) = folders(run)
    assert sorted(kind.name for kind in folder.iterdir()) == ["fake", "fake_2", "real"]
    plain = measured(capsys, run, "-m", "l1", *PLAIN)
    assert told(plain) == dict(test_norm="running", test_dropout=False, test_batch=1, draws=1, noise="none")
    assert abs(l1(plain) - l1(own)) > 1e-3 and len(folders(run)) == 2
    again = measured(capsys, run, "-m", "l1")
    assert l1(again) == l1(own) and len(folders(run)) == 2
    half = measured(capsys, run, "-m", "l1", "--test-dropout", "off")
    assert told(half)["test_norm"] == "batch" and l1(half) not in (l1(own), l1(plain))
    page = run / "page.html"
    measured(capsys, run, "-m", "l1", "--report", page)
    assert "test_norm" in page.read_text()


def test_a_picture_of_its_own_is_the_one_that_eval_judged(run, capsys):
    translator = TrainedTranslator(run, "cpu")
    measured(capsys, run, "-m", "l1")
    dataset = translator.config.val_dataloader.dataset
    pair = read_image(next(path for path in (run.parent / "data/val").iterdir() if path.stem == "0010"))
    assert dataset.direction == "BtoA"
    source = pair[:, pair.shape[1] // 2 :]
    kept = [*(run / "eval").glob("*/fake/val/0010.png")]
    out = translator(source, name="val/0010")
    judged = [np.abs(read_image(file).astype(int) - out).max() for file in kept]
    assert min(judged) <= 1
    plain = sketchkit.load(run, "cpu", test_norm="running", test_dropout=False)
    assert np.abs(np.asarray(plain(source)).astype(int) - out).max() > 1


def test_samples_of_a_source_come_from_dropout(run, picture, capsys):
    def translated(*words, code=0):
        with pytest.raises(SystemExit) as end:
            main(["translate", str(run), str(picture), "-o", str(picture.parent / "out.png"), *words])
        assert (end.value.code or 0) == code
        return capsys.readouterr().err

    translated("--samples", "2")
    first, second = (read_image(picture.parent / f"out_{number}.png") for number in (1, 2))
    assert np.abs(first.astype(int) - second).max() > 1
    assert np.array_equal(second, np.asarray(sketchkit.load(run, "cpu")(picture, seed=1)))
    error = translated("--samples", "2", "--test-dropout", "off", code=2)
    assert error.count("\n") == 1 and "leave out --samples, or add --test-dropout on" in error


def test_threads_may_share_a_loaded_run(run):
    translate = sketchkit.load(run, "cpu")
    sources = [np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for seed in range(8)]
    expected = [np.asarray(translate(source, seed=i)) for i, source in enumerate(sources)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: np.asarray(translate(sources[i], seed=i)), range(8)))
    assert all(np.array_equal(one, other) for one, other in zip(made, expected, strict=True))


def test_what_cannot_be_asked_for_is_a_line(run, capsys, tmp_path):
    line = failed(capsys, run, run, "--test-dropout", "off", code=2)
    assert line == "error: --test-dropout is for runs, and two sets of pictures are given"
    with pytest.raises(ConfigError, match="test_norm='foo': give 'running' or 'batch'"):
        sketchkit.load(run, "cpu", test_norm="foo")
    with pytest.raises(ConfigError, match="test_dropout is for runs"):
        sketchkit.evaluate(run, run, test_dropout=True)


def test_a_run_goes_on_as_if_never_stopped(run, tmp_path):
    more = (f"backbone={BACKBONE}", *PUBLISHED, "train_cfg.max_iters=5", "train_cfg.val_interval=1")
    whole = small_run("pix2pix", tmp_path / "whole", *more)
    (whole / "iter_5.pth").unlink(missing_ok=True)
    rows = {row["iter"]: row for row in read_scalars(whole / "scalars.jsonl")}
    resumed = small_run("pix2pix", tmp_path / "whole", *more, resume="auto")
    after = {row["iter"]: row for row in read_scalars(resumed / "scalars.jsonl")}
    names = ("val/l1", "val/diversity")
    assert [after[5].get(name) for name in names] == [rows[5].get(name) for name in names] != [None, None]
