"""What loading, translating and judging cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

import torch
from mmengine.registry import DefaultScope

from sketchkit.engine.runner import TranslationRunner
from sketchkit.evaluation.features.classifiers import make_extractor
from sketchkit.evaluation.metric import Setup
from sketchkit.registry import SCOPE
from sketchkit.translators.padding import PaddedGenerator
from tools.gpu.counting import DTYPES, Ceilings, Counter, ceilings, seconds, synchronize, timed, unsound
from tools.gpu.steps import Row, Setting
from tools.gpu.systems import System, build, precision, system_config

LOADED = (("sketchygan_sketchy", 64), ("pix2pix_facades", 16))
TRANSLATED = ("sketchygan_sketchy", "pix2pix_facades", "cyclegan_apple2orange")


def measure_loading(setting: Setting) -> Iterator[Row]:
    """How much longer a training in bf16 takes with pictures from disk than with one batch again and again."""
    for name, batch in LOADED:
        size, turns = (2, 3) if setting.tiny else (batch, 20)
        system = build(system_config(name, setting), setting.device, None if setting.tiny else "bf16", samples=size)
        alone = turns * seconds(system.step, setting.device, turns)
        for workers in (1,) if setting.tiny else (1, 4, 8):
            taken = _loaded_seconds(system, size, workers, turns)
            row = {"what": f"{name}, batch {size}", "workers": workers, "share of loading": max(0.0, 1 - alone / taken)}
            yield {**row, "images/s": turns * size / taken, **unsound(system.step())}


def measure_translating(setting: Setting) -> Iterator[Row]:
    """One picture, and a batch, through the generator at the config's size."""
    limits = ceilings(setting)
    for name in TRANSLATED:
        for batch in (1, 2) if setting.tiny else (1, 16):
            for kind in ("fp32", "tf32", "bf16"):
                system = build(system_config(name, setting), setting.device, samples=batch)
                translate = _translation(system, kind, setting.device)
                taken, floor = _measured(translate, kind, setting, limits)
                size = "x".join(map(str, system.batch["source"].shape[-2:]))
                row = {"what": f"{name}, {size}", "precision": kind, "batch": batch}
                told = unsound({"picture": translate()})
                yield {**row, "ms": 1e3 * taken, "images/s": batch / taken, "floor ms": 1e3 * floor, **told}


def measure_features(setting: Setting) -> Iterator[Row]:
    """Pictures a second through the networks of FID, in full precision, as they always are."""
    count, limits = 4 if setting.tiny else 64, ceilings(setting)
    for name in ("timm:test_resnet.r160_in1k",) if setting.tiny else ("inception",):
        extractor = make_extractor(Setup(setting.device, allow_random_weights=True), name)
        picture = extractor.prepare(torch.randint(256, (3, 256, 256)).byte())
        batch = picture.expand(count, -1, -1, -1).contiguous()
        taken, floor = _measured(partial(extractor.extract, batch), "fp32", setting, limits)
        row = {"what": f"features of {name}", "batch": count, "ms": 1e3 * taken, "images/s": count / taken}
        yield {**row, "floor ms": 1e3 * floor, **unsound({"features": extractor.extract(batch)})}


def _translation(system: System, kind: str, device: str) -> Callable[[], torch.Tensor]:
    """A call that translates the system's batch in a precision."""
    model = system.model.eval()
    batch, network = model.data_preprocessor(system.batch), model.networks()["AtoB"]

    def translate() -> torch.Tensor:
        with precision(kind) as amp, torch.inference_mode(), torch.autocast(device, DTYPES["bf16"], bool(amp)):
            generation = PaddedGenerator(network, batch)
            return generation(generation.draw_noise())

    return translate


def _measured(call: Callable[[], torch.Tensor], kind: str, setting: Setting, limits: Ceilings) -> tuple[float, float]:
    """The seconds of a call, and the least that it could take."""
    with Counter() as counter:
        call()
    return seconds(call, setting.device, 2 if setting.tiny else 20), limits.floor(counter, kind)


def _loaded_seconds(system: System, batch: int, workers: int, turns: int) -> float:
    """The seconds of some steps on batches that are loaded meanwhile, once the workers are warm."""
    config = dict(system.config["train_dataloader"], batch_size=batch, num_workers=workers)
    with DefaultScope.overwrite_default_scope(SCOPE):
        loader = TranslationRunner.build_dataloader(config)
    device = next(system.model.parameters()).device.type
    batches = iter(loader)
    _train_on(system, islice(batches, 3), device)
    return timed(lambda: _train_on(system, islice(batches, turns), device), device)


def _train_on(system: System, batches: Iterable, device: str) -> None:
    for system.batch in batches:
        system.step()
    synchronize(device)
