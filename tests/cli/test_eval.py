"""`sketchkit eval REAL FAKE`: what people and programs read, what is kept, and one line for every mistake."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import time
from datetime import datetime

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from sketchkit.data.image_io import read_image, write_image
from sketchkit.evaluation.features.classifiers import make_extractor
from sketchkit.evaluation.features.extraction import extract_batch
from sketchkit.evaluation.metric import Setup
from tests.conftest import ROOT
from tests.eval_command import FEATURES, NETWORK, call, failed, measured
from tests.forks import sketchkit

pytestmark = pytest.mark.usefixtures("nothing_of_this_machine")

ALEXNET = ROOT.parent / "shared" / "weights" / "alexnet_features.pth"
COUNT = 6


@pytest.fixture
def alexnet():
    if not ALEXNET.is_file():
        pytest.skip(f"no real weights at {ALEXNET}")
    return ALEXNET


def write_pictures(folder, seed, count=COUNT, size=40, ending="png", spread=40):
    """Smooth colours with noise of so many levels."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        ground = np.linspace(0, 200, size)[:, None, None] + 9 * number
        picture = ground + rng.integers(0, spread, (size, size, 3))
        write_image(folder / f"{number:02d}.{ending}", (picture % 256).astype(np.uint8))
    return folder


@pytest.fixture
def sets(tmp_path):
    return write_pictures(tmp_path / "real", 0), write_pictures(tmp_path / "fake", 1, spread=90)


def value(result, name):
    return result["metrics"][name]["value"]


def test_the_table_has_what_was_asked_for_and_kid_beside_fid(sets, alexnet, capsys):
    words = [*sets, "--metric", "fid", "--metric", "lpips", "--metric", "psnr"]
    words += ["--feature-extractor", NETWORK, "--weights", f"alexnet={alexnet}", "--allow-random-weights"]
    result = measured(capsys, *words)
    call(*words)
    captured = capsys.readouterr()
    table, rest = captured.out.splitlines()[:5], captured.out.splitlines()[5:]
    assert captured.err == ""
    columns, *rows = [re.split("  +", line) for line in table]
    assert columns == ["metric", "value", "better", "n", "seen by"]
    assert [row[0] for row in rows] == list(result["metrics"]) == ["fid_random", "kid_random", "lpips", "psnr"]
    assert [float(row[1]) for row in rows] == pytest.approx([value(result, row[0]) for row in rows], rel=1e-5)
    assert [row[2] for row in rows] == ["lower", "lower", "lower", "higher"]
    assert rows[0][3:] == ["6 real / 6 fake", f"{NETWORK}, resize tf, random"]
    assert rows[2][3] == "6 pairs"
    digest = hashlib.sha256(alexnet.read_bytes()).hexdigest()
    assert digest[:8] in rows[2][4] and result["metrics"]["lpips"]["extractor"]["weights"] == digest
    assert "note: fid_random: the network has random weights, the number means nothing outside tests" in rest
    assert "note: fid_random of 6 pictures is biased" in captured.out and "kid is not biased" in captured.out
    assert "0 pictures looked at" in rest[-1]


def test_the_numbers_are_those_of_other_programs(sets, capsys):
    result = measured(capsys, *sets, *FEATURES, "--metric", "fid", "--metric", "l1", "--metric", "psnr")
    real, fake = ([read_image(file) for file in sorted(folder.iterdir())] for folder in sets)
    differences = [np.abs(a.astype(float) - b).mean() / 127.5 for a, b in zip(real, fake, strict=True)]
    assert value(result, "l1") == pytest.approx(np.mean(differences), rel=1e-9)
    ratios = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(real, fake, strict=True)]
    assert value(result, "psnr") == pytest.approx(np.mean(ratios), rel=1e-9)
    rows = [features(folder) for folder in sets]
    theirs = fid_statistics_to_metric(*map(fid_features_to_statistics, rows), False)["frechet_inception_distance"]
    assert value(result, "fid_random") == pytest.approx(theirs, rel=1e-4)


def features(folder):
    """Of every picture by itself, as float64."""
    extractor = make_extractor(Setup(allow_random_weights=True), NETWORK)
    pictures = [torch.from_numpy(read_image(file)).permute(2, 0, 1) for file in sorted(folder.iterdir())]
    return torch.stack(
        [extract_batch(extractor, {"": extractor.prepare(picture)})[""] for picture in pictures]
    ).double()


