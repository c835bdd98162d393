"""What the report compares with is right, and it sees what is wrong."""

import copy
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from sketchkit.engine.checkpoints import read_checkpoint, write_checkpoint
from sketchkit.registry import BACKBONES, DATASETS, HEADS
from sketchkit.translators.pictures import IMAGES
from sketchkit.translators.preprocessing import TranslationPreprocessor
from tools.gpu import cost_training, cost_use, right_networks, right_runs, right_training, systems
from tools.gpu.counting import Ceilings, Counter, idle, unsound
from tools.gpu.host_randomness import HostRandomness
from tools.gpu.systems import build_model, precision
from tools.gpu.textbook import TextbookStep


def draws():
    x = torch.ones(4, 3, 8, 8)
    made = [torch.randn(3), torch.rand(2, 2, dtype=torch.double), torch.rand_like(x), torch.randn_like(x)]
    made += [torch.randint(9, (5,)), torch.randperm(7), F.dropout(x, 0.3), torch.empty(6).normal_(1, 2)]
    return [*made, torch.empty(6).uniform_(3, 4), torch.empty(6).bernoulli_(0.5), torch.empty(3).random_(7)]


def test_host_randomness_draws_what_a_cpu_draws():
    torch.manual_seed(0)
    plain = draws()
    torch.manual_seed(0)
    with HostRandomness():
        ours = draws()
    assert all(torch.equal(*pair) for pair in zip(plain, ours, strict=True))


def test_the_dropout_of_a_gpu_has_the_mask_of_a_cpu():
    x = torch.rand(4, 3, 8, 8)
    torch.manual_seed(0)
    plain = F.dropout(x, 0.3)
    torch.manual_seed(0)
    with HostRandomness():
        fused, kept = torch.native_dropout(x, 0.3, True)
    assert torch.allclose(fused, plain) and torch.equal(kept, plain != 0)


def test_a_draw_it_does_not_know_is_refused():
    with HostRandomness(), pytest.raises(NotImplementedError, match="multinomial"):
        torch.multinomial(torch.ones(3), 2)


@pytest.mark.parametrize("name", ["pix2pix_facades", "cyclegan_apple2orange", "recolor_simple"])
def test_the_textbook_step_is_the_same_step(name, system_of):
    more = ["backbone.dropout=0"] if name == "pix2pix_facades" else []
    ours, theirs = system_of(name, *more), system_of(name, *more)
    textbook = TextbookStep(theirs, None)
    for number in range(2):
        torch.manual_seed(number)
        values = {key: float(value) for key, value in ours.step().items()}
        torch.manual_seed(number)
        seen = textbook()
        for side in ("D", "G"):
            total = sum(values.get(f"{side}/total{end}", 0.0) for end in ("", "_BtoA"))
            assert seen[side] == pytest.approx(total, rel=1e-3 if number else 1e-5)


def test_the_counter_counts_as_pytorch_does(system_of):
    network = system_of("pix2pix_facades").model.backbone
    image = torch.rand(2, 3, 32, 32)
    with FlopCounterMode(display=False) as theirs:
        network(image).sum().backward()
    with Counter() as ours:
        network(image).sum().backward()
    assert ours.flops == theirs.get_total_flops() > 0


def test_the_counter_counts_without_gradients_too(system_of):
    network = system_of("pix2pix_facades").model.backbone.eval()
    image = torch.rand(2, 3, 32, 32)
    with FlopCounterMode(display=False) as theirs, torch.inference_mode():
        network(image)
    with Counter() as ours, torch.inference_mode():
        network(image)
    with Counter() as trained:
        network(image)
    assert ours.flops == trained.flops == theirs.get_total_flops() > 0
    assert ours.bytes == pytest.approx(trained.bytes, rel=0.1)


def test_bytes_are_those_of_inputs_and_outputs_once():
    one, other = torch.rand(10), torch.rand(10, dtype=torch.double)
    with Counter() as counter:
        (one + other).view(2, 5)
    assert counter.bytes == 40 + 80 + 80
    with Counter() as counter:
        F.conv2d(torch.rand(1, 2, 4, 4), torch.rand(3, 2, 1, 1))
    assert counter.flops == 2 * 2 * 3 * 16


