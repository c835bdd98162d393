"""Shipped configs as a training run has them: translator, optimisers and a batch of the sample pictures."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import Tensor

from sketchkit.config.load import load_config, read_config
from sketchkit.config.parts import model_config
from sketchkit.data.base import collate_pictures
from sketchkit.data.sample import write_sample, write_sketchy_sample
from sketchkit.engine.loop import take_statistics
from sketchkit.engine.runner import on_device
from sketchkit.options import options_of
from sketchkit.registry import BACKBONES, DATASETS, HEADS, MODELS, SCOPE
from tools.gpu.steps import Row, Setting, rows_of_each

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("sketchy", "pairs", "unpaired", "color")
WIDTH = 4
SMALL = {
    "sketch": ["categories=2", "image_size=16"],
    "autopainter": ["image_size=48", "backbone.num_downs=4"],
    "pix2pix": ["image_size=32", "backbone.num_downs=4"],
    "cyclegan": ["image_size=32", "backbone.num_blocks=1"],
    "cut": ["image_size=32", "backbone.num_blocks=5"],
    "fastcut": ["image_size=32", "backbone.num_blocks=5"],
    "recolor": ["image_size=32"],
    "recolor_simple": ["backbone.encoder=[[4,4,4],[8,8,8]]", "backbone.decoder=[[4,4]]"],
    "recolor_normal": [
        "heads.discriminator.channels=[4,4,4,4,4]",
        "backbone.encoder=[[4,4],[8,8],[8,8,8]]",
        "backbone.decoder=[[8,4],[4]]",
    ],
    "recolor_wgan": [
        "heads.discriminator.channels=[4,4,4,4,4]",
        "backbone.encoder=[[4,4],[8,8],[8,8,8]]",
        "backbone.decoder=[[8,4],[4]]",
    ],
    "recolor_complex": ["backbone.num_downs=4"],
}


def trained_configs() -> list[str]:
    """The shipped configs that train something, by name."""
    paths = sorted((ROOT / "configs").glob("*.py"))
    return [path.stem for path in paths if read_config(path).get("train_dataloader")]


def small_options(name: str, width: int = WIDTH) -> list[str]:
    """Overrides that make a config's networks narrow and its pictures small."""
    config = read_config(ROOT / f"configs/{name}.py")
    parts = {"backbone": (BACKBONES, config.backbone)}
    parts.update({f"heads.{head}": (HEADS, cfg) for head, cfg in config.heads.items()})
    narrow = [f"{key}.width={width}" for key, (entries, cfg) in parts.items() if _takes_width(entries, cfg)]
    return [*narrow, *(option for start, options in SMALL.items() if name.startswith(start) for option in options)]


def draw_samples(setting: Setting) -> Iterator[Row]:
    """Draw a sample set of every kind."""
    return rows_of_each(_draw_sample, KINDS, setting)


def _draw_sample(kind: str, setting: Setting) -> list[Row]:
    size, folder = 48 if setting.tiny else 256, setting.folder / kind
    if kind == "sketchy":
        write_sketchy_sample(folder, photos_per_class=3, sketches_per_photo=1, size=min(size, 64))
    else:
        write_sample(kind, folder, photos_per_class=1 if setting.tiny else 4, size=size)
    return [{"what": f"sample set '{kind}'", "pictures": sum(1 for _ in folder.rglob("*.[jp]*g"))}]


def system_config(name: str, setting: Setting, *more: str) -> Config:
    """A shipped config on its sample set; terms that need pretrained weights have random ones."""
    return load_config(ROOT / f"configs/{name}.py", [*system_options(name, setting), *more])


def system_options(name: str, setting: Setting) -> list[str]:
    """What `system_config` changes of a shipped config."""
    config = read_config(ROOT / f"configs/{name}.py")
    dataset: Any = DATASETS.get(config.train_dataloader.dataset.type)
    kind = dataset.kind
    options = [f"data_root={setting.folder / kind}", "num_workers=0"]
    options += ["categories=13"] if kind == "sketchy" else []
    options += ["val_split=val"] if kind == "pairs" else []
    options += ["split_ratios=[0.7,0.25,0.05]"] if kind == "color" else []
    # Of a batch as small as these a part would be a single picture, which batch norm cannot train on.
    options += ["translator.accumulate=1"] if "accumulate" in config.translator else []
    for term, cfg in config.generator_losses.items():
        if cfg and "network" in cfg:
            options.append(f"generator_losses.{term}.weights=None")
            small = ["network=squeezenet1_1", "layers=[3]", "resize=None"] if setting.tiny else []
            options += [f"generator_losses.{term}.{option}" for option in small]
    return [*options, *(small_options(name) if setting.tiny else [])]


@dataclass
class System:
    """What a training step needs."""

    config: Config
    model: Any
    wrappers: OptimWrapperDict
    batch: dict[str, Any]

    @property
    def title(self) -> str:
        """The config with the size of its pictures and batch."""
        count, _, height, width = self.batch["target"].shape
        return f"{Path(str(self.config.filename)).stem}, {height}x{width}, batch {count}"

    def step(self) -> dict[str, Tensor]:
        """One training step on the batch; the values of its terms."""
        self.model.train()
        return self.model.train_step(self.batch, optim_wrapper=self.wrappers)


def build_model(config: Config) -> Any:
    """The translator of a config on the CPU, with the same weights at each call."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        return MODELS.build(model_config(config))


def build(
    config: Config, device: str, amp: str | None = None, samples: int = 2, model: Any = None, **optim: Any
) -> System:
    """The system of a config with the weights of `build_model`, or of a `model` that is copied; a batch on the host."""
    model = on_device(build_model(config) if model is None else copy.deepcopy(model), device)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        options = {**config["optim_wrapper"].to_dict(), "amp": amp, "allow_slow_amp": True, **optim}
        wrappers = build_optim_wrapper(model, options)
        dataset = DATASETS.build(config["train_dataloader"]["dataset"])
    take_statistics(model, dataset)
    batch = collate_pictures([dataset[i % len(dataset)] for i in range(samples)])
    return System(config, model, wrappers, batch)


@contextmanager
def precision(name: str) -> Iterator[str | None]:
    """'fp32' in full, 'tf32', 'bf16' or 'fp16' for the block; gives what autocast is told."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = name != "fp32"
    torch.set_float32_matmul_precision("highest" if name == "fp32" else "high")
    try:
        yield name if name in ("bf16", "fp16") else None
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def _takes_width(entries: Any, cfg: Any) -> bool:
    return "width" in options_of(entries.get(cfg.type))[0]