def test_the_result_says_all_that_the_numbers_depend_on(sets, tmp_path, capsys):
    result = measured(
        capsys, *sets, *FEATURES, "-m", "fid", "--resize", "clean", "--seed", 5, "-o", tmp_path / "r.json"
    )
    assert json.loads((tmp_path / "r.json").read_text()) == result
    fid = result["metrics"]["fid_random"]
    assert fid["n"] == {"real": COUNT, "fake": COUNT} and fid["better"] == "lower"
    extractor = fid["extractor"]
    assert (extractor["network"], extractor["weights"], extractor["seed"]) == (NETWORK, "random", 5)
    assert (extractor["resize"], extractor["size"], extractor["width"]) == ("clean", 160, 96)
    assert (result["seed"], result["device"]) == (5, "cpu")
    assert result["versions"]["torch"] == str(torch.__version__) and result["versions"]["sketchkit"]
    assert datetime.fromisoformat(result["time"]).tzinfo is not None
    assert result["real"]["path"] == str(sets[0]) and result["fake"]["sizes"] == {"40x40": COUNT}
    digests = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in sets[0].iterdir())
    assert result["real"]["fingerprint"] == hashlib.sha256("".join(digests).encode()).hexdigest()
    assert result["left_out"] == {"unpaired": [], "unusable": []} and result["generator"] is None
    assert any(note.startswith("fid_random") and "random weights" in note for note in result["notes"])


def test_without_a_metric_everything_is_measured_whose_weights_are_there(sets, tmp_path, alexnet, capsys):
    call(*sets, "--json")
    captured = capsys.readouterr()
    assert {*json.loads(captured.out)["metrics"]} == {"l1", "psnr", "ssim", "colorfulness", "checkerboard"}
    fid, lpips = captured.err.splitlines()
    assert fid.startswith("fid is left out: inception_fid needs pt_inception-2015-12-05-6726825d.pth")
    assert lpips.startswith("lpips is left out: alexnet needs alexnet-owt-7be5be79.pth")
    call(*sets, "--json", "--weights", f"alexnet={alexnet}")
    assert "lpips" in json.loads(capsys.readouterr().out)["metrics"]
    (sets[0] / "00.png").unlink()
    call(*sets, "--json")
    captured = capsys.readouterr()
    assert {*json.loads(captured.out)["metrics"]} == {"colorfulness", "checkerboard"}
    assert captured.err.startswith("l1, lpips, psnr, ssim are left out: these are no pairs, name by name")


def test_pictures_against_themselves(sets, capsys):
    words = [sets[0], sets[0], *FEATURES]
    for name in ("fid", "lpips", "psnr", "l1", "ssim", "colorfulness"):
        words += ["-m", name]
    result = measured(capsys, *words)
    assert 0 <= value(result, "fid_random") < 1e-6
    assert value(result, "lpips_random") == value(result, "l1") == value(result, "colorfulness") == 0
    assert value(result, "psnr") == "inf"
    assert value(result, "ssim") == pytest.approx(1, abs=1e-12)
    call(*words)
    assert re.search(r"^psnr +inf ", capsys.readouterr().out, re.M)


def test_numbers_do_not_depend_on_workers_order_or_what_is_kept(sets, tmp_path, capsys):
    words = [*FEATURES, "-m", "fid", "-m", "psnr", "--json"]
    lists = []
    for folder in sets:
        files = [file.relative_to(tmp_path).as_posix() for file in sorted(folder.iterdir())]
        lists.append(tmp_path / f"{folder.name}.txt")
        lists[-1].write_text("\n".join([*files[3:], "", *files[:3]]))
    calls = [[*sets, "--workers", n, "--no-cache"] for n in (0, 2)] + [[*lists, "--no-cache"], [*sets], [*sets]]
    results = []
    for one in calls:
        call(*one, *words)
        results.append(json.loads(capsys.readouterr().out))
    scores = [{name: value(result, name) for name in result["metrics"]} for result in results]
    assert scores == [scores[0]] * len(scores)
    assert [result["pictures_looked_at"] for result in results] == [2 * COUNT] * 4 + [0]


def test_distances_of_sets_are_the_same_the_other_way_round(sets, capsys):
    there, back = (measured(capsys, *pair, *FEATURES, "-m", "fid") for pair in (sets, sets[::-1]))
    for name in ("fid_random", "kid_random"):
        assert value(there, name) == pytest.approx(value(back, name), rel=1e-9, abs=1e-12)
        assert abs(value(there, name)) > 1e-7


