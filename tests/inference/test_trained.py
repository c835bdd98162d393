"""A trained run called with pictures: against the translator's own validation, and against its parts."""

import json
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2lab

from sketchkit.config.load import Config
from sketchkit.config.parts import model_config
from sketchkit.data.base import collate_pictures
from sketchkit.data.image_io import read_image
from sketchkit.engine.checkpoints import read_checkpoint, write_checkpoint
from sketchkit.errors import CheckpointError, ConfigError, DataError
from sketchkit.inference import TrainedTranslator
from sketchkit.inference.request import Request, Source
from sketchkit.pretrained import feature_network as features
from sketchkit.registry import BACKBONES, DATASETS, MODELS
from tests.small_runs import SIZE, small_run

pytestmark = pytest.mark.slow

KINDS = ("classes", "pix2pix", "hints", "recolor", "cycle")


@pytest.fixture(scope="module")
def translators(runs):
    done = {}

    def get(kind):
        if kind not in done:
            done[kind] = TrainedTranslator(runs(kind), "cpu")
        return done[kind]

    return get


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def a_class(translator):
    return {"label": translator.classes[1]} if translator.classes else {}


def validated(run, *names):
    """`val_step` of the whole model, heads and losses and all, on the first validation sample."""
    content = read_checkpoint(run / "iter_3.pth")
    config = Config(json.loads(content["config"]))
    model = MODELS.build(model_config(config)).eval()
    model.load_state_dict(content["model"])
    sample = DATASETS.build(config.val_dataloader.dataset)[0]
    (shown,) = model.val_step(collate_pictures([sample]))
    pictures = [shown[name][0].clamp(-1, 1).add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy() for name in names]
    return config, sample, pictures


def levels(a, b):
    return np.abs(a.astype(int) - b.astype(int)).max()


def picture(tensor):
    return tensor.permute(1, 2, 0).contiguous().numpy()


@pytest.mark.parametrize("kind", ["pix2pix", "recolor"])
def test_a_picture_is_what_validation_shows(runs, translators, kind):
    """The pictures are of the size of the validation's, so that its Resize does nothing."""
    _, sample, (fake,) = validated(runs(kind), "fake")
    out = translators(kind)(picture(sample["source"]))
    assert out.dtype == np.uint8 and out.shape == (SIZE, SIZE, 3)
    assert levels(out, fake) <= 1 and out.std() > 0


def test_classes_and_noise_are_what_validation_shows(runs, translators):
    """The picture goes in as the file is, black on white: the run's own InvertSketch is applied to it."""
    config, sample, (fake, second) = validated(runs("classes"), "fake", "fake_alt")
    dataset = DATASETS.build(config.val_dataloader.dataset)
    sketch = read_image(dataset.pairs[0].sketch)
    translator = translators("classes")
    label = translator.classes[int(sample["label"])]
    assert label == dataset.pairs[0].category
    # Of three drawings nobody knows what the others look like.
    given = dict(name=sample["key"], lines="as-is")
    outs = [translator(sketch, label=label, seed=draw, **given) for draw in (0, 1)]
    assert levels(outs[0], fake) <= 1 and levels(outs[1], second) <= 1
    assert levels(*outs) > 1
    other = translator(sketch, label=next(c for c in translator.classes if c != label), **given)
    assert levels(other, outs[0]) > 1


def test_both_ways_are_what_validation_shows(runs, translators):
    _, sample, (there, back) = validated(runs("cycle"), "fake", "fake_A")
    translator = translators("cycle")
    assert levels(translator(picture(sample["source"])), there) <= 1
    assert levels(translator(picture(sample["target"]), direction="BtoA"), back) <= 1
    assert levels(translator(picture(sample["source"]), direction="BtoA"), there) > 1


def test_hints_are_what_validation_shows_and_change_the_picture(runs, translators):
    _, sample, (fake,) = validated(runs("hints"), "fake")
    assert sample["hint"].any()
    translator, source = translators("hints"), picture(sample["source"])
    out = translator(source, hint=sample["hint"])
    assert levels(out, fake) <= 1
    assert levels(out, translator(source)) > 1
    assert np.array_equal(translator(source), translator(source, hint=torch.zeros_like(sample["hint"])))


