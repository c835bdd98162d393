"""The training step as a textbook has it, on a system's own networks, losses and batch: what ours is measured against.

The discriminators' step makes its own pass through the generator, and the generator's step one more for every noise;
the generator's gradients run through the discriminators into theirs, which are thrown away; the optimisers are
PyTorch's, as they come; every value is fetched for the log. Whatever the terms are, their sum is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from sketchkit.translators.adversarial import in_float32
from sketchkit.translators.objective import StepInputs
from sketchkit.translators.padding import PaddedGenerator
from tools.gpu.systems import System

WAYS = {"AtoB": ("source", "target"), "BtoA": ("target", "source")}


class TextbookStep:
    """A callable that makes one step of a system; its `amp` is None or a dtype for autocast."""

    def __init__(self, system: System, amp: torch.dtype | None) -> None:
        self.model, self.batch, self.amp = system.model, system.batch, amp
        self.device = next(self.model.parameters()).device
        self.optimizers = {side: _as_they_come(wrapper.optimizer) for side, wrapper in system.wrappers.items()}

    def __call__(self) -> dict[str, float]:
        """One step; the value of each side's objective."""
        self.model.train()
        batch = self.model.data_preprocessor(self.batch, training=True)
        is_cycle = "BtoA" in self.model.directions
        return self._cycle(batch) if is_cycle else self._conditional(batch)

    def _conditional(self, batch: Mapping[str, Any]) -> dict[str, float]:
        model = self.model

        def judge(head: str | None) -> Callable:
            return lambda image: in_float32(model.heads[head](image, source=batch["source"], label=batch.get("label")))

        with torch.no_grad(), self._autocast():
            fake = self._generated(model.backbone, batch)
        first, second = (PaddedGenerator(model.backbone, batch).draw_noise() for _ in range(2))
        logs = {}
        if len(model.discriminator_objective):
            logs["D"] = self._update("discriminator", lambda: _total(model.discriminator_objective, batch, fake, judge))
        others = {"fake_alt": lambda _: self._generated(model.backbone, batch, second)}

        def generators_total() -> Tensor:
            again = self._generated(model.backbone, batch, first)
            return _total(model.generator_objective, batch, again, judge, noise=first, noise_alt=second, **others)

        return {**logs, "G": self._update("generator", generators_total)}

    def _cycle(self, batch: Mapping[str, Any]) -> dict[str, float]:
        model, fakes = self.model, {}

        def judge(way: str) -> Callable:
            return lambda head: lambda image: in_float32(model.heads[way][head](image))

        def seen(way: str) -> dict[str, Any]:
            start, end = WAYS[way]
            return {"source": batch[start], "target": batch[end]}

        def generators_total() -> Tensor:
            total = torch.zeros((), device=self.device)
            for way, back in (("AtoB", "BtoA"), ("BtoA", "AtoB")):
                one, other, pictures = model.backbones[way], model.backbones[back], seen(way)
                fake = fakes[way] = self._generated(one, pictures)
                cycled = {"rec": lambda _, fake=fake, other=other: self._generated(other, {"source": fake})}
                same = {"identity": lambda _, one=one, p=pictures: self._generated(one, {"source": p["target"]})}
                total = total + _total(model.generator_objective, pictures, fake, judge(way), **cycled, **same)
            return total

        def judges_total() -> Tensor:
            pooled = {way: model.pools[way](fake) for way, fake in fakes.items()}
            totals = [_total(model.discriminator_objective, seen(way), pooled[way], judge(way)) for way in WAYS]
            return totals[0] + totals[1]

        return {"G": self._update("generator", generators_total), "D": self._update("discriminator", judges_total)}

    def _generated(self, network: Any, batch: Mapping[str, Any], noise: Tensor | None = None) -> Tensor:
        generation = PaddedGenerator(network, batch)
        return generation(generation.draw_noise() if noise is None else noise)

    def _update(self, side: str, total: Callable[[], Tensor]) -> float:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        with self._autocast():
            value = total()
        value.backward()
        self.optimizers[side].step()
        return value.item()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.amp, enabled=self.amp is not None)


def _total(objective: Any, batch: Mapping[str, Any], fake: Tensor, judge: Callable, **more: Any) -> Tensor:
    """The objective with every input computed when it is asked for."""
    given: dict[str, Callable] = {name: lambda _, value=value: value for name, value in batch.items()}
    given.update({name: one if callable(one) else lambda _, one=one: one for name, one in more.items()})
    given.setdefault("noise", lambda _: None)
    given.update(fake=lambda _: fake, head=judge, fake_output=lambda head: judge(head)(fake))
    given["real_output"] = lambda head: judge(head)(batch["target"])
    given["real_label"] = lambda _: batch.get("label")
    return objective(StepInputs(given, {}))[0]


def _as_they_come(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The same optimizer without what makes it faster than PyTorch's own choice."""
    faster = ("fused", "foreach", "capturable")
    groups = [{key: value for key, value in group.items() if key not in faster} for group in optimizer.param_groups]
    plain = {key: value for key, value in optimizer.defaults.items() if key not in faster}
    return type(optimizer)(groups, **plain)
