"""Training steps on the device against those of the CPU: the same weights, batch, noises and dropout masks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config

from tools.gpu.host_randomness import HostRandomness
from tools.gpu.steps import Row, Setting, rows_of_each, shown, within
from tools.gpu.systems import System, build, build_model, precision, system_config, trained_configs

STEPS = 3
# The largest difference of a term, over its size or 1 where that is larger, in the first step and in all. A step can
# multiply errors: Adam moves a weight by the learning rate whatever the size of its gradient. So a difference may also
# be FACTOR times as large as that of the same steps on the device from weights that rounding alone moves: there every
# layer rounds its inputs, outputs and gradients too.
FIRST = {"fp32": 1e-3, "bf16": 0.05, "fp16": 0.02}
BANDS = {"fp32": 0.15, "bf16": 0.5, "fp16": 0.5}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FACTOR = 16.0
# So small that nothing overflows: the usual one starts with steps left out, and there would be nothing to compare.
LOSS_SCALE = 128.0
Losses = Sequence[Mapping[str, float]]
# How often the heads are right of two pictures is no loss: it jumps.
COUNTS = ("D/accuracy", "D/class_accuracy")


@dataclass(frozen=True)
class Difference:
    """The largest of some steps: its size, and the term that has it."""

    size: float = 0.0
    term: str = ""


def compare_training(setting: Setting) -> Iterator[Row]:
    """Three steps of every shipped config in three precisions; a row each."""
    return rows_of_each(compare_config, trained_configs(), setting)


def compare_config(name: str, setting: Setting) -> list[Row]:
    """A row for each precision of a config."""
    config = system_config(name, setting)
    if "discriminator_steps" in config.translator:
        # Where a critic makes several steps for one of the generator's, the generator makes one here too.
        config.translator.discriminator_steps = STEPS - 1
    model, device = build_model(config), setting.device
    true, exact = losses(config, model, "cpu", "fp32"), losses(config, model, device, "fp32")
    rows = []
    for kind in BANDS:
        seen = exact if kind == "fp32" else losses(config, model, device, kind)
        moved = losses(config, model, device, "fp32", torch.finfo(DTYPES[kind]).eps / 2)
        rows.append(judged(f"{name}, {kind}", kind, (seen, true), (moved, exact)))
    return rows


def losses(config: Config, model: Any, device: str, kind: str, moved: float = 0.0) -> Losses:
    """The terms of each step of a copy of `model` on a device, from weights moved by up to `moved` of their size."""
    with precision(kind) as amp:
        system = build(config, device, amp, model=model, loss_scale=LOSS_SCALE)
        if moved:
            _move(system, moved)
        torch.manual_seed(1)
        with HostRandomness():
            steps = [system.step() for _ in range(STEPS)]
        return [{key: float(value) for key, value in step.items() if key not in COUNTS} for step in steps]


def difference(seen: Losses, expected: Losses) -> Difference:
    """The largest of all steps and terms, relative where a term is above 1; infinite where one is not finite."""
    worst = Difference()
    for step, true in zip(seen, expected, strict=True):
        if step.keys() != true.keys():
            raise ValueError(f"the terms are {sorted(step)} and on the CPU {sorted(true)}")
        for key, value in step.items():
            if not (math.isfinite(value) and math.isfinite(true[key])):
                return Difference(math.inf, key)
            worst = max(worst, Difference(abs(value - true[key]) / max(abs(true[key]), 1.0), key), key=_size)
    return worst


def judged(what: str, kind: str, pair: tuple[Losses, Losses], moved: tuple[Losses, Losses]) -> Row:
    """The row of a pair of runs; `moved` are the two that rounding sets apart."""
    first, every = difference(pair[0][:1], pair[1][:1]), difference(*pair)
    allowed = max(FIRST[kind], FACTOR * difference(moved[0][:1], moved[1][:1]).size)
    allowed_in_all = max(BANDS[kind], FACTOR * difference(*moved).size)
    return {
        "what": what, "first step": shown(first.size), "allowed": shown(allowed), "of": first.term,
        "three steps": shown(every.size), "allowed in three": shown(allowed_in_all),
        "passed": within(first.size, allowed) and within(every.size, allowed_in_all),
    }  # fmt: skip


@torch.no_grad()
def _move(system: System, moved: float) -> None:
    generator = torch.Generator().manual_seed(2)
    for parameter in system.model.parameters():
        noise = torch.rand(parameter.shape, generator=generator).mul_(2).sub_(1)
        parameter.mul_(noise.to(parameter.device).mul_(moved).add_(1))


def _size(difference: Difference) -> float:
    return difference.size
