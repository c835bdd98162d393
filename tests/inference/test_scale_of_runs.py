"""By default pictures are translated at the scale of the training, and get back what that scale loses."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

import sketchkit
from sketchkit.errors import ConfigError
from sketchkit.inference import Request, Source, TrainedTranslator
from sketchkit.inference.detail import bring_to_size
from sketchkit.registry import DATASETS
from tests.small_runs import SIZE, small_run

pytestmark = pytest.mark.slow  # whole runs


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def seen_by(translator, call):
    """The pictures that the network was given."""
    seen = []
    handle = translator.networks["AtoB"].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    call()
    handle.remove()
    return seen


@pytest.mark.parametrize("kind", ["pix2pix", "recolor", "cycle", "classes"])
def test_a_picture_goes_in_as_the_validation_would_have_it(kind, runs):
    translator = TrainedTranslator(runs(kind), "cpu")
    dataset = DATASETS.build({**translator.config.val_dataloader.dataset})
    picture = noise(90, 90)
    label = translator.classes[0] if translator.draws_classes else None
    sample = dataset.pipeline({"source": tv_tensors.Image(torch.from_numpy(picture).permute(2, 0, 1))})
    entry = translator.prepare(Source(picture, label), Request(lines="as-is")).entry
    assert entry.shape[-2:] == (SIZE, SIZE) and torch.equal(entry[0], sample["source"].as_subclass(torch.Tensor))
    # A longer picture keeps its shape, where the validation's squares would not.
    assert translator.prepare(Source(noise(90, 180), label), Request()).entry.shape[-2:] == (SIZE, 2 * SIZE)


def test_the_size_asked_for_is_the_one_at_work(runs):
    translator = TrainedTranslator(runs("pix2pix"), "cpu")
    for size, expected in (("trained", (SIZE, 48)), ("native", (40, 60)), (16, (16, 24))):
        asked = Request(size=size)
        (made,) = translator.paint([translator.prepare(Source(noise(40, 60)), asked)], asked)
        assert made.size == expected and made.pictures[0].shape == (40, 60, 3)
    with pytest.raises(ConfigError, match="size='natives' is not a choice: did you mean 'native'"):
        Request(size="natives")
    with pytest.raises(ConfigError, match="has no option 'sizes': did you mean 'size'"):
        sketchkit.load(runs("pix2pix"), "cpu")(noise(40, 60), sizes=8)


def test_a_picture_may_become_a_pixel_at_work(runs):
    """torch's own way for bytes fails there, where channels come first."""
    picture = noise(40, 60)
    for size, shape in ((1, (1, 1)), (2, (2, 3))):
        entry = TrainedTranslator(runs("pix2pix"), "cpu").prepare(Source(picture), Request(size=size)).entry
        small = Image.fromarray(picture).resize(shape[::-1], Image.Resampling.BILINEAR)
        assert entry.shape[-2:] == shape
        assert np.abs(entry[0].permute(1, 2, 0).numpy().astype(int) - np.asarray(small)).max() <= 2


@pytest.mark.parametrize("asked", [{"samples": "3"}, {"seed": "a"}, {"tile": "x"}, {"fit": "no"}, {"insist": 1}])
def test_what_is_no_value_of_a_request_is_refused(asked):
    with pytest.raises(ConfigError, match=f"{next(iter(asked))}=.*: give"):
        Request(**asked)


def test_lists_are_checked_as_one_picture_is(runs):
    translate = sketchkit.load(runs("pix2pix"), "cpu")
    assert len(translate((noise(8, 8), noise(8, 9)), batch_size=2)) == 2
    for number in (0, "2", None):
        with pytest.raises(ConfigError, match=r"batch_size=.*whole number of 1 or more"):
            translate([noise(8, 8)], batch_size=number)


