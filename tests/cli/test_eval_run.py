"""`sketchkit eval RUN` and `tools/test.py`: a run's pictures are made once, and judged as any others."""

import json
import runpy
import shutil
import sys

import numpy as np
import pytest
import timm
import torch

from sketchkit.data.image_io import read_image
from sketchkit.engine.checkpoints import write_checkpoint
from sketchkit.inference import TrainedTranslator
from tests.conftest import ROOT
from tests.eval_command import FEATURES, NETWORK, call, failed, measured
from tests.small_runs import BRIEF, KINDS, SIZE, small_run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_of_this_machine")]  # whole runs


@pytest.fixture
def copies(runs, tmp_path):
    """`copies(kind)`: a copy of the run of that kind, without what was made of it before."""

    def get(kind):
        shutil.copytree(runs(kind), tmp_path / kind, ignore=shutil.ignore_patterns("eval", "metrics.json"))
        return tmp_path / kind

    return get


def values(result):
    return {name: score["value"] for name, score in result["metrics"].items()}


def made(run):
    """The one folder with a run's pictures."""
    (folder,) = (run / "eval").iterdir()
    return folder


def pictures(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_a_run_is_judged_as_its_pictures_are(copies, made_alexnet, capsys):
    run = copies("pix2pix")
    names = ["fid", "lpips", "psnr", "ssim", "l1", "colorfulness", "checkerboard"]
    words = [*FEATURES, "--weights", f"alexnet={made_alexnet}", *(word for name in names for word in ("-m", name))]
    result = measured(capsys, run, *words)
    assert json.loads((run / "metrics.json").read_text()) == result
    folder = made(run)
    assert pictures(folder) == [f"{kind}/val/{name}.png" for kind in ("fake", "real") for name in ("0005", "0010")]
    sets = measured(capsys, folder / "real", folder / "fake", *words, "--no-cache")
    assert values(sets) == pytest.approx(values(result), rel=1e-12)
    assert result["pictures_looked_at"] == sets["pictures_looked_at"] == 4
    assert set(values(result)) == {*names[1:], "fid_random", "kid_random"}
    generator = result["generator"]
    assert generator["checkpoint"] == "iter_3.pth" and generator["iteration"] == 3 and generator["split"] == "val"
    assert generator["noise"] == "none" and generator["weights"] == "last"


def test_the_pictures_are_what_the_run_translates(copies, capsys):
    run = copies("pix2pix")
    measured(capsys, run, "-m", "l1")
    translator = TrainedTranslator(run, "cpu")
    data = TrainedTranslator(run, "cpu").config.val_dataloader.dataset.data_root
    for name in ("0005", "0010"):
        (file,) = (ROOT / data / "val").glob(f"{name}.*")
        pair = read_image(file)
        # direction BtoA: the right half is the source, the left one the truth.
        real, source = pair[:, : pair.shape[1] // 2], pair[:, pair.shape[1] // 2 :]
        fake = read_image(made(run) / f"fake/val/{name}.png").astype(int)
        assert np.array_equal(read_image(made(run) / f"real/val/{name}.png"), real)
        assert np.abs(fake - translator(source)).max() <= 1


def test_what_was_made_is_used_again_and_what_is_missing_made_again(copies, capsys):
    run = copies("pix2pix")
    first = measured(capsys, run, "-m", "psnr")
    times = {file: file.stat().st_mtime_ns for file in made(run).rglob("*.png")}
    again = measured(capsys, run, "-m", "psnr")
    assert again["pictures_looked_at"] == 0 and again["metrics"] == first["metrics"]
    assert {file: file.stat().st_mtime_ns for file in made(run).rglob("*.png")} == times
    lost = made(run) / "fake/val/0010.png"
    before = lost.read_bytes()
    lost.unlink()
    assert measured(capsys, run / "iter_3.pth", "-m", "psnr")["metrics"] == first["metrics"]
    assert lost.read_bytes() == before


def test_another_checkpoint_split_or_part_has_a_folder_of_its_own(copies, capsys):
    run = copies("pix2pix")
    first = measured(capsys, run, "-m", "l1")
    before = pictures(run / "eval")
    content = torch.load(run / "iter_3.pth", weights_only=True)
    for key, tensor in content["model"].items():
        if key.startswith("backbone.") and tensor.is_floating_point():
            tensor.mul_(1.5)
    write_checkpoint(run / "iter_4.pth", {**content, "iter": 4})
    second = measured(capsys, run, "-m", "l1")
    assert second["generator"]["iteration"] == 4 and values(second) != values(first)
    third = measured(capsys, run, "-m", "l1", "--split", "train")
    assert third["generator"]["split"] == "train" and values(third) != values(second)
    change = ["--config", run / "config.json", "--cfg-options", "val_dataloader.dataset.max_samples=1"]
    fourth = measured(capsys, run / "iter_3.pth", "-m", "l1", *change)
    assert fourth["metrics"]["l1"]["n"] == {"pair": 1}
    assert len(list((run / "eval").iterdir())) == 4 and set(before) <= set(pictures(run / "eval"))
    assert values(measured(capsys, run / "iter_3.pth", "-m", "l1")) == values(first)


def test_the_same_weights_in_another_network_make_pictures_of_their_own(copies, capsys):
    run = copies("cycle")
    first = measured(capsys, run, "-m", "colorfulness")
    change = ["--config", run / "config.json", "--cfg-options", "backbone.norm=None"]
    second = measured(capsys, run, "-m", "colorfulness", *change)
    assert values(second) != values(first) and len(list((run / "eval").iterdir())) == 2


def test_noise_gives_several_outputs_a_source(copies, made_alexnet, capsys):
    run = copies("classes")
    trunk = ["--weights", f"alexnet={made_alexnet}"]
    words = [*trunk, "-m", "lpips-diversity"]
    two = measured(capsys, run, *words)
    names = ["apple/n07739125_1001-1", "banana/n07753592_1001-1"]
    assert pictures(made(run)) == [f"{kind}/{name}.png" for kind in ("fake", "fake_2", "real") for name in names]
    between = measured(capsys, made(run) / "fake", made(run) / "fake_2", *trunk, "-m", "lpips")
    assert values(two)["lpips-diversity"] == pytest.approx(values(between)["lpips"], rel=1e-6)
    assert values(two)["lpips-diversity"] > 0 and two["generator"]["draws"] == 2
    kept = {name: (made(run) / name).read_bytes() for name in pictures(made(run))}
    three = measured(capsys, run, *words, "--draws", 3)
    assert len(pictures(made(run))) == 8 and three["generator"]["draws"] == 3
    assert all((made(run) / name).read_bytes() == content for name, content in kept.items())
    fakes = [made(run) / f"fake{end}" for end in ("", "_2", "_3")]
    pairs = [(fakes[i], fakes[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    distances = [measured(capsys, *pair, *trunk, "-m", "lpips") for pair in pairs]
    expected = np.mean([values(one)["lpips"] for one in distances])
    assert values(three)["lpips-diversity"] == pytest.approx(expected, rel=1e-6)
    assert three["generator"]["weights"] == "average" and "sample's name" in three["generator"]["noise"]
    for one, more in ((copies("pix2pix"), ()), (run, ("--draws", 1))):
        line = failed(capsys, one, *words, *more, code=2)
        assert (
            "lpips-diversity needs several outputs a source: this run takes no noise and drops nothing, or --draws is 1"
            in line
        )


def test_a_classifier_is_asked_for_the_class_of_each_output(copies, tmp_path, capsys):
    run = copies("classes")
    torch.manual_seed(0)
    network = timm.create_model(NETWORK.removeprefix("timm:"), num_classes=3).eval()
    # It always says banana, which one of the two outputs is.
    torch.nn.init.zeros_(network.fc.weight)
    network.fc.bias.data = torch.tensor([0.0, 1.0, 0.0])
    torch.save(network.state_dict(), tmp_path / "classifier.pth")
    (tmp_path / "classes.txt").write_text("\n".join(TrainedTranslator(run, "cpu").classes))
    options = {"classifier": f"{NETWORK}|{tmp_path / 'classifier.pth'}", "classes": tmp_path / "classes.txt"}
    words = [word for key, value in options.items() for word in ("--metric-options", f"classification.{key}={value}")]
    result = measured(capsys, run, *words)
    assert values(result) == {"classification": 0.5}
    assert result["metrics"]["classification"]["n"] == {"fake": 2}
    line = failed(capsys, run, "-m", "classification", code=2)
    assert "--metric-options classification.classifier=timm:NAME|PATH" in line


def test_unpaired_pictures_are_judged_as_sets(copies, capsys):
    run = copies("cycle")
    for name in ("lpips", "psnr"):
        line = failed(capsys, run, "-m", name, "--allow-random-weights", code=2)
        assert name in line and "compares pairs, and this run learnt from unpaired pictures: leave it out" in line
    all_of_it = ["--config", run / "config.json", "--cfg-options", "val_dataloader.dataset.max_samples=None"]
    result = measured(capsys, run, *FEATURES, "-m", "fid", "-m", "colorfulness", "--split", "train", *all_of_it)
    # Five sources meet six targets, so that one source is translated twice: each counts once.
    assert result["metrics"]["fid_random"]["n"] == {"real": 6, "fake": 5}
    folder = made(run)
    assert [len(pictures(folder / kind)) for kind in ("real", "fake")] == [6, 5]
    sets = measured(capsys, folder / "real", folder / "fake", *FEATURES, "-m", "fid", "-m", "colorfulness")
    assert values(sets) == pytest.approx(values(result), rel=1e-12)
    assert {*values(measured(capsys, run))} == {"colorfulness", "checkerboard"}


def test_unpaired_pictures_of_a_network_with_noise(tmp_path, capsys):
    run = small_run("cycle", tmp_path, "backbone={'type': 'TinyBackbone'}")
    result = measured(capsys, run, "-m", "colorfulness")
    assert result["generator"]["draws"] == 1 and result["generator"]["noise"].startswith("standard normal")
    words = [run, "-m", "lpips-diversity", "--allow-random-weights"]
    assert "needs several outputs a source" in failed(capsys, *words, code=2)


def test_a_run_that_recolours(copies, capsys):
    run = copies("recolor")
    result = measured(capsys, run, "-m", "l1", "-m", "psnr", "-m", "colorfulness")
    # What its config names for this, which training has not seen.
    assert result["generator"]["split"] == "test"
    sets = measured(capsys, made(run) / "real", made(run) / "fake", "-m", "l1", "-m", "psnr", "-m", "colorfulness")
    assert values(sets) == pytest.approx(values(result), rel=1e-12)
    assert result["metrics"]["l1"]["n"] == {"pair": 1}
    assert "fid_random needs 2 pictures or more, and there are 1" in failed(capsys, run, *FEATURES, "-m", "fid", code=1)


def test_data_that_have_moved(copies, tmp_path, capsys):
    run = copies("pix2pix")
    first = measured(capsys, run, "-m", "l1")
    there = TrainedTranslator(run, "cpu").config.data_root
    shutil.copytree(there, tmp_path / "moved")
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config).replace(there, "gone"))
    gone = ["--config", run / "config.json"]
    line = failed(capsys, run, "-m", "l1", *gone, code=1)
    assert f"the data of {run / 'iter_3.pth'} are not at gone: say where with --data PATH" in line
    second = measured(capsys, run, "-m", "l1", *gone, "--data", tmp_path / "moved")
    assert second["metrics"] == first["metrics"]


def test_damaged_data_are_named_or_left_out(copies, tmp_path, capsys):
    run = copies("pix2pix")
    shutil.copytree(TrainedTranslator(run, "cpu").config.data_root, tmp_path / "data")
    (bad,) = (tmp_path / "data/val").glob("0010.*")
    bad.write_bytes(bad.read_bytes()[:100])
    words = [run, "-m", "l1", "--data", tmp_path / "data"]
    with pytest.warns(UserWarning, match="the next sample takes its place"):
        assert str(bad) in failed(capsys, *words, code=1)
    with pytest.warns(UserWarning, match="the next sample takes its place"):
        result = measured(capsys, *words, "--on-error", "skip")
    assert result["metrics"]["l1"]["n"] == {"pair": 1}
    assert result["left_out"]["unusable"] == [f"{bad} cannot be used"]
    assert f"1 unusable left out, first: {bad} cannot be used" in result["notes"]


def test_wrong_calls_are_one_line(copies, tmp_path, capsys):
    run = copies("pix2pix")
    assert "has no folder vall: did you mean 'val'?" in failed(capsys, run, "-m", "l1", "--split", "vall", code=1)
    assert "are not at nowhere: check --data" in failed(capsys, run, "-m", "l1", "--data", "nowhere", code=1)
    assert "--cfg-options changes the config" in failed(capsys, run, "--cfg-options", "a=1", code=2)
    assert "no config at no.py" in failed(capsys, run, "--config", "no.py", code=2)
    assert "no metric is named 'psnrr'" in failed(capsys, run, "-m", "psnrr", code=2)
    line = failed(capsys, run, "-m", "classification", "--allow-random-weights", code=2)
    assert "classification needs a classifier" in line
    assert not (run / "eval").exists() and not (run / "metrics.json").exists()
    checkpoint = run / "iter_3.pth"
    checkpoint.write_bytes(checkpoint.read_bytes()[:2000])
    assert "iter_3.pth is damaged" in failed(capsys, run, "-m", "l1", code=1)
    checkpoint.unlink()
    assert f"{run} holds no checkpoint (iter_*.pth)" in failed(capsys, run, "-m", "l1", code=1)


def test_a_report_of_a_run(copies, tmp_path, capsys):
    run = copies("classes")
    call(run, "-m", "l1", "--report", tmp_path / "page.html")
    out = capsys.readouterr().out
    assert f"report: {tmp_path / 'page.html'}" in out and f"result: {run / 'metrics.json'}" in out
    page = (tmp_path / "page.html").read_text()
    result = json.loads((run / "metrics.json").read_text())
    assert f"{values(result)['l1']:.6g}" in page and "iter_3.pth" in page and page.count("data:image/") >= 4


def tool(monkeypatch, *words, code=0):
    """`python tools/test.py WORDS`."""
    monkeypatch.setattr(sys, "argv", ["tools/test.py", *map(str, words)])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools/test.py"), run_name="__main__")
    assert (end.value.code or 0) == code


def test_the_tool_measures_what_the_command_measures(copies, monkeypatch, capsys):
    run = copies("pix2pix")
    words = [*FEATURES, "-m", "fid", "-m", "psnr", "--workers", 0, "--device", "cpu", "--json"]
    expected = measured(capsys, run, *words[:-3])
    tool(monkeypatch, run / "config.json", run / "iter_3.pth", *words)
    assert json.loads(capsys.readouterr().out)["metrics"] == expected["metrics"]
    data = TrainedTranslator(run, "cpu").config.data_root
    name, _, overrides = KINDS["pix2pix"]
    changes = [f"data_root={data}", f"image_size={SIZE}", *BRIEF, *overrides]
    settings = [word for change in changes for word in ("--cfg-options", change)]
    tool(monkeypatch, ROOT / f"configs/{name}.py", run / "iter_3.pth", *words, *settings)
    again = json.loads(capsys.readouterr().out)
    assert again["metrics"] == expected["metrics"] and again["pictures_looked_at"] == 0
    # The same network and data: what was made for the command served the tool.
    made(run)


def test_the_tool_called_wrongly(copies, monkeypatch, capsys):
    for words in ([], ["config.py"], ["--offline", "config.py", "iter_3.pth"]):
        tool(monkeypatch, *words, code=2)
        captured = capsys.readouterr()
        assert captured.err.startswith("usage: test.py CONFIG CHECKPOINT")
    tool(monkeypatch, "no.py", copies("pix2pix") / "iter_3.pth", code=2)
    assert capsys.readouterr().err.startswith("error: no config at no.py")
    tool(monkeypatch, ROOT / "configs/pix2pix_facades.py", "nowhere.pth", code=1)
    assert capsys.readouterr().err == "error: no run at nowhere.pth: name a run folder or a checkpoint\n"