def test_only_what_is_new_is_looked_at(sets, capsys):
    words = [*sets, "-m", "l1", "-m", "colorfulness"]
    measured(capsys, *words)
    write_image(sets[1] / "02.png", read_image(sets[0] / "02.png"))
    (sets[1] / "03.png").touch()
    fresh = measured(capsys, *words, "--no-cache")
    again = measured(capsys, *words)
    # The changed picture, and the one it is a pair with.
    assert (fresh["pictures_looked_at"], again["pictures_looked_at"]) == (2 * COUNT, 2)
    assert fresh["metrics"] == again["metrics"]


def test_damaged_files_are_all_named_or_left_out(sets, capsys):
    cut, empty = sets[1] / "01.png", sets[1] / "extra.jpg"
    cut.write_bytes(cut.read_bytes()[:200])
    empty.write_bytes(b"")
    line = failed(capsys, *sets, "-m", "l1", "-m", "colorfulness", code=1)
    assert "2 pictures cannot be used" in line and str(cut) in line and str(empty) in line
    assert "--on-error skip" in line
    result = measured(capsys, *sets, "-m", "l1", "-m", "colorfulness", "--on-error", "skip")
    assert set(result["fake"]["unreadable"]) == {str(cut), str(empty)} and result["fake"]["n"] == 5
    assert result["left_out"]["unpaired"] == ["01"]
    assert result["metrics"]["l1"]["n"] == {"pair": 5}
    assert result["metrics"]["colorfulness"]["n"] == {"real": 6, "fake": 5}
    assert f"2 files in {sets[1]} could not be read and are left out" in result["notes"]
    for file in sets[1].iterdir():
        file.write_bytes(b"")
    assert "none of the 7 pictures" in failed(capsys, *sets, "-m", "l1", "--on-error", "skip", code=1)


def test_pictures_that_no_network_can_see_are_named_or_left_out(sets, capsys):
    for folder in sets:
        write_pictures(folder, 3, count=1, size=20)
    words = [*sets, "-m", "lpips", "--allow-random-weights"]
    line = failed(capsys, *words, code=1)
    assert str(sets[0] / "00.png") in line and "32x32 or more and got 20x20" in line and "--on-error skip" in line
    result = measured(capsys, *words, "--on-error", "skip")
    assert result["metrics"]["lpips_random"]["n"] == {"pair": 5}
    (reason,) = result["left_out"]["unusable"]
    assert str(sets[0] / "00.png") in reason and str(sets[1] / "00.png") in reason


def test_pictures_without_a_partner_are_named(sets, capsys):
    (sets[1] / "05.png").rename(sets[1] / "other.png")
    words = [*sets, *FEATURES, "-m", "psnr", "-m", "fid"]
    line = failed(capsys, *words, code=1)
    assert f"1 in {sets[1]} have none (other)" in line and f"1 in {sets[0]} have none (05)" in line
    result = measured(capsys, *words, "--on-error", "skip")
    assert sorted(result["left_out"]["unpaired"]) == ["05", "other"]
    assert result["metrics"]["psnr"]["n"] == {"pair": 5}
    assert "2 unpaired left out, first: other" in result["notes"]
    # They still are of their sets.
    assert result["metrics"]["fid_random"]["n"] == {"real": 6, "fake": 6}
    assert measured(capsys, *words[:-4], "-m", "fid")["left_out"]["unpaired"] == []


def test_sizes_and_formats_that_differ_are_noted(tmp_path, capsys):
    real = write_pictures(tmp_path / "real", 0)
    fake = write_pictures(tmp_path / "fake", 1, size=48, ending="jpg")
    words = [real, fake, *FEATURES]
    notes = " | ".join(measured(capsys, *words, "-m", "fid")["notes"])
    assert "sizes differ, and that is measured too: real 40x40 (6); fake 48x48 (6)" in notes
    assert "formats differ, and that is measured too: real png (6); fake jpeg (6)" in notes
    assert "6 of 6 fakes are JPEG" in notes
    line = failed(capsys, real, fake, "-m", "psnr", code=1)
    assert "40x40 and 48x48" in line and str(real / "00.png") in line and str(fake / "00.jpg") in line