def test_lines_stay_sharp_where_colors_are_enlarged():
    drawing = np.full((256, 256, 3), 255, np.uint8)
    drawing[100:104], drawing[180:220, 60:120] = 0, 0
    source = torch.from_numpy(drawing).permute(2, 0, 1)
    small = torch.nn.functional.interpolate(source[None].float() / 127.5 - 1, (32, 32), mode="area")
    painted = small.minimum(torch.tensor([0.2, -0.4, 0.6]).view(1, 3, 1, 1))
    made = (bring_to_size(painted, source, "ink")[0] + 1) * 127.5
    plain = (bring_to_size(painted, source, "none")[0] + 1) * 127.5
    assert made[:, 101, 128].max() < 1 and made[:, 200, 90].max() < 1
    # Beside a line the color is the one away from it, and not the grey of the small picture's line.
    color = (torch.tensor([0.2, -0.4, 0.6]) + 1) * 127.5
    assert (made[:, 97, 128] - color).abs().max() < 15 < 40 < (plain[:, 97, 128] - color).abs().max()
    assert torch.equal(bring_to_size(painted, source[:, :32, :32], "ink"), painted)


def test_a_guided_filter_puts_edges_where_the_source_has_them():
    step = np.zeros((128, 128, 3), np.uint8)
    step[:, 67:] = 200
    source = torch.from_numpy(step).permute(2, 0, 1)
    small = torch.nn.functional.interpolate(source[None].float() / 127.5 - 1, (16, 16), mode="area")
    guided, plain = (bring_to_size(-small, source, way)[0, 0, 64] for way in ("guided", "none"))
    rises = [float((line[66] - line[67]).abs() / (line.max() - line.min())) for line in (guided, plain)]
    assert rises[0] > 0.5 > 0.3 > rises[1]


def test_the_lightness_of_a_large_picture_is_kept(runs):
    from skimage.color import rgb2lab

    translator, picture = TrainedTranslator(runs("recolor"), "cpu"), noise(70, 90)
    out = translator(picture)
    inside = ((out > 0) & (out < 255)).all(-1)
    assert np.abs(rgb2lab(out)[..., 0] - rgb2lab(picture)[..., 0])[inside].max() < 0.6


def test_tiles_are_the_whole_or_refused_or_insisted_on(runs, tmp_path):
    run = small_run(
        "pix2pix", tmp_path, "translator.test_norm=running", "translator.test_dropout=False", "backbone.num_downs=2"
    )
    picture, whole = noise(90, 130), Request(size="native")
    translate = TrainedTranslator(run, "cpu")
    expected = translate(picture, size="native")
    seen = seen_by(translate, lambda: translate(picture, size="native", tile=64))
    assert len(seen) > 2 and max(max(one.shape[-2:]) for one in seen) <= 64
    assert np.array_equal(translate(picture, size="native", tile=64), expected)
    batch = sketchkit.load(run, "cpu", test_norm="batch")
    with pytest.raises(ConfigError, match=r"statistics of the picture itself .*--size.*--tile-size.*--tile"):
        batch(picture, size="native", tile=64)
    with pytest.warns(UserWarning, match="tiles do not make the picture that the whole would be: its norms"):
        tiled = np.asarray(batch(picture, size="native", tile=64, insist=True))
    assert tiled.shape == picture.shape and whole.tile == 2048


def test_pictures_in_a_batch_are_each_their_own(runs):
    for kind in ("pix2pix", "classes"):
        translate = sketchkit.load(runs(kind), "cpu")
        labels = (translate.classes or [None] * 3)[:3]
        pictures = [noise(40, 40, 0), noise(50, 40, 1), noise(40, 40, 2)]
        together = translate(pictures, label=labels, batch_size=3, as_="array", seed=4)
        for one, picture, label in zip(together, pictures, labels, strict=True):
            alone = translate(picture, label=label, as_="array", seed=4)
            assert one.shape == picture.shape and np.abs(one.astype(int) - alone).max() <= 1


def test_several_samples_of_one_picture(runs):
    translate = sketchkit.load(runs("classes"), "cpu")
    many = translate(noise(32, 32), label=translate.classes[0], samples=3, seed=5, as_="array")
    assert len(many) == 3 and not np.array_equal(many[0], many[1])
    assert np.array_equal(many[2], translate(noise(32, 32), label=translate.classes[0], seed=7, as_="array"))
    assert translate.takes_noise and translate.directions == ("AtoB",) and len(translate.classes) == 3
    assert sketchkit.load(runs("cycle"), "cpu").directions == ("AtoB", "BtoA")
