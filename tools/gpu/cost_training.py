"""What a training step costs: ours and a textbook's on the same networks in turns, in three precisions."""

from __future__ import annotations

import copy
import gc
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from sketchkit.translators.padding import takes
from tools.gpu.counting import DTYPES, Ceilings, Counter, ceilings, idle_share, peak_mib, seconds, timed, unsound
from tools.gpu.steps import Row, Setting
from tools.gpu.systems import System, build, build_model, precision, system_config
from tools.gpu.textbook import TextbookStep

TURNS = 8
SYSTEMS = (
    ("sketchygan_sketchy", 16), ("pix2pix_facades", 1), ("cyclegan_apple2orange", 1), ("recolor_complex", 16),
    ("sketchygan_sketchy", 64), ("pix2pix_facades", 16), ("cyclegan_apple2orange", 4),
)  # fmt: skip
COMPILED = (("pix2pix_facades", 1), ("sketchygan_sketchy", 16))


@dataclass(frozen=True)
class Recipe:
    """A system that is made anew for every contender, from a model that is copied."""

    config: Config
    device: str
    batch: int
    model: Any

    def build(self, kind: str, **optim: Any) -> System:
        """The system in a precision; `optim` are options of both optimizers."""
        config = copy.deepcopy(self.config)
        for side in ("generator", "discriminator"):
            config.optim_wrapper[side].optimizer.update(optim)
        return build(config, self.device, "bf16" if kind == "bf16" else None, self.batch, self.model)


@dataclass
class Contender:
    """A step that takes part."""

    name: str
    kind: str
    system: System
    call: Callable[[], Any]
    peak: float | None


def measure_training(setting: Setting) -> Iterator[Row]:
    """Every system, eager and by a CUDA graph."""
    torch.backends.cudnn.benchmark = True  # as the shipped configs have it
    limits = ceilings(setting)
    for name, batch in SYSTEMS[0:3:2] if setting.tiny else SYSTEMS:
        yield from _system_rows(_recipe(name, batch, setting), setting, limits)
        gc.collect()
        if setting.device == "cuda":
            torch.cuda.empty_cache()


def measure_compiled(setting: Setting) -> Iterator[Row]:
    """Two systems with compiled networks."""
    torch.backends.cudnn.benchmark = True
    for name, batch in COMPILED:
        recipe = _recipe(name, batch, setting)
        for kind in ("tf32", "bf16"):
            system = recipe.build(kind)
            what = {"what": system.title, "precision": kind, "step": "ours, compiled"}
            try:
                _compile(system, setting)
                with precision(kind):
                    taken = seconds(system.step, setting.device, TURNS)
                    yield {**what, **_rates(taken, system), **unsound(system.step())}
            except Exception as error:
                yield {**what, "note": _line(error)}


def _system_rows(recipe: Recipe, setting: Setting, limits: Ceilings) -> Iterator[Row]:
    floors = {kind: limits.floor(counted, kind) for kind, counted in _counts(recipe).items()}
    contenders = []
    for kind in DTYPES:
        for step in ("textbook", "ours"):
            held = torch.cuda.memory_allocated() if setting.device == "cuda" else 0
            system = recipe.build(kind)
            call = TextbookStep(system, DTYPES[kind] if kind == "bf16" else None) if step == "textbook" else system.step
            with precision(kind):
                call()
                contenders.append(Contender(step, kind, system, call, peak_mib(call, setting.device, held)))
    times = interleaved(contenders, setting.device, 1 if setting.tiny else TURNS)
    for one, taken in zip(contenders, times, strict=True):
        with precision(one.kind):
            idle = idle_share(one.call, setting.device, 1 if setting.tiny else 3)
            told = unsound(one.call())
        row = {"what": one.system.title, "precision": one.kind, "step": one.name, **_rates(taken, one.system)}
        yield {**row, "peak MiB": one.peak, "idle": idle, "floor ms": 1e3 * floors[one.kind], **told}
    yield _graph_row(recipe, setting)


def interleaved(contenders: list[Contender], device: str, turns: int) -> list[float]:
    """Each contender's median seconds over as many rounds, every round in an order of its own."""
    taken: list[list[float]] = [[] for _ in contenders]
    order, shuffle = list(range(len(contenders))), random.Random(0).shuffle
    for _ in range(turns + 1):
        shuffle(order)
        for place in order:
            with precision(contenders[place].kind):
                taken[place].append(timed(contenders[place].call, device))
    return [median(times[1:]) for times in taken]


def _graph_row(recipe: Recipe, setting: Setting) -> Row:
    """Our step captured once and replayed: the noises and pools of one step again and again, so for its time only."""
    system = recipe.build("tf32", capturable=True)
    row = {"what": system.title, "precision": "tf32", "step": "ours, CUDA graph"}
    if setting.device != "cuda":
        system.step()
        return {**row, "note": "a CPU has none"}
    try:
        with precision("tf32"):
            replay = _captured(system)
            return {**row, **_rates(seconds(replay, setting.device, TURNS), system), **unsound(replay())}
    except Exception as error:
        return {**row, "note": _line(error)}


def _captured(system: System) -> Callable[[], dict[str, Tensor]]:
    system.batch = {key: value.cuda() if torch.is_tensor(value) else value for key, value in system.batch.items()}
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            system.step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        values = system.step()

    def replay() -> dict[str, Tensor]:
        graph.replay()
        return values

    return replay


def _compile(system: System, setting: Setting) -> None:
    """Compile the generator, and the heads where no penalty differentiates them twice."""
    backend = "eager" if setting.tiny else "inductor"
    backbone = system.model.backbone
    if takes(backbone, "noise"):
        # Such a network is called by its two halves.
        backbone.encode = torch.compile(backbone.encode, backend=backend)
        backbone.decode = torch.compile(backbone.decode, backend=backend)
    else:
        backbone.compile(backend=backend)
    if not any("head" in needs for needs in system.model.discriminator_objective.needs.values()):
        for head in system.model.heads.values():
            head.compile(backend=backend)


def _counts(recipe: Recipe) -> dict[str, Counter]:
    """What a step of ours asks for; in TF32 it moves float32."""
    counts = {}
    for kind in ("fp32", "bf16"):
        system = recipe.build(kind)
        with precision(kind), Counter() as counts[kind]:
            system.step()
    return {**counts, "tf32": counts["fp32"]}


def _recipe(name: str, batch: int, setting: Setting) -> Recipe:
    config = system_config(name, setting)
    return Recipe(config, setting.device, 2 if setting.tiny else batch, build_model(config))


def _rates(taken: float, system: Any) -> Row:
    return {"ms": 1e3 * taken, "images/s": len(system.batch["target"]) / taken}


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