def test_the_average_is_used_where_there_is_one(runs, translators):
    content = read_checkpoint(runs("classes") / "iter_3.pth")
    config = Config(json.loads(content["config"]))
    sketch, name = noise(SIZE, SIZE), "a name"
    outs = {}
    for prefix in ("backbone.", "ema.module."):
        network = BACKBONES.build(config.backbone).eval()
        state = {k.removeprefix(prefix): v for k, v in content["model"].items() if k.startswith(prefix)}
        network.load_state_dict(state, strict=True)
        twin = TrainedTranslator(runs("classes"), "cpu")
        twin.networks = {"AtoB": network}
        outs[prefix] = twin(sketch, name=name, **a_class(twin))
    out = translators("classes")(sketch, name=name, **a_class(translators("classes")))
    assert np.array_equal(out, outs["ema.module."])
    assert not np.array_equal(out, outs["backbone."])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(33, 50), (17, 9), (64, 8)])
def test_any_size_in_is_the_same_size_out(translators, kind, size):
    translator = translators(kind)
    out = translator(noise(*size), **a_class(translator))
    assert out.shape == (*size, 3) and out.dtype == np.uint8
    assert np.array_equal(out, translator(noise(*size), **a_class(translator)))
    small = translator(noise(*size), size=16, **a_class(translator))
    assert small.shape == (*size, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(40, 1), (1, 40), (1, 1)])
def test_a_pixel_wide_works_or_is_one_line(translators, kind, size):
    translator = translators(kind)
    if kind != "cycle" and (kind, size) != ("hints", (1, 1)):
        assert translator(noise(*size), size="native", **a_class(translator)).shape == (*size, 3)
        return
    # Auto-Painter's innermost norm sees one place of it.
    reason = {"cycle": "needs pictures of 8x8 or more and got", "hints": "no variance .* work at a larger size"}
    with pytest.raises(DataError, match=reason[kind]) as caught:
        translator(noise(*size), size="native")
    assert "\n" not in str(caught.value)


def test_a_smaller_working_size_is_pillows_picture_made_small_and_its_result_made_large(translators):
    image, translator = noise(48, 72), translators("pix2pix")
    small = np.asarray(Image.fromarray(image).resize((24, 16), Image.Resampling.BICUBIC))
    expected = Image.fromarray(translator(small, size="native")).resize((72, 48), Image.Resampling.BICUBIC)
    out = translator(image, size=16)
    assert out.shape == (48, 72, 3) and out.std() > 10
    assert np.abs(out.astype(float) - np.asarray(expected)).mean() < 2