def test_several_outputs_of_a_source(sets, tmp_path, capsys):
    """With two each, their diversity is the LPIPS between them."""
    both = tmp_path / "both"
    both.mkdir()
    for number, folder in enumerate(sets, 1):
        for file in folder.iterdir():
            shutil.copy(file, both / f"{file.stem}_{number}.png")
    between = measured(capsys, *sets, "-m", "lpips", "--allow-random-weights")
    result = measured(capsys, sets[0], both, "-m", "lpips-diversity", "-m", "l1", "--allow-random-weights")
    assert value(result, "lpips-diversity_random") == pytest.approx(value(between, "lpips_random"), rel=1e-6)
    assert result["metrics"]["lpips-diversity_random"]["n"] == {"draws": COUNT}
    # Half of the outputs are the real pictures themselves.
    assert value(result, "l1") == pytest.approx(value(measured(capsys, *sets, "-m", "l1"), "l1") / 2, rel=1e-6)
    assert result["metrics"]["l1"]["n"] == {"pair": 2 * COUNT}
    assert "NAME_1, NAME_2" in failed(capsys, *sets, "-m", "lpips-diversity", "--allow-random-weights", code=1)


def test_kept_statistics_stand_for_the_pictures(sets, tmp_path, capsys):
    real, fake = sets
    kept = tmp_path / "real.npz"
    fid = [*FEATURES, "-m", "fid"]
    first = measured(capsys, real, fake, *fid, "--save-stats", kept)
    before = kept.read_bytes()
    rows = features(real).numpy()
    with np.load(kept) as content:
        assert np.allclose(content["mu"], rows.mean(0), rtol=1e-9)
        assert np.allclose(content["sigma"], np.cov(rows, rowvar=False), rtol=1e-9, atol=1e-15)
    second = measured(capsys, kept, fake, *fid)
    assert value(second, "fid_random") == pytest.approx(value(first, "fid_random"), rel=1e-9)
    assert list(second["metrics"]) == ["fid_random"] and second["real"]["n"] == COUNT
    measured(capsys, real, fake, *fid, "--save-stats", kept)
    assert kept.read_bytes() == before
    line = failed(capsys, fake, real, *fid, "--save-stats", kept, code=1)
    assert f"{kept} is of other pictures than these: delete it, or give --save-stats another name" in line
    for words in ([kept, fake], [real, fake, "--save-stats", kept]):
        line = failed(capsys, *words, *fid, "--resize", "clean", code=1)
        assert f"{kept} was taken by another protocol: resize tf and not clean; take it again" in line
    assert kept.read_bytes() == before
    line = failed(capsys, kept, fake, *FEATURES, "-m", "kid", code=2)
    assert f"kid_random needs the real pictures themselves: give their folder in place of {kept}" in line
    assert "holds some already" in failed(capsys, kept, fake, *fid, "--save-stats", tmp_path / "x.npz", code=2)
    (tmp_path / "bad.npz").write_bytes(before[:300])
    assert "bad.npz holds no statistics" in failed(capsys, tmp_path / "bad.npz", fake, *fid, code=1)


