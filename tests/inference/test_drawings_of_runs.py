"""A person's drawing is brought to the look of the training's: by the command, in Python, and not where it is none."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

import sketchkit
from sketchkit.cli import main
from sketchkit.data.image_io import write_image
from sketchkit.engine.checkpoints import read_checkpoint, write_checkpoint
from sketchkit.errors import CheckpointError, ConfigError
from sketchkit.inference import Request, Source, TrainedTranslator
from sketchkit.registry import DATASETS

pytestmark = pytest.mark.slow  # whole runs


@pytest.fixture(scope="module")
def run(runs):
    return runs("classes")


@pytest.fixture(scope="module")
def translate(run):
    return sketchkit.load(run, "cpu")


@pytest.fixture(scope="module")
def drawing(translate):
    """A sketch of the run's own data."""
    return DATASETS.build({**translate.translator.config.val_dataloader.dataset}).drawing(0)


def pixels(translate, picture, **options):
    return translate(picture, label=translate.classes[0], as_="array", **options)


def test_what_the_trainings_drawings_look_like_is_kept(run, translate):
    kept = read_checkpoint(run / "iter_3.pth")["drawings"]
    assert kept["is_dark"] is False and kept["is_gray"] is True and 0 < kept["pen"] < 0.2
    assert json.loads((run / "environment.json").read_text())["drawings"] == kept
    assert translate.translator.reader.drawings.to_dict() == kept


def test_white_on_black_and_transparent_ink_are_the_drawing(translate, drawing):
    expected = pixels(translate, drawing)
    inverted = 255 - drawing
    clear = Image.fromarray(np.dstack([np.zeros_like(drawing), 255 - drawing[..., 0]]))
    blue = np.dstack([drawing[..., 0], drawing[..., 1], np.full_like(drawing[..., 2], 255)])
    for other in (inverted, clear, blue):
        as_is = pixels(translate, other, lines="as-is").astype(int)
        read = pixels(translate, other).astype(int)
        assert np.abs(read - expected).mean() < 1
        assert np.abs(read - expected).mean() < np.abs(as_is - expected).mean() or other is clear


def test_a_small_drawing_in_a_corner_is_fitted(translate, drawing):
    corner = np.full((100, 100, 3), 255, np.uint8)
    corner[4:36, 8:40] = drawing
    small, fitted = (
        translate.translator.prepare(Source(corner, translate.classes[0]), Request(fit=fit)) for fit in (False, True)
    )

    def box(prepared):
        rows = (prepared.pixels[0] < 128).any(1).nonzero()
        return float(rows.min()) / 100, float(rows.max()) / 100

    top, bottom = box(small)
    assert bottom < 0.4
    size, (top, bottom) = bottom - top, box(fitted)
    wanted = translate.translator.reader.drawings.box
    assert abs((top + bottom) / 2 - (wanted[1] + wanted[3]) / 2) < 0.05 and bottom - top > 1.5 * size
    assert "fitted" in " ".join(fitted.notes) and "fitted" not in " ".join(small.notes)


def test_a_hint_goes_where_its_drawing_goes(runs):
    translate = sketchkit.load(runs("hints"), "cpu")
    reader = translate.translator.reader
    drawing = np.full((300, 300, 3), 255, np.uint8)
    drawing[20:60, 20:22] = drawing[20:60, 58:60] = drawing[20:22, 20:60] = drawing[58:60, 20:60] = 0
    hint = torch.zeros(4, 300, 300, dtype=torch.uint8)
    hint[:, 30:50, 30:50] = torch.tensor([255, 0, 0, 255], dtype=torch.uint8).view(4, 1, 1)
    one = reader(Source(drawing, hint=hint), None, Request(fit=True))
    assert one.notes
    rows = (one.pixels[0] < 128).any(1).nonzero().float() / 300
    strokes = (one.hint[0, 3] > 0.5).any(1).nonzero().float() / one.hint.shape[-2]
    assert rows.min() < strokes.min() < strokes.max() < rows.max()
    assert abs((strokes.max() + strokes.min()) - (rows.max() + rows.min())) < 0.1


def test_lines_over_colors_are_dark_whatever_the_ground_of_the_training(runs):
    translator = TrainedTranslator(runs("hints"), "cpu")
    drawing = np.full((300, 300, 3), 255, np.uint8)
    drawing[100:110, 40:260] = 0
    expected = translator(drawing, lines="as-is", detail="ink")
    profile = translator.reader.drawings
    translator.reader.drawings = dataclasses.replace(profile, is_dark=True)
    made = translator(255 - drawing, lines="as-is", detail="ink")
    for picture in (expected, made):
        assert picture[104, 60:240].max() < 40 < picture[200:280].mean()


def test_the_command_says_what_it_did(run, translate, drawing, tmp_path, capsys):
    def translated(*words):
        with pytest.raises(SystemExit) as end:
            main(["translate", str(run), *map(str, words), "--label", translate.classes[0], "--device", "cpu"])
        assert not end.value.code
        return capsys.readouterr().out

    write_image(tmp_path / "black.png", 255 - drawing)
    write_image(tmp_path / "clean.png", drawing)
    said = translated(tmp_path / "black.png", "-o", tmp_path / "a.png")
    assert "worked at 32 px; white lines on black were inverted" in said
    assert "inverted" not in translated(tmp_path / "black.png", "--lines", "as-is", "-o", tmp_path / "b.png")
    assert "inverted" not in translated(tmp_path / "clean.png", "-o", tmp_path / "c.png")


def test_a_run_of_no_drawings_leaves_pictures_alone(runs):
    translate = sketchkit.load(runs("pix2pix"), "cpu")
    black = np.zeros((40, 40, 3), np.uint8)
    black[10:30, 20] = 255
    source = Source(black)
    assert translate.translator.reader.drawings is None
    assert np.array_equal(translate.translator.prepare(source, Request()).pixels.permute(1, 2, 0).numpy(), black)
    with pytest.raises(ConfigError, match="was not trained on drawings, or does not begin with them here"):
        translate(black, fit=True)


@pytest.mark.parametrize("kept", [{}, [], {"pen": 1}, {"is_dark": "no"}])
def test_a_look_that_is_none_is_refused(run, tmp_path, kept):
    content = read_checkpoint(run / "iter_3.pth")
    write_checkpoint(tmp_path / "iter_3.pth", {**content, "drawings": kept})
    with pytest.raises(CheckpointError, match="its 'drawings' are none"):
        TrainedTranslator(tmp_path, "cpu")
    write_checkpoint(tmp_path / "iter_3.pth", {**content, "source_half": kept})
    with pytest.raises(CheckpointError, match="its 'source_half' is"):
        TrainedTranslator(tmp_path, "cpu")
