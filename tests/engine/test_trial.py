"""What a run would fail on is said before it begins, and without its memory."""

import json

import pytest
import torch
from torch import nn

from sketchkit.engine.checkpoints import read_checkpoint, write_checkpoint
from sketchkit.engine.describe import describe
from sketchkit.engine.train import train
from sketchkit.errors import CheckpointError, ConfigError, TrainingStopped
from sketchkit.inference.trained import TrainedTranslator
from sketchkit.registry import BACKBONES, LOSSES


@BACKBONES.register_module()
class NeedsNumbers(nn.Module):
    """One without annotations that looks at its numbers while it is built."""

    in_channels = out_channels = 3
    size_multiple = 1

    def __init__(self, scale=1):
        super().__init__()
        self.scale = float(torch.ones(1) * scale)
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, source):
        return self.scale * self.conv(source)


@LOSSES.register_module()
class Breaks(nn.Module):
    """Fails the `at`-th time."""

    def __init__(self, at: int = 1):
        super().__init__()
        self.at = at

    def forward(self, fake):
        self.at -= 1
        return fake.mean() if self.at else fake @ fake.new_zeros(7)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("backbone={'type': 'UNetGenerator', 'width': 60000}", r"backbone has .* weights: they take .* GiB"),
        ("backbone={'type': 'UNetGenerator', 'norm': 'bach'}", "backbone: norm='bach' is not a choice"),
        ("heads.discriminator={'type': 'PatchDiscriminator', 'last_kernel': 5}", "heads.discriminator.*last_kernel=5"),
        ("generator_losses.gan.mode=vanila", "generator_losses.gan: mode='vanila' is not a choice"),
        ("optim_wrapper.generator.optimizer.eps=-1", "optim_wrapper.generator.optimizer: .*Invalid epsilon"),
        ("param_scheduler={'generator': []}", "param_scheduler=.*: none for 'discriminator'"),
        ("param_scheduler=dict(type='StepLR',by_epoch=False,step_size=0.5,gamma='a')", r"param_scheduler\.gamma='a'"),
        ("custom_hooks=[dict(type='WatchdogHook',actions={'black': 'foo'})]", "custom_hooks.0: watchdog.actions"),
        ("train_dataloader.dataset.pipeline=[dict(type='RandomHorizontalFlip',p=3)]", "train_dataloader.dataset"),
        ("val_dataloader.dataset.pipeline=[dict(type='RandomHorizontalFlip',p=3)]", "val_dataloader.dataset"),
        ("param_scheduler=dict(type='StepLR',step_size=1)", "StepLR counts epochs"),
        ("val_dataloader=None", "val_dataloader=None, and there is val_evaluator"),
        ("backbone={'type': 'NeedsNumbers', 'scale': 'foo'}", "translator: NeedsNumbers cannot be built: TypeError"),
        ("generator_losses.gan.head=foo", "translator: generator_losses.gan: no head is named 'foo'"),
        ("+visualizer={'type': 'Visualizer', 'vis_backends': [{'type': 'LocalVisBackend', 'a': 3}]}", "no option 'a'"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_one_line_and_leaves_no_folder(tiny_config, tmp_path, override, line):
    with pytest.raises(ConfigError, match=line) as caught:
        train(tiny_config(override), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_network_that_needs_numbers_is_not_refused_for_it(tiny_config):
    assert describe(tiny_config("backbone={'type': 'NeedsNumbers'}", "heads={}"))["backbone"]["type"] == "NeedsNumbers"


def test_a_network_beyond_all_memory_is_not_described(tiny_config):
    with pytest.raises(ConfigError, match="GiB: make it narrower"):
        describe(tiny_config("backbone={'type': 'UNetGenerator', 'width': 60000}"))


@pytest.mark.parametrize(("at", "kind", "iteration"), [(1, ConfigError, 1), (2, TrainingStopped, 2)])
def test_what_fails_in_training_is_one_line_and_a_file(tiny_config, tmp_path, at, kind, iteration):
    config = tiny_config(f"+generator_losses.breaks={{'type': 'Breaks', 'at': {at}}}")
    with pytest.raises(kind, match=f"training failed in iteration {iteration}: RuntimeError: ") as caught:
        train(config, tmp_path / "run")
    (file,) = (tmp_path / "run").glob("*/failure.txt")
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert "in forward" in file.read_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: "[1]", "is damaged .JSON of a list and not of a dict"),
        (lambda _: "{" * 9, "is damaged .Expecting property name"),
        (lambda _: '{"a":' * 99_999 + "1" + "}" * 99_999, "is damaged .nested too deep"),
        (lambda _: 5, "is damaged: its .config. is a int and no text"),
        (lambda config: json.dumps({**config, "backbone": "foo"}), "backbone='foo': give dict"),
        (lambda config: json.dumps({**config, "backbone": None}), "backbone=None: give dict"),
        (lambda config: json.dumps({key: config[key] for key in config if key != "translator"}), "there is no transl"),
        (lambda config: json.dumps({**config, "backbone": {"type": "UNetGenerator", "width": 60000}}), "GiB"),
        (lambda config: json.dumps({**config, "backbone": {**config["backbone"], "width": "NaN"}}), "width='NaN'"),
    ],
)
def test_a_checkpoint_with_a_config_that_is_none_is_named(runs, tmp_path, change, reason):
    content = read_checkpoint(runs("classes") / "iter_3.pth")
    file = tmp_path / "iter_3.pth"
    write_checkpoint(file, {**content, "config": change(json.loads(content["config"]))})
    with pytest.raises(CheckpointError, match=f"iter_3.pth .*{reason}") as caught:
        TrainedTranslator(file, "cpu")
    assert "\n" not in str(caught.value)
