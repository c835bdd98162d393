"""Shipped configs with one value exchanged for another, and what becomes of each."""

import copy
import random
import warnings

import numpy as np

from sketchkit.config.load import apply_override, read_config, resolve
from sketchkit.config.validation import validate
from sketchkit.engine.loop import TrainLoop
from sketchkit.engine.train import train
from sketchkit.errors import SketchkitError
from sketchkit.inference.painting import paint
from tests.conftest import ROOT
from tools.gpu.systems import system_options, trained_configs

NAN, INF = float("nan"), float("inf")
VALUES = [
    "foo", "", "1", "a b", "\u00b2.", "$seed", None, True, False, NAN, INF, -INF, -1, 0, 1, 3, 10**6, 10**18, 10**40,
    -0.5, 1e-3, 0.5, 1e30, [], [2, 2], ["foo"], [None], {}, {"a": 1}, {1: 2}, {"type": "foo"}, {"type": "Adam"},
]  # fmt: skip
ONE_STEP = ["train_cfg.max_iters=4", "train_cfg.val_interval=1", "val_dataloader.dataset.max_samples=2",
            "default_hooks.grids.samples=2", "batch_size=2"]  # fmt: skip
AUGMENTED = "heads.discriminator.augment=dict(type='ADA',pipeline=['blit'],p=0.5)"
PAINTED = ["translator.network=squeezenet1_1", "translator.weights=None", "translator.iterations=1",
           "translator.pyramid=None", "generator_losses.content.layers=(3,)", "generator_losses.style.layers=(1,3)",
           "generator_losses.style.layer_weights=None"]  # fmt: skip


def bases(setting):
    """name -> a shipped config, small and on a sample set, before its `$name`s are resolved."""
    trained = {name: [*system_options(name, setting), *ONE_STEP] for name in trained_configs()}
    trained["pix2pix_facades"].append(AUGMENTED)
    painted = {path.stem: PAINTED for path in (ROOT / "configs").glob("style_*.py")}
    return {name: changed(read_config(name), options) for name, options in sorted({**trained, **painted}.items())}


def changed(config, overrides):
    config = copy.deepcopy(config)
    for override in overrides:
        apply_override(config, override)
    return config


def keys_of(value, key=""):
    """Every section and leaf."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        whole = f"{key}.{name}".lstrip(".")
        yield whole
        yield from keys_of(item, whole)


def mutations(configs, seed, count):
    """`count` of (name, key, value), each key of each config about as often as any other."""
    places = [(name, key) for name, config in configs.items() for key in keys_of(config.to_dict())]
    chance = random.Random(seed)
    chance.shuffle(places)
    return [(*places[i % len(places)], chance.choice(VALUES)) for i in range(count)]


def resolved(config, key, value):
    """The config with the value at the key, as `load_config` makes it."""
    references = {}
    config = resolve(changed(config, [(key, value)]), references)
    validate(config.to_dict(), references)
    return config


def refusal(act):
    """The line by which the act is refused; None: it is not.

    Raises:
        AssertionError: of more lines than one, or without words.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            act()
    except SketchkitError as error:
        assert "\n" not in str(error) and 0 < len(str(error)) < 2000, error
        return str(error)


def use(config, folder):
    """One iteration of what a config describes."""
    if "train_dataloader" in config:
        with OneIteration():
            train(config, folder)
    else:
        picture = np.full((64, 64, 3), 100, np.uint8)
        for _ in paint(config, picture, [picture], size=64):
            break


class OneIteration:
    """Within the block a training ends after its first iteration, whatever it was asked for."""

    def __enter__(self):
        self.own = TrainLoop.run_iter

        def run_iter(loop, batch):
            self.own(loop, batch)
            loop.stop_training = True

        TrainLoop.run_iter = run_iter

    def __exit__(self, *_):
        TrainLoop.run_iter = self.own