def test_the_floor_is_the_slower_of_arithmetic_and_moving():
    counter = Counter()
    counter.flops, counter.bytes = 100, 30
    assert Ceilings({"fp32": 10.0}, 1.0).floor(counter, "fp32") == 30
    assert Ceilings({"fp32": 1.0}, 1.0).floor(counter, "fp32") == 100


@pytest.mark.parametrize(
    ("spans", "share"),
    [([], None), ([(0, 10)], 0), ([(0, 4), (6, 10)], 0.2), ([(0, 10), (2, 3)], 0), ([(5, 6), (0, 3), (2, 4)], 1 / 6)],
)
def test_idle_is_what_no_span_covers(spans, share):
    assert idle(spans) == (share if share is None else pytest.approx(share))


def test_precision_is_put_back():
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    with precision("fp32") as amp:
        assert amp is None and not torch.backends.cudnn.allow_tf32
    with precision("bf16") as amp:
        assert amp == "bf16" and torch.backends.cudnn.allow_tf32
    assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == before


def test_a_loss_that_differs_or_is_not_finite_is_seen():
    true = [{"G": 2.0, "D": 0.1}]
    assert right_training.difference(true, true).size == 0
    assert right_training.difference([{"G": 3.0, "D": 0.1}], true) == right_training.Difference(0.5, "G")
    assert right_training.difference([{"G": 2.0, "D": 0.3}], true).size == pytest.approx(0.2)
    for number in (math.nan, math.inf):
        odd = [{"G": number, "D": 0.1}]
        assert {right_training.difference(*pair).size for pair in ((odd, true), (true, odd), (odd, odd))} == {math.inf}
    with pytest.raises(ValueError, match="terms"):
        right_training.difference([{"G": 2.0}], true)


def test_a_difference_may_be_as_large_as_rounding_makes_it():
    true, seen, far = [{"G": 1.0}], [{"G": 1.01}], [{"G": 1.001}]
    rows = [right_training.judged("x", "fp32", (seen, true), (moved, true)) for moved in (true, far)]
    assert [row["passed"] for row in rows] == [False, True]
    assert rows[0]["of"] == "G" and rows[1]["allowed"] == pytest.approx(right_training.FACTOR * 1e-3)


@pytest.mark.parametrize("place", range(4))
def test_no_step_passes_whose_terms_are_not_finite(place):
    """Not where both are, nor where only the steps that tell what is allowed are."""
    runs = [[{"G": math.nan if which == place else 1.0}] for which in range(4)]
    for pair, moved in ((runs[:2], runs[2:]), ([runs[place]] * 2, [runs[place]] * 2)):
        row = right_training.judged("x", "fp32", pair, moved)
        assert row["passed"] is False
        json.dumps(row, allow_nan=False)


def test_a_system_whose_normalization_is_of_the_data_has_their_statistics(system_of):
    system = system_of("sketch2img_8channel_sketchy")
    dataset = DATASETS.build(system.config["train_dataloader"]["dataset"])
    pixels = np.concatenate(
        [sample["source"].flatten(1).numpy() for sample in map(dataset.__getitem__, range(len(dataset)))], 1
    )
    assert system.model.data_preprocessor.source_mean.numpy() == pytest.approx(pixels.mean(1) / 255, abs=1e-6)


def poisoned(config):
    """A model whose terms and pictures are not finite."""
    model = build_model(config)
    for parameter in model.backbone.parameters():
        torch.nn.init.constant_(parameter, math.nan)
    return model


def test_timings_say_that_what_they_timed_was_not_finite(setting, monkeypatch):
    assert unsound({"G": 1.0, "D": torch.ones(2)}) == {}
    monkeypatch.setattr(cost_training, "SYSTEMS", (("pix2pix_facades", 1),))
    monkeypatch.setattr(cost_training, "DTYPES", {"fp32": torch.float32})
    monkeypatch.setattr(cost_training, "build_model", poisoned)
    textbook, ours, _ = cost_training.measure_training(setting)
    assert textbook["note"] == "not finite: D, G"
    assert ours["note"] == "not finite: D/gan, D/total, G/gan, G/pixel, G/total"
    monkeypatch.setattr(cost_use, "TRANSLATED", ("pix2pix_facades",))
    monkeypatch.setattr(systems, "build_model", poisoned)
    assert next(cost_use.measure_translating(setting))["note"] == "not finite: picture"


