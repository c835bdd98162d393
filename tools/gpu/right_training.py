"""Training steps on the device against those of the CPU: the same weights, batch, noises and dropout masks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from mmengine.config import Config

from tools.gpu.host_randomness import HostRandomness
from tools.gpu.steps import Row, Setting, verdict
from tools.gpu.systems import build, precision, system_config, trained_configs

STEPS = 3
# The largest difference of a term, over its size or 1 where that is larger; in the first step, and in all. Two ways of
# convolving on one CPU differ by up to 1.3e-4 in the first step of the whole networks and by 0.05 in three (recolor_*:
# Adam moves a weight by the learning rate whatever the size of its gradient). On a CPU bf16 differs by up to 0.02 from
# float32 in the first step of the narrow networks, fp16 by 0.006.
BANDS = {"fp32": 0.15, "bf16": 0.5, "fp16": 0.5}
FIRST = {"fp32": 1e-3, "bf16": 0.05, "fp16": 0.02}
# So small that nothing overflows: the usual one starts with steps left out, and there would be nothing to compare.
LOSS_SCALE = 128.0
Losses = Sequence[Mapping[str, float]]
# How often the heads are right of two pictures is no loss: it jumps.
COUNTS = ("D/accuracy", "D/class_accuracy")


def compare_training(setting: Setting) -> Iterator[Row]:
    """Three steps of every shipped config in three precisions; a row each."""
    for name in trained_configs():
        config = system_config(name, setting)
        if "discriminator_steps" in config.translator:
            # Where a critic makes several steps for one of the generator's, the generator makes one here too.
            config.translator.discriminator_steps = STEPS - 1
        expected = losses(config, "cpu", "fp32")
        for kind in BANDS:
            yield _row(name, kind, losses(config, setting.device, kind), expected)


def losses(config: Config, device: str, kind: str) -> Losses:
    """The terms of each step of a config on a device."""
    with precision(kind) as amp:
        system = build(config, device, amp, loss_scale=LOSS_SCALE)
        torch.manual_seed(1)
        with HostRandomness():
            steps = [system.step() for _ in range(STEPS)]
        return [{key: float(value) for key, value in step.items() if key not in COUNTS} for step in steps]


def difference(seen: Losses, expected: Losses) -> float:
    """The largest of all steps and terms, relative where a term is above 1; infinite where one is not finite."""
    worst = 0.0
    for step, true in zip(seen, expected, strict=True):
        if step.keys() != true.keys():
            raise ValueError(f"the terms are {sorted(step)} and on the CPU {sorted(true)}")
        for key, value in step.items():
            if not math.isfinite(value):
                return math.inf
            worst = max(worst, abs(value - true[key]) / max(abs(true[key]), 1.0))
    return worst


def _row(name: str, kind: str, seen: Losses, expected: Losses) -> Row:
    first, all_ = difference(seen[:1], expected[:1]), difference(seen, expected)
    row = verdict(f"{name}, {kind}", all_, BANDS[kind], f"first step {first:.1e}, allowed {FIRST[kind]:g}")
    return {**row, "passed": row["passed"] and first <= FIRST[kind]}
