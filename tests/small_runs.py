"""Runs of three iterations of every kind, for tests of what is done with a trained run."""

from sketchkit.config.load import load_config
from sketchkit.data.sample import write_sample, write_sketchy_sample
from sketchkit.engine.train import train
from tests.conftest import ROOT

SIZE = 32
BRIEF = [
    "num_workers=0",
    "batch_size=2",
    "train_cfg.max_iters=3",
    "train_cfg.val_interval=3",
    "default_hooks.grids.interval=1000",
    "val_dataloader.dataset.max_samples=2",
    "optim_wrapper.generator.optimizer.lr=1e-2",
]
EMA = "translator.ema={'type': 'MomentumAnnealingEMA', 'momentum': 0.01, 'gamma': 10}"
# The usual gain would need more iterations than these before a network says anything.
UNET = [
    "load_size=32",
    "backbone.num_downs=3",
    "backbone.width=4",
    "backbone.init_gain=0.3",
    "heads.discriminator.width=4",
    "max_samples=8",
]
RESNET = [
    "load_size=32",
    "backbone.width=4",
    "backbone.num_blocks=1",
    "heads.discriminator.width=4",
    "heads.discriminator.num_layers=2",
]
MRU = "'image_size': 32, 'num_classes': 3, 'width': 4}"
# name -> config, sample set, overrides
KINDS = {
    "classes": (
        "../tests/configs/sketchygan_narrow",
        "sketchy",
        [
            "categories=3",
            "optim_wrapper.generator.optimizer.lr=0.1",
            EMA,
            "backbone={'type': 'MRUGenerator', " + MRU,
            "heads={'discriminator': {'type': 'MRUDiscriminator', " + MRU + "}",
        ],
    ),
    "pix2pix": ("pix2pix_facades", "pairs", ["val_split=val", *UNET]),
    # Networks of a caller's own plugin.
    "plugin": ("pix2pix_facades", "pairs", ["val_split=val", "load_size=32", "max_samples=8"]),
    "hints": (
        "autopainter_anime_hints",
        "pairs",
        [*UNET, "heads.discriminator.num_layers=2", "generator_losses.feature.weights=None"],
    ),
    "recolor": (
        "recolor_normal",
        "color",
        [
            "backbone.encoder=[[8, 8], [8, 8], [8, 8, 8]]",
            "backbone.decoder=[[8, 8], [8]]",
            "heads.discriminator.channels=[4, 4, 4, 4, 4]",
            "max_samples=8",
            "split_ratios=[0.7, 0.25, 0.05]",
        ],
    ),
    "cycle": (
        "cyclegan_apple2orange",
        "unpaired",
        [
            *RESNET,
            "+translator.reverse={'weights': {'cycle': 5.0}}",
        ],
    ),
    "cut": (
        "cut_apple2orange",
        "unpaired",
        [
            *RESNET,
            "translator.layers=['input', 'down_1', 'block_1']",
            "translator.num_patches=16",
        ],
    ),
}


def small_run(kind, folder, *more, plugin_files=(), resume=False):
    """Train a run of `kind` in `folder`/run, on a sample set in `folder`/data that is made when missing; its folder."""
    name, data, overrides = KINDS[kind]
    if data == "sketchy":
        write_sketchy_sample(folder / "data", photos_per_class=2, sketches_per_photo=1, size=SIZE)
    else:
        write_sample(data, folder / "data", photos_per_class=1, size=SIZE)
    changes = [f"data_root={folder / 'data'}", f"image_size={SIZE}", *BRIEF, *overrides, *more]
    return train(load_config(ROOT / f"configs/{name}.py", changes, plugin_files), folder / "run", resume)