def test_weights_are_moved_by_what_is_asked(system_of):
    system, other = system_of("pix2pix_facades"), system_of("pix2pix_facades")
    right_training._move(other, 1e-3)
    one, two = (torch.cat([p.detach().flatten() for p in one.model.parameters()]) for one in (system, other))
    moved = (two - one).abs()
    assert moved.max() > 0 and bool((moved <= 1.001e-3 * one.abs() + 1e-9).all())


def test_a_network_that_differs_on_the_device_is_seen(setting, monkeypatch):
    class Differs(nn.Module):
        in_channels = out_channels = 3
        size_multiple = 1
        made = 0

        def __deepcopy__(self, memo):
            Differs.made += 1
            twin = Differs()
            twin.offset = 1e-3 * (Differs.made % 2)
            return twin

        def forward(self, source):
            return source + self.offset

    monkeypatch.setitem(BACKBONES.module_dict, "Differs", Differs)
    monkeypatch.setattr(BACKBONES, "names", lambda: ["Differs", "UNetGenerator"])
    monkeypatch.setattr(HEADS, "names", lambda: [])
    rows = {row["what"]: row for row in right_networks.compare_networks(setting)}
    assert rows["Differs"]["passed"] is False and rows["UNetGenerator"]["passed"] is True


def test_states_that_differ_are_seen():
    state = {"a": torch.ones(3), "b": {"step": torch.tensor(2.0), "name": "x"}, "empty": torch.ones(0)}
    other = copy.deepcopy(state)
    assert right_runs.distance(state, other) == 0
    other["b"]["step"] += 0.5
    assert right_runs.distance(state, other) == 0.5
    assert right_runs.distance({"a": 1}, {"a": 2}) == math.inf
    with pytest.raises(ValueError, match="keys"):
        right_runs.distance({"a": 1}, {})


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("odd", [float, torch.tensor])
def test_states_that_are_not_finite_are_never_alike(number, odd):
    for names in ("ab", "ba"):
        state = {name: odd(number) if name == "a" else torch.ones(3) for name in names}
        assert not math.isfinite(right_runs.distance(state, copy.deepcopy(state)))


@pytest.mark.parametrize("image", [math.nan, math.inf])
def test_a_picture_that_is_not_finite_is_seen_before_it_is_bytes(image):
    translator = SimpleNamespace(model=SimpleNamespace(data_preprocessor=TranslationPreprocessor("centered")))
    finite = right_runs.watch_pictures(translator)
    preprocessor = translator.model.data_preprocessor
    preprocessor.to_picture(torch.zeros(1, 3, 2, 2), "target")
    for key in IMAGES:
        getattr(preprocessor, f"{key}_mean").fill_(0.5)
        getattr(preprocessor, f"{key}_scale").fill_(0.5)
    preprocessor.to_picture(torch.zeros(1, 3, 2, 2), "target")
    preprocessor.to_picture(torch.full((1, 3, 2, 2), image), "target")
    assert finite == [False, True, False]


def test_an_average_that_is_off_its_formula_is_seen(tmp_path):
    weights = [torch.tensor([float(i)]) for i in range(1, 7)]
    average = weights[0]
    for i, weight in enumerate(weights):
        if i:
            m = max(0.01, 10 / (10 + i))
            average = (1 - m) * average + m * weight
        model = {"backbone.w": weight, "ema.module.w": average}
        content = {"format": "sketchkit/1", "iter": i + 1, "config": "{}", "classes": [], "model": model}
        write_checkpoint(tmp_path / f"iter_{i + 1}.pth", content)
    assert right_runs.average_error(tmp_path, 0.01, 10) < 1e-5
    last = read_checkpoint(tmp_path / "iter_6.pth")
    last["model"]["ema.module.w"] += 0.25
    write_checkpoint(tmp_path / "iter_6.pth", last)
    assert right_runs.average_error(tmp_path, 0.01, 10) == pytest.approx(0.25, abs=1e-4)


def test_json_of_a_verdict():
    json.dumps(right_runs.verdict("x", math.inf, 1.0), allow_nan=False)