def test_a_page_to_look_at(sets, tmp_path, capsys):
    page = tmp_path / "out.html"
    call(*sets, *FEATURES, "-m", "fid", "-m", "l1", "--report", page, "-o", tmp_path / "out.json")
    out = capsys.readouterr().out
    assert f"report: {page}" in out and f"result: {tmp_path / 'out.json'}" in out
    text, result = page.read_text(), json.loads((tmp_path / "out.json").read_text())
    assert text.lower().startswith("<!doctype html>") and text.rstrip().endswith("</html>")
    for name in result["metrics"]:
        assert f"{value(result, name):.6g}" in text
    assert "the number means nothing outside tests" in text
    assert text.count("data:image/") >= 2 * COUNT
    assert not [file for file in tmp_path.iterdir() if file.suffix == ".part"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("real fake real -m l1", 2, "3 places are given: name a run, or two sets of pictures"),
        ("real fake -m l1 --split test", 2, "--split is for runs, and two sets of pictures are given"),
        ("real fake -m l1 --draws 3", 2, "--draws is for runs"),
        ("nowhere fake -m l1", 1, "nothing is at nowhere: name a folder of pictures"),
        ("real nowhere -m l1", 1, "nothing is at nowhere: name a folder of pictures"),
        ("real empty -m l1", 1, "there is no picture in empty: check the path"),
        ("empty fake -m l1", 1, "there is no picture in empty: check the path"),
        ("nowhere.npz fake -m fid --allow-random-weights", 1, "nothing is at nowhere.npz"),
        ("list.txt fake -m l1", 1, "gone.png"),
        ("real fake -m fidd", 2, "no metric is named 'fidd': did you mean 'fid'?"),
        ("real fake -m fid --weights inception", 2, "--weights inception: write NETWORK=PATH"),
        ("real fake -m fid --weights inception_fd=x.pth", 2, "did you mean 'inception_fid'?"),
        ("real fake -m fid --weights inception_fid=x.pth", 1, "no weights of inception_fid at x.pth: check the path"),
        ("real fake --metric-options nonsense", 2, "'nonsense' is not of the form METRIC.OPTION=VALUE"),
        ("real fake --metric-options kid.subset=1", 2, "no option 'subset': did you mean 'subsets'?"),
        ("real fake --metric-options kidd.subsets=1", 2, "no metric is named 'kidd': did you mean 'kid'?"),
        ("real fake -m fid --resize tff --allow-random-weights", 2, "resize='tff' is not a choice: did you mean 'tf'?"),
        ("real fake -m fid --feature-extractor x", 2, "feature_extractor='x' is not a choice: give 'inception'"),
        ("real fake -m kid --metric-options kid.subsets=abc --allow-random-weights", 2, "subsets='abc': give a whole"),
        ("real fake -m l1 --resize clean", 2, "resize=clean is an option of none of the metrics: leave it out"),
        ("real fake -m l1 --report empty", 2, "--report empty is a folder: name a file in it"),
        ("real fake -m l1 --report no/out.html", 2, "--report no/out.html: there is no folder no"),
        ("real fake -m l1 -o no/out.json", 2, "--output no/out.json: there is no folder no"),
        ("real fake -m l1 --save-stats no/x.npz", 2, "--save-stats no/x.npz: there is no folder no"),
        ("real fake -m l1 --save-stats x.npy", 2, "--save-stats x.npy: give a name that ends in .npz"),
        ("real fake -m l1 --save-stats x.npz", 2, "--save-stats keeps what fid needs: add --metric fid"),
        ("real fake -m l1 --plugin no.py", 1, "no plugin file at no.py"),
        ("nowhere -m l1", 1, "no run at nowhere: name a run folder or a checkpoint"),
        ("real -m l1", 1, "real holds no checkpoint (iter_*.pth)"),
    ],
)
def test_wrong_calls_are_one_line(sets, tmp_path, monkeypatch, capsys, words, code, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("real/00.png\ngone.png\n")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert message in failed(capsys, *words.split(), code=code)
    assert set(tmp_path.iterdir()) <= {*before, tmp_path / "sketchkit_cache"}


def test_weights_that_are_missing_are_named_with_their_source_and_every_place(sets, tmp_path, capsys):
    line = failed(capsys, *sets, "-m", "fid", code=1)
    assert "pt_inception-2015-12-05-6726825d.pth" in line and "91.2 MB" in line
    assert "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2" in line
    assert f"{tmp_path / 'sketchkit_weights'}, {tmp_path / 'torch_home/hub/checkpoints'}" in line
    assert "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/" in line


@pytest.mark.slow
def test_a_call_stopped_by_ctrl_c_goes_on(tmp_path, capsys):
    real = write_pictures(tmp_path / "real", 0, count=60, size=160)
    fake = write_pictures(tmp_path / "fake", 1, count=60, size=160)
    words = [real, fake, "-m", "lpips", "--allow-random-weights", "--device", "cpu"]
    outputs = ["-o", tmp_path / "out.json", "--report", tmp_path / "out.html"]
    before = set(tmp_path.iterdir())
    process = sketchkit("eval", *words, *outputs)
    wait_for_rows(tmp_path / "sketchkit_cache" / "rows.sqlite", process)
    # As a terminal does: the readers get it too.
    os.killpg(process.pid, signal.SIGINT)
    done = process.result(timeout=60)
    assert done.returncode == 130, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    *_, last = done.stderr.splitlines()
    assert last == "stopped; what was seen so far is kept: the same command goes on"
    assert set(tmp_path.iterdir()) == before | {tmp_path / "sketchkit_cache"}
    capsys.readouterr()
    call(*words[:-2], "--json")
    result = json.loads(capsys.readouterr().out)
    assert 0 < result["pictures_looked_at"] <= 2 * (60 - 16)
    assert result["metrics"]["lpips_random"]["n"] == {"pair": 60}


def wait_for_rows(file, process):
    """Until the first rows are kept."""
    for _ in range(3000):
        if file.is_file():
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(file)) as database:
                if database.execute("SELECT COUNT(*) FROM rows").fetchone()[0]:
                    return
        assert process.poll() is None, process.result()
        time.sleep(0.02)
    raise AssertionError("no row was kept in a minute")
