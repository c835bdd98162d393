"""The watchdog: sees a run go wrong, keeps the evidence, says the likely cause, and stops, rolls back or warns."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from torch import Tensor

from sketchkit.engine.plots import draw_grid
from sketchkit.errors import CheckpointError, ConfigError, TrainingStopped
from sketchkit.registry import HOOKS

ACTIONS = ("stop", "roll_back", "warn", "ignore")
CAUSES = {
    "non_finite": "a value overflowed: lower the learning rates, clip gradients "
    "(+optim_wrapper.clip_grad=dict(max_norm=1.0)), or leave fp16",
    "black": "the generator has collapsed to black whatever the sketch: lower its learning rate, check the signs and "
    "weights of the terms, or raise the pixel term",
    "constant": "every output is one flat colour: the generator gets no gradient; check the weights of the terms",
    "saturated": "tanh is saturated, so that its gradient is gone: lower the generator's learning rate",
    "discriminator_zero": "the discriminator wins outright and teaches nothing: lower its learning rate, raise "
    "the gradient penalty, or smooth its labels",
}
PATIENT = ("black", "constant", "saturated", "discriminator_zero")


@HOOKS.register_module()
class WatchdogHook(Hook):
    """Looks at losses, weights and the last training pictures every `interval` iterations.

    `black`, `constant` and `saturated` are judged against the targets: dark or white pictures are not a fault where the
    data has them. They, and a discriminator loss at zero, count after `begin` iterations and `patience` looks in a row.

    Args:
        interval: iterations between looks.
        begin: an untrained generator is flat; do not mind it before this iteration.
        patience: looks in a row before a finding counts; non-finite values count at once.
        actions: finding -> 'stop', 'roll_back' (to the latest checkpoint), 'warn' or 'ignore'.
        max_roll_backs: the run stops at the next finding after so many.

    Raises:
        ConfigError: an unknown finding or action.
        TrainingStopped: from training, when a finding ends the run.
    """

    priority = "NORMAL"
    defaults = dict(non_finite="stop", black="stop", constant="stop", saturated="warn", discriminator_zero="warn")

    def __init__(
        self,
        interval: int = 50,
        begin: int = 500,
        patience: int = 3,
        actions: Mapping[str, str] | None = None,
        max_roll_backs: int = 3,
    ) -> None:
        self.interval, self.begin, self.patience = interval, begin, patience
        self.actions = {**self.defaults, **(actions or {})}
        for finding, action in self.actions.items():
            if finding not in CAUSES or action not in ACTIONS:
                raise ConfigError(
                    f"watchdog.actions: {finding}='{action}'; "
                    f"findings {', '.join(CAUSES)}; actions {', '.join(ACTIONS)}"
                )
        self.max_roll_backs = max_roll_backs
        self._in_a_row: dict[str, int] = defaultdict(int)
        self._said: set[str] = set()
        self._roll_backs = 0

    def before_save_own_state(self, runner: Any, state: dict[str, Any]) -> None:
        """Keep what has been seen: a resumed run acts at the same look as one never stopped."""
        seen = {"in_a_row": dict(self._in_a_row), "said": sorted(self._said), "roll_backs": self._roll_backs}
        state["watchdog"] = seen

    def after_load_own_state(self, runner: Any, state: Mapping[str, Any]) -> None:
        """See `before_save_own_state`."""
        if seen := state.get("watchdog"):
            self._in_a_row.update(seen["in_a_row"])
            self._said.update(seen["said"])
            self._roll_backs = seen["roll_backs"]

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Tensor] | None = None
    ) -> None:
        """Look when due, and act on the first finding."""
        if not (self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner)):
            return
        last, model = runner.model.last_batch, runner.model
        seen = examine(outputs or {}, last["fake"], last["target"], model)
        if "fake_A" in last:
            seen = {**examine(outputs or {}, last["fake_A"], last["source"], model), **seen}
        seen = _agree(seen)
        self._said &= seen.keys()
        for finding in CAUSES:
            self._in_a_row[finding] = self._in_a_row[finding] + 1 if finding in seen else 0
        for finding in seen:
            counts = runner.iter + 1 >= self.begin and self._in_a_row[finding] >= self.patience
            if (counts or finding not in PATIENT) and self.actions[finding] != "ignore" and finding not in self._said:
                self._in_a_row[finding] = 0
                self._act(runner, finding, seen[finding], outputs or {})
                return

    def _act(self, runner: Any, finding: str, detail: str, outputs: Mapping[str, Tensor]) -> None:
        folder = runner.folder / "watchdog" / f"iter_{runner.iter + 1}_{finding}"
        line = f"watchdog at iteration {runner.iter + 1}: {finding} ({detail}). {CAUSES[finding]}. Evidence: {folder}"
        action = self.actions[finding]
        if is_main_process():
            folder.mkdir(parents=True, exist_ok=True)
            _keep_evidence(folder, runner.model.last_batch, dict(finding=finding, action=action, line=line), outputs)
        if action == "stop":
            raise TrainingStopped(line)
        if action == "roll_back":
            self._roll_back(runner, line)
        else:
            self._said.add(finding)  # once, until it has cleared
            if is_main_process():
                print(f"warning: {line}", flush=True)

    def _roll_back(self, runner: Any, line: str) -> None:
        self._roll_backs += 1
        if self._roll_backs > self.max_roll_backs:
            raise TrainingStopped(f"{line}; stopped after {self.max_roll_backs} roll-backs")
        try:
            path = runner.roll_back()
        except CheckpointError as error:
            raise TrainingStopped(f"{line}; {error}") from error
        if is_main_process():
            print(f"warning: {line}; rolled back to {path}", flush=True)


def examine(outputs: Mapping[str, Tensor], fake: Tensor, target: Tensor, model: Any) -> dict[str, str]:
    """What is wrong with a translator, as finding -> detail; `fake` and `target` (B,C,H,W) in [-1, 1]."""
    seen = {}
    # Running statistics too: a checkpoint that holds such ones is not written.
    values = {**outputs, **model.state_dict()}
    floats = {name: value for name, value in values.items() if value.is_floating_point()}
    finite = torch.stack([value.isfinite().all() for value in floats.values()]).tolist()
    bad = [name for name, is_finite in zip(floats, finite, strict=True) if not is_finite]
    if bad or not bool(fake.isfinite().all()):
        names = ", ".join(bad[:4]) or "the pictures"
        return {"non_finite": f"{names}{', ...' if len(bad) > 4 else ''}"}
    dark, true_dark = (float((image < -0.95).float().mean()) for image in (fake, target))
    spread, true_spread = (float(image.flatten(2).std(dim=2).mean()) for image in (fake, target))
    ends, true_ends = (float((image.abs() > 0.99).float().mean()) for image in (fake, target))
    # A black picture is also flat and saturated: the first that holds is the one that says most.
    if dark > 0.98 and true_dark < 0.9:
        seen["black"] = f"{dark:.0%} of the output is black, {true_dark:.0%} of the truth"
    elif spread < 0.01 < true_spread:
        seen["constant"] = f"the outputs' deviation over a picture is {spread:.4f}, the truth's {true_spread:.4f}"
    elif ends > 0.9 and ends - true_ends > 0.5:
        seen["saturated"] = f"{ends:.0%} of the output is at the ends of the range, {true_ends:.0%} of the truth"
    # The way back, where there is one, has terms of its own.
    for name in (f"D/{game}{end}" for game in _games(model) for end in ("", "_BtoA")):
        value = float(outputs.get(name, 1.0))
        if abs(value) < 1e-4:
            seen["discriminator_zero"] = f"{name} is {value:.2e}"
    return seen


def _games(model: Any) -> list[str]:
    """The discriminator's terms that weigh the true against the fake, and that are 0 when it wins outright."""
    objective = model.objectives().get("discriminator")
    if objective is None:
        return []
    weighing = [n for n, all_ in objective.needs.items() if {"real_output", "fake_output"} <= {*all_}]
    games = [name for name in weighing if "label" not in objective.needs[name]]
    return [name for name in games if getattr(objective.losses[name], "is_won_at_zero", True)]


def _agree(seen: dict[str, str]) -> dict[str, str]:
    """What any process sees, so that all of them act alike."""
    if get_world_size() == 1:
        return seen
    flags = torch.tensor([float(finding in seen) for finding in CAUSES])
    all_reduce(flags, op="max")
    return {name: seen.get(name, "in another process") for name, flag in zip(CAUSES, flags, strict=True) if flag}


def _keep_evidence(
    folder: Any, batch: Mapping[str, Tensor], report: dict[str, Any], outputs: Mapping[str, Tensor]
) -> None:
    values = {name: float(value) for name, value in outputs.items()}
    (folder / "report.json").write_text(json.dumps({**report, "values": values}, indent=2) + "\n")
    torch.save({name: tensor.cpu() for name, tensor in batch.items()}, folder / "batch.pt")
    shown = {name: tensor.nan_to_num() for name, tensor in batch.items() if tensor.shape == batch["fake"].shape}
    draw_grid(shown, folder / "batch.png")