@pytest.mark.parametrize(("kind", "way"), [("pix2pix", Image.Resampling.BICUBIC), ("hints", Image.Resampling.BILINEAR)])
def test_the_network_sees_pillows_small_picture_by_the_runs_own_interpolation(translators, kind, way):
    image, translator, seen = noise(48, 72), translators(kind), []
    handle = translator.networks["AtoB"].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    translator(image, size=16)
    handle.remove()
    expected = np.asarray(Image.fromarray(image).resize((24, 16), way)).astype(float)
    found = (seen[0][0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(found - expected).max() <= 2.01


def test_a_hint_keeps_its_colour_at_a_smaller_working_size(translators):
    """Half-covered pixels of the small hint hold the full colour times the cover, not a darker one."""
    translator, seen = translators("hints"), []
    hint = torch.zeros(4, 64, 64, dtype=torch.uint8)
    hint[:, :, :30] = torch.tensor([255, 255, 255, 255], dtype=torch.uint8).view(4, 1, 1)
    handle = translator.networks["AtoB"].register_forward_pre_hook(
        lambda _, args, options: seen.append(options["hint"]), with_kwargs=True
    )
    translator(noise(64, 64), hint=hint, size=16)
    handle.remove()
    color, cover = seen[0][0, 0, 5], seen[0][0, 3, 5]
    assert seen[0].shape == (1, 4, 16, 16)
    assert cover[0] == pytest.approx(1) and cover[-1] == pytest.approx(0)
    assert ((cover > 0.1) & (cover < 0.9)).any()
    # White is 1 in [-1, 1], so that colour times alpha is alpha.
    assert torch.allclose(color, cover, atol=1e-6)


def test_a_thin_stroke_is_as_strong_at_a_smaller_working_size_and_what_is_broad_or_faint_is_left(translators):
    translator, hint = translators("hints"), torch.zeros(4, 64, 64, dtype=torch.uint8)
    hint[:, :32, 10:12] = 255  # half of a small pixel wide
    hint[:, 40:56, 8:30] = torch.tensor([255, 255, 255, 51], dtype=torch.uint8).view(4, 1, 1)  # a faint brush
    hint[:, 40:56, 40:60] = 255
    hint[:, 20, 50] = 255  # a speck: a sixteenth of a small pixel
    small = translator.prepare(Source(noise(64, 64), hint=hint), Request(size=16)).hint[0]
    assert small[3, 2:6].amax(1).min() > 0.95 and torch.allclose(small[0], small[3], atol=1e-6)
    assert small[3, 11:13].amax() == pytest.approx(1)
    # Bilinear, antialiased: what lies two small pixels within a broad one is as it was.
    assert small[3, 11:13, 4:6].tolist() == pytest.approx(np.full((2, 2), 0.2), abs=0.01)
    assert 0 < small[3, 4:6, 11:14].amax() < 0.3
    large = translator.prepare(Source(noise(64, 64), hint=hint), Request(size=128)).hint[0]
    assert large[3].max() == 1 and large[3, :60, 20:24].amin() > 0.5


@pytest.mark.parametrize("deep", [False, True])
def test_a_grey_picture_is_recoloured_with_its_own_lightness(translators, tmp_path, deep):
    ramp = np.linspace(60, 200, 45 * 33).reshape(45, 33)
    values = (ramp * 257).astype(np.uint16) if deep else ramp.astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "gray.png")
    image = read_image(tmp_path / "gray.png")
    assert image.shape == (45, 33, 3) and np.ptp(image.astype(int), -1).max() == 0
    out = translators("recolor")(image)
    small = translators("recolor")(image, size=16)
    for one in (out, small):
        assert one.shape == (45, 33, 3)
        inside = ((one > 0) & (one < 255)).all(-1)
        assert inside.mean() > 0.5
        assert np.abs(rgb2lab(one)[..., 0] - rgb2lab(image)[..., 0])[inside].max() < 0.6
    assert (np.ptp(out.astype(int), -1) > 3).any()


def test_hints_are_refused_where_they_do_not_fit(translators):
    with pytest.raises(DataError, match="the hint is 30x20 and the picture 32x20"):
        translators("hints")(noise(20, 32), hint=torch.zeros(4, 20, 30, dtype=torch.uint8))
    with pytest.raises(ConfigError, match="was trained without hints: train with"):
        translators("pix2pix")(noise(20, 32), hint=torch.zeros(4, 20, 32, dtype=torch.uint8))


def test_labels_and_directions_are_refused_where_there_are_none(translators):
    classes = translators("classes").classes
    with pytest.raises(ConfigError, match=f"name one of {', '.join(classes)} with --label"):
        translators("classes")(noise(32, 32))
    with pytest.raises(ConfigError, match=f"no class '{classes[0][:-1]}': did you mean '{classes[0]}'"):
        translators("classes")(noise(32, 32), label=classes[0][:-1])
    with pytest.raises(ConfigError, match="draws no classes: leave out --label apple"):
        translators("pix2pix")(noise(32, 32), label="apple")
    with pytest.raises(ConfigError, match="learnt AtoB only: leave out --direction BtoA"):
        translators("pix2pix")(noise(32, 32), direction="BtoA")


def test_a_network_without_labels_asks_for_none_though_the_data_has_classes(tmp_path):
    backbone = "backbone={'type': 'TinyBackbone'}"
    run = small_run("classes", tmp_path, backbone, "heads={'discriminator': {'type': 'TinyHead'}}")
    translator = TrainedTranslator(run, "cpu")
    assert translator.classes and translator(noise(9, 11)).shape == (9, 11, 3)


def test_a_checkpoint_is_as_good_as_its_folder(runs, translators, tmp_path):
    shutil.copy(runs("pix2pix") / "iter_3.pth", tmp_path / "any name.pth")
    out = TrainedTranslator(tmp_path / "any name.pth", "cpu")(noise(32, 32))
    assert np.array_equal(out, translators("pix2pix")(noise(32, 32)))


def test_no_pretrained_weights_are_looked_for(runs, tmp_path, monkeypatch):
    """The run's perceptual term names weights that are nowhere: only training would want them."""
    content = read_checkpoint(runs("hints") / "iter_3.pth")
    config = json.loads(content["config"])
    assert config["generator_losses"]["feature"]["type"] == "PerceptualLoss"
    config["generator_losses"]["feature"]["weights"] = "pretrained"
    write_checkpoint(tmp_path / "iter_3.pth", {**content, "config": json.dumps(config)})
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")

    def refuse(*args, **kwargs):
        raise AssertionError("a feature network is built")

    monkeypatch.setattr(features.FeatureNetwork, "__init__", refuse)
    assert TrainedTranslator(tmp_path, "cpu")(noise(16, 16)).shape == (16, 16, 3)


def test_a_run_without_validation_is_prepared_for_as_in_training(runs, translators, tmp_path):
    content = read_checkpoint(runs("classes") / "iter_3.pth")
    config = json.loads(content["config"])
    config["val_dataloader"] = None
    write_checkpoint(tmp_path / "iter_3.pth", {**content, "config": json.dumps(config)})
    translator = TrainedTranslator(tmp_path, "cpu")
    assert [type(step).__name__ for step in translator.reader.preparation.before["source"]] == ["InvertSketch"]
    out = translator(noise(32, 32), name="x", **a_class(translator))
    assert np.array_equal(out, translators("classes")(noise(32, 32), name="x", **a_class(translator)))


def test_what_is_for_use_is_taken_from_the_pipeline(runs, tmp_path):
    content = read_checkpoint(runs("pix2pix") / "iter_3.pth")
    config = json.loads(content["config"])
    config["val_dataloader"]["dataset"]["pipeline"] = [
        dict(type="InvertSketch"),
        dict(type="Resize", size=[8, 8]),
        dict(type="Only", keys=["source"], transform=[dict(type="DistanceField")]),
        dict(type="Only", keys=["source"], transform=[dict(type="DistanceField"), dict(type="Resize", size=[8, 9])]),
        dict(type="Only", keys=["target"], transform=dict(type="Grayscale")),
        dict(type="Only", keys=["source"], transform=dict(type="Grayscale", num_output_channels=3)),
        dict(type="RandomHorizontalFlip"),
        dict(type="ColorHints"),
    ]
    write_checkpoint(tmp_path / "iter_3.pth", {**content, "config": json.dumps(config)})
    preparation = TrainedTranslator(tmp_path, "cpu").reader.preparation

    def names(steps):
        return [type(step).__name__ for step in steps]

    # The last step that resizes is the one that counts.
    assert names(preparation.before["source"]) == ["InvertSketch", "DistanceField", "DistanceField"]
    assert names(preparation.after["source"]) == ["Grayscale"]
    assert preparation.scale("source", 40, 30).side == 8


def test_a_picture_of_one_channel_is_shown_grey(tmp_path):
    gray = "[{'type': 'Only', 'keys': ['target'], 'transform': {'type': 'Grayscale'}}]"
    changes = [f"{part}_dataloader.dataset.pipeline={gray}" for part in ("train", "val")]
    channels = ["backbone.out_channels=1", "heads.discriminator.image_channels=1"]
    out = TrainedTranslator(small_run("pix2pix", tmp_path, *changes, *channels), "cpu")(noise(16, 24))
    assert out.shape == (16, 24, 3) and np.ptp(out.astype(int), -1).max() == 0


def test_wrong_runs_are_one_line(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    cut = tmp_path / "iter_9.pth"
    cut.write_bytes((runs("pix2pix") / "iter_3.pth").read_bytes()[:5000])
    for path, message in (
        (tmp_path / "nowhere", "no run at .*nowhere: name a run folder or a checkpoint"),
        (tmp_path / "empty", r"holds no checkpoint \(iter_\*\.pth\)"),
        (cut, "iter_9.pth is damaged"),
        (tmp_path, "iter_9.pth is damaged"),
    ):
        with pytest.raises(CheckpointError, match=message) as caught:
            TrainedTranslator(path, "cpu")
        assert "\n" not in str(caught.value)
    for device in ("banana", "cuda:99", "meta"):
        with pytest.raises(ConfigError, match=f"device={device} cannot be used: "):
            TrainedTranslator(runs("pix2pix"), device)


def test_weights_of_another_network_are_refused(runs, tmp_path):
    content = read_checkpoint(runs("pix2pix") / "iter_3.pth")
    config = json.loads(content["config"])
    config["backbone"]["width"] = 6
    write_checkpoint(tmp_path / "iter_3.pth", {**content, "config": json.dumps(config)})
    with pytest.raises(CheckpointError, match="is of another architecture"):
        TrainedTranslator(tmp_path, "cpu")


def test_a_call_leaves_the_global_randomness_and_the_network_alone(translators):
    translator = translators("classes")
    before = {key: value.clone() for key, value in translator.model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Also one that torch may not write to, and that runs backwards.
        image = noise(32, 32)
        image.setflags(write=False)
        translator(image[::-1], **a_class(translator))
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(value, before[key]) for key, value in translator.model.state_dict().items())


THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
import sketchkit

with ThreadPoolExecutor(8) as pool:
    assert len(list(pool.map(lambda run: sketchkit.load(run, "cpu"), sys.argv[1:] * 4))) == 8
"""


def test_threads_may_load_the_first_runs_of_a_process(runs):
    words = [sys.executable, "-c", THREADS, str(runs("classes")), str(runs("recolor"))]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


RESIZE = {"type": "Resize"}


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ([{**RESIZE, "size": 0}], "Resize cannot be built"),
        ([{**RESIZE, "size": "abc"}], "Resize cannot be built: TypeError"),
        ([RESIZE], "missing 1 required positional argument: 'size'"),
        ([{**RESIZE, "size": 8, "interpolation": "lanczos"}], "interpolation='lanczos' is not a choice"),
        ([{"type": "RandomResizedCrop", "size": 8, "scale": [-1, -1]}], "RandomResizedCrop cannot be built"),
        ([{"type": "ColorHints", "zz": 1}], "ColorHints has no option 'zz'"),
        ([{"type": "Grayscale", "num_output_channels": 7}], "num_output_channels must be 1 or 3"),
    ],
)
def test_a_pipeline_that_prepares_nothing_is_said_at_once(runs, tmp_path, pipeline, message):
    content = read_checkpoint(runs("pix2pix") / "iter_3.pth")
    config = json.loads(content["config"])
    config["val_dataloader"]["dataset"]["pipeline"] = pipeline
    write_checkpoint(tmp_path / "iter_3.pth", {**content, "config": json.dumps(config)})
    with pytest.raises(CheckpointError, match=message):
        TrainedTranslator(tmp_path, "cpu")


@pytest.mark.parametrize("ratio", [10**400, float("nan"), -1, "wide"])
def test_a_half_that_is_none_is_refused(runs, tmp_path, ratio):
    content = read_checkpoint(runs("pix2pix") / "iter_3.pth")
    write_checkpoint(tmp_path / "iter_3.pth", {**content, "source_half": {"side": "left", "ratio": ratio}})
    with pytest.raises(CheckpointError, match="its 'source_half' is"):
        TrainedTranslator(tmp_path, "cpu")
