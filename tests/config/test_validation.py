"""A config that something cannot be built of is refused in a line that names the key."""

import re

import pytest

from sketchkit import registry
from sketchkit.config.load import load_config
from sketchkit.errors import ConfigError
from tests.conftest import ROOT


def load(name, *overrides):
    return load_config(ROOT / f"configs/{name}.py", overrides)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("backbone=foo", "backbone='foo': give dict(type=NAME, ...) of a backbone"),
        ("backbone.type=foo", "backbone.type='foo': no backbone is named 'foo'"),
        ("backbone={'width': 3}", "backbone={'width': 3}: it needs a type: known: BlockUNet"),
        ("backbone.type=3", "backbone.type=3: give a name"),
        ("heads=foo", "heads='foo': give a dict"),
        ("heads={'a b': None}", "heads: 'a b' is no name: give letters"),
        ("heads.discriminator.augment=foo", "augment='foo': give dict(type=NAME, ...) of an augmentation"),
        ("heads.discriminator=None", "heads.discriminator=None: give dict(type=NAME"),
        ("generator_losses.gan=foo", "generator_losses.gan='foo': give dict(type=NAME, ...) of a loss"),
        ("generator_losses.gan.weight=None", "generator_losses.gan.weight=None: give a finite number"),
        ("generator_losses.gan.mode=", "generator_losses.gan.mode='': give a word that is not empty"),
        ("optim_wrapper=foo", "optim_wrapper='foo': give a dict"),
        ("optim_wrapper.generator=foo", "optim_wrapper.generator='foo': give dict(optimizer=dict(type='Adam'"),
        ("optim_wrapper.generator.optimizer=foo", "optim_wrapper.generator={'optimizer': 'foo'}: give dict(optimizer"),
        ("optim_wrapper.generator.optimizer.lr=nan", "optim_wrapper.generator.optimizer.lr=nan: give a finite number"),
        ("optim_wrapper.generator.optimizer.lr=1e400", "optim_wrapper.generator.optimizer.lr=inf: give"),
        ("optim_wrapper.generator.optimizer.betas=[0.5]", "optimizer.betas=[0.5]: give a list of 2"),
        ("optim_wrapper.amp=bf17", "optim_wrapper.amp='bf17': give 'bf16' or 'fp16' or None"),
        ("optim_wrapper.constructor={}", "optim_wrapper.constructor={}: no"),
        ("+optim_wrapper.loss_scale=foo", "optim_wrapper.loss_scale='foo': give a finite number above 0"),
        ("param_scheduler=foo", "param_scheduler='foo': give dict(type=NAME, ...) of a parameter scheduler"),
        ("param_scheduler={}", "param_scheduler={}: give schedules, or None"),
        ("param_scheduler.0.begin=foo", "param_scheduler.0.begin='foo': give a whole number"),
        ("param_scheduler.0.by_epoch=3", "param_scheduler.0.by_epoch=3: give True or False"),
        ("train_cfg=foo", "train_cfg='foo': give dict(type=NAME, ...) of a loop"),
        ("train_cfg={'type': 'TrainLoop'}", "train_cfg: TrainLoop needs the option 'max_iters'"),
        ("train_cfg.val_begin=foo", "train_cfg.val_begin='foo': give a whole number of 0 or more"),
        ("train_dataloader=foo", "train_dataloader='foo': give a dict"),
        ("train_dataloader={}", "train_dataloader={}: it needs 'dataset'"),
        ("train_dataloader.dataset=foo", "train_dataloader.dataset='foo': give dict(type=NAME"),
        ("train_dataloader.dataset.split=5", "train_dataloader.dataset.split=5: give a word that is not empty or None"),
        ("train_dataloader.dataset.folders=[1]", "train_dataloader.dataset.folders=[1]: give a list of 2"),
        ("train_dataloader.dataset.pipeline.1.type=5", "train_dataloader.dataset.pipeline.1.type=5: give a name"),
        ("train_dataloader.dataset.pipeline.1=5", "train_dataloader.dataset.pipeline.1=5: give a dict or a function"),
        ("train_dataloader.sampler=foo", "train_dataloader.sampler='foo': give dict(type=NAME"),
        ("train_dataloader.collate_fn={}", "train_dataloader.collate_fn={}: it needs 'type'"),
        ("+train_dataloader.pin_memory=foo", "train_dataloader.pin_memory='foo': give True or False"),
        ("val_evaluator=5", "val_evaluator=5: give dict(type=NAME, ...) of a metric"),
        ("metrics=5", "metrics=5: give a list"),
        ("metrics=['fdi']", "metrics.0='fdi': no metric is named 'fdi': did you mean 'fid'"),
        ("default_hooks=foo", "default_hooks='foo': give a dict"),
        ("default_hooks.grids.samples=0", "default_hooks.grids.samples=0: give a whole number of 1 or more"),
        ("custom_hooks=foo", "custom_hooks='foo': give a list"),
        ("custom_hooks=[5]", "custom_hooks.0=5: give dict(type=NAME, ...) of a hook"),
        ("env_cfg=foo", "env_cfg='foo': give a dict"),
        ("+env_cfg.cudnn_benchmrk=True", "there is no option 'cudnn_benchmrk': did you mean 'cudnn_benchmark'"),
        ("randomness={}", "randomness={}: it needs 'seed'"),
        ("log_level=foo", "log_level='foo': give 'DEBUG' or"),
        ("seed=-1", "seed=-1: give a whole number of 0 or more"),
        ("translator.ema={'a': 1}", "translator.ema={'a': 1}: give dict(type=NAME, ...) or None"),
        ("translator.discriminator_steps=foo", "translator.discriminator_steps='foo': give a whole number of 1"),
        ("backbone.num_downs=4.5", "backbone.num_downs=4.5: give a whole number of 2 or more"),
        ("backbone.width=100000", "backbone.width=100000: give a whole number of 1 or more and at most 65,536"),
        ("backbone.dropout=foo", "backbone.dropout='foo': give a finite number of 0 or more and below 1"),
        ("backbone.in_channels=-1", "backbone.in_channels=-1: give a whole number of 1 or more"),
        ("batch_size=[2,2]", "batch_size=[2, 2]: give a whole number of 1 or more"),
        ("image_size=1000000", "image_size=1000000: give a whole number of 1 or more and at most 16,384"),
        ("data_root=5", "data_root=5: give a word that is not empty or a path"),
        ("data_root={'a': 1}", "data_root={'a': 1}: it is given as train_dataloader.dataset.data_root"),
        ("+extra={1: 2}", "extra={1: 2}: 1 is no name for a key"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_with_its_key(override, line, monkeypatch):
    monkeypatch.setattr(registry, "failed_plugins", {})
    with pytest.raises(ConfigError, match=re.escape(line)) as caught:
        load("pix2pix_facades", override)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("name", ["train_split", "val_split", "max_unreadable", "side_ratio"])
def test_a_value_is_named_where_it_is_written(name):
    with pytest.raises(ConfigError, match=f"^{name}='': give"):
        load("pix2pix_facades", f"{name}=")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("translator.layers=None", "translator.layers=None: give a list"),
        ("translator.layers=5", "translator.layers=5: give a list"),
        ("translator.flip_equivariance=foo", "translator.flip_equivariance='foo': give True or False"),
        ("generator_losses.nce.temperature=foo", "generator_losses.nce.temperature='foo': give a finite number"),
        ("folders=foo", "folders='foo': give a list of 2"),
    ],
)
def test_what_unpaired_configs_refuse(override, line):
    with pytest.raises(ConfigError, match=re.escape(line)):
        load("cut_apple2orange", override)


@pytest.mark.parametrize(
    "override",
    [
        "param_scheduler.0.begin=100",
        "param_scheduler=None",
        "param_scheduler={'generator': [], 'discriminator': []}",
        "train_split=None",
        "custom_hooks=None",
        "generator_losses.gan.head=discriminator",
        "backbone.norm=dict(type='GN',num_groups=2)",
        "metrics=['fid', {'type': 'lpips', 'net': 'vgg'}]",
        "train_dataloader.dataset.pipeline=[dict(type='RandomApply',transforms=[dict(type='Grayscale')])]",
        "+optim_wrapper.clip_grad=dict(max_norm=1.0)",
        "default_hooks.logger={'type': 'ProgressHook', 'priority': 'LOW'}",
    ],
)
def test_what_can_be_built_is_taken(override):
    assert load("pix2pix_facades", override)
