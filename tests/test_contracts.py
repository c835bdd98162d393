"""Backbones, heads, augmentations, losses and metrics hold to their contracts; a new file is tested without more."""

import inspect

import pytest
import torch
from torch import nn

from sketchkit.errors import WeightsError
from sketchkit.evaluation.metric import Setup
from sketchkit.registry import AUGMENTATIONS, BACKBONES, HEADS, LOSSES, PICTURE_METRICS, HeadOutput
from sketchkit.testing import check_augmentation, check_backbone, check_head, check_loss, check_metric
from sketchkit.translators.heads import Augmentation

SMALL = {"width": 8, "weights": None}


def build(entries, name):
    entry = entries.get(name)
    options = {key: value for key, value in SMALL.items() if key in inspect.signature(entry).parameters}
    return entries.build({"type": name, **options})


def built_in(entries):
    return [name for name in entries.names() if entries.get(name).__module__.startswith("sketchkit_plugins.")]


@pytest.mark.parametrize("name", built_in(BACKBONES))
def test_backbone(name):
    torch.manual_seed(0)
    check_backbone(build(BACKBONES, name))


@pytest.mark.parametrize("name", built_in(HEADS))
def test_head(name):
    torch.manual_seed(0)
    check_head(build(HEADS, name))


@pytest.mark.parametrize("name", built_in(AUGMENTATIONS))
def test_augmentation(name):
    # A fixed probability changes pictures from the start.
    options = [{}, {"p": 0.9}] if "p" in inspect.signature(AUGMENTATIONS.get(name)).parameters else [{}]
    for one in options:
        check_augmentation(AUGMENTATIONS.build({"type": name, **one}))


@pytest.mark.parametrize("name", built_in(LOSSES))
def test_loss(name, monkeypatch):
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    check_loss(build(LOSSES, name))


@pytest.mark.parametrize("name", built_in(PICTURE_METRICS))
def test_metric(name):
    # The Inception network, which the score of its name cannot do without, is too slow to be seen with by all.
    known = {"feature_extractor": "timm:test_resnet", "classifier": "timm:test_resnet", "classes": ["a", "b"]}
    taken = inspect.signature(PICTURE_METRICS.get(name)).parameters
    options = {} if name == "is" else {key: value for key, value in known.items() if key in taken}
    check_metric(PICTURE_METRICS.build({"type": name, **options}, setup=Setup(allow_random_weights=True)), name)


@pytest.mark.parametrize(
    "entries", [BACKBONES, HEADS, AUGMENTATIONS, LOSSES, PICTURE_METRICS], ids=lambda entries: entries.name
)
def test_every_option_has_a_default_and_every_entry_a_description(entries):
    for name in built_in(entries):
        entry = entries.get(name)
        missing = [
            p.name
            for p in inspect.signature(entry).parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        assert not missing, (name, missing)
        assert inspect.getdoc(entry)


def test_random_weights_are_never_a_default(monkeypatch, tmp_path):
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    monkeypatch.delenv("SKETCHKIT_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(WeightsError):
        LOSSES.build(dict(type="PerceptualLoss"))


class Uneven(Augmentation):
    """Shifts the image alone, or all pictures by a number that no gradient knows."""

    def __init__(self, alike):
        super().__init__()
        self.alike = alike

    def augmented(self, pictures):
        if self.alike:
            return {name: one.detach() for name, one in pictures.items()}
        return {**pictures, "image": pictures["image"].roll(1, -1)}


class BatchReader(nn.Module):
    in_channels = out_channels = 3
    size_multiple = 1

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, source):
        return torch.tanh(self.weight * source - source.mean())


class Faulty(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.forward = forward


@pytest.mark.parametrize(
    ("check", "module", "clause"),
    [
        (check_backbone, BatchReader(), "batch mates"),
        (check_head, Faulty(lambda image, source, label: image.mean((1, 2, 3))), "HeadOutput"),
        (check_head, Faulty(lambda image, source, label: HeadOutput(image.flatten(1))), "logits are"),
        (check_augmentation, Uneven(alike=False), "changed twice"),
        (check_augmentation, Uneven(alike=True), "no gradient to"),
        (check_loss, Faulty(lambda fkae: fkae), "forward names"),
        (check_loss, Faulty(lambda fake: fake.mean(1)), "scalar"),
        (check_loss, Faulty(lambda fake: fake.mean() / 0), "finite"),
    ],
)
def test_the_checks_see_what_is_broken(check, module, clause):
    with pytest.raises(AssertionError, match=clause):
        check(module)
