"""One side's objective: named loss terms, each given just the inputs its `forward` names.

A parameter without a default is required, and computed when the step does not have it yet. A parameter whose default
is None is one the loss can do without: it is given where the side has it at hand. So one class serves both sides; see
`INPUTS` for what there is. A loss that makes sense on one side only says which in its attribute `side`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import Tensor, nn

from sketchkit.errors import ConfigError, WeightsError
from sketchkit.options import did_you_mean, whole_number
from sketchkit.registry import LOSSES

INPUTS = {
    "source": "(B,Cs,H,W) the input picture, in [-1, 1]",
    "target": "(B,Ct,H,W) the true picture, in [-1, 1]",
    "fake": "(B,Ct,H,W) the generator's picture; detached in the discriminator's step",
    "label": "(B,) class indices",
    "real_label": "(B,) those of `target`, which the discriminator may have others of",
    "hint": "(B,4,H,W) colour hints",
    "noise": "(B,...) the noise behind `fake`",
    "real_output": "HeadOutput on `target`; at hand in the discriminator's step only",
    "fake_output": "HeadOutput on `fake`",
    "head": "image -> HeadOutput, conditioned on source and label (those of `target`, which may have others)",
    "fake_head": "the same, conditioned on the source and label of `fake`",
    "fake_alt": "a second picture of the same source, from `noise_alt`, by a backbone that takes noise",
    "noise_alt": "the noise behind `fake_alt`, of a backbone that takes noise",
    "rec": "the source translated there and back",
    "identity": "the generator's picture of a target",
    "fake_features": "layer -> (B,C,h,w) of `fake`, for the layers in the loss's own attribute `layers`",
    "source_features": "layer -> (B,C,h,w) of `source`",
    "style_features": "(weight, layer -> (B,C,h,w)) of each style picture; each look computes them again",
}
PER_HEAD = ("real_output", "fake_output", "head", "fake_head")

Source = Callable[[str | None], Any]


class StepInputs:
    """What a step can give its losses; every value is computed at most once, when first asked for."""

    def __init__(self, at_hand: Mapping[str, Source], on_request: Mapping[str, Source]) -> None:
        self._sources = {**at_hand, **on_request}
        self._values: dict[tuple[str, str | None], Any] = {}

    def __call__(self, name: str, head: str | None = None) -> Any:
        """The value of input `name`; for those in `PER_HEAD`, the one of that head."""
        key = (name, head if name in PER_HEAD else None)
        if key not in self._values:
            self._values[key] = self._sources[name](head)
        return self._values[key]

    def has(self, name: str, head: str | None = None) -> bool:
        """Whether that value has been computed."""
        return (name, head if name in PER_HEAD else None) in self._values


class Objective(nn.Module):
    """The weighted sum of one side's terms.

    Args:
        terms: name -> loss config, with `weight` (default 1), `head` (default: the first) and `every` (default 1: at
            each step); None drops a term.
        side: 'generator' or 'discriminator'; names the config key in errors.
        at_hand, on_request: names of the inputs that this side's step has, or can compute.
        heads: names of the heads a term may ask for.

    Raises:
        ConfigError: a loss is made for the other side, or needs an input that does not exist here, a term names an
            unknown head, or no term is there at each step.
        WeightsError: a term's pretrained weights cannot be had; says how to drop the term.
    """

    def __init__(
        self,
        terms: Mapping[str, Mapping[str, Any] | None],
        side: str,
        at_hand: Collection[str],
        on_request: Collection[str],
        heads: Collection[str],
    ) -> None:
        super().__init__()
        self.side = side
        self.losses = nn.ModuleDict()
        self.weights: dict[str, float] = {}
        self.heads: dict[str, str | None] = {}
        self.every: dict[str, int] = {}
        self.needs: dict[str, tuple[str, ...]] = {}
        self.required: dict[str, set[str]] = {}
        for name, cfg in terms.items():
            if cfg is None:
                continue
            place = f"{side}_losses.{name}"
            options = dict(cfg)
            self.weights[name] = float(options.pop("weight", 1.0))
            self.heads[name] = _choose_head(options.pop("head", None), heads, place)
            self.every[name] = options.pop("every", 1)
            whole_number(f"{place}.every", self.every[name], 1)
            loss = _build(options, place)
            _check_side(loss, side, place)
            self.needs[name] = _inputs_of(loss, at_hand, on_request, place)
            self.required[name] = {need for need, required in input_names(loss).items() if required}
            self.losses[name] = loss
        if self.every and min(self.every.values()) > 1:
            raise ConfigError(f"{side}_losses: every term is left out at most steps: give one every=1")

    def forward(
        self, inputs: StepInputs, weights: Mapping[str, float] | None = None, step: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective (a scalar) and each term's own value, unweighted and detached; `weights` replaces some.

        A term with every=k counts k times at the `step`s 0, k, 2 k, ... and is not looked at in others (Karras et al.,
        "Analyzing and improving the image quality of StyleGAN", CVPR 2020, section 3.1, lazy regularization).

        Raises:
            ConfigError: a step has not what a loss requires, such as labels or hints, or a loss gives no scalar.
        """
        factors = {**self.weights, **(weights or {})}
        total: Tensor | float = 0.0
        values: dict[str, Tensor] = {}
        for name, loss in self.losses.items():
            if step % self.every[name]:
                continue
            given = {need: inputs(need, self.heads[name]) for need in self.needs[name]}
            self._check_given(name, given)
            value = loss(**given)
            if not isinstance(value, Tensor) or value.ndim:
                shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise ConfigError(
                    f"{self.side}_losses.{name}: {type(loss).__name__} gives {shape}, and a loss is a scalar tensor"
                )
            values[name] = value.detach()
            total = total + factors[name] * self.every[name] * value
        return total, values  # type: ignore[return-value]

    def _check_given(self, name: str, given: Mapping[str, Any]) -> None:
        missing = [need for need, value in given.items() if value is None and need in self.required[name]]
        if missing:
            place, meaning = f"{self.side}_losses.{name}", INPUTS.get(missing[0], "this translator's own")
            raise ConfigError(
                f"{place}: {type(self.losses[name]).__name__} needs '{missing[0]}' ({meaning}), and this training has "
                f"none: drop the term with --cfg-options {place}=None, or give data or a backbone with it"
            )

    def __len__(self) -> int:
        return len(self.losses)


def input_names(loss: nn.Module | type[nn.Module]) -> dict[str, bool]:
    """What a loss's `forward` names, and whether it is required."""
    parameters = inspect.signature(loss.forward).parameters
    return {name: p.default is p.empty for name, p in parameters.items() if name != "self"}


def _inputs_of(loss: nn.Module, at_hand: Collection[str], on_request: Collection[str], place: str) -> tuple[str, ...]:
    offered = {*at_hand, *on_request}
    known = offered.union(INPUTS)
    needs = []
    for name, required in input_names(loss).items():
        if name not in known:
            raise ConfigError(f"{place}: {type(loss).__name__}.forward names '{name}': {did_you_mean(name, known)}")
        if required and name not in offered:
            meaning = f"; '{name}' is {INPUTS[name]}" if name in INPUTS else ""
            offers = ", ".join(sorted(offered))
            raise ConfigError(f"{place}: '{name}' cannot be had here; this side offers {offers}{meaning}")
        if required or name in at_hand:
            needs.append(name)
    return tuple(needs)


def _check_side(loss: nn.Module, side: str, place: str) -> None:
    own = getattr(loss, "side", side)
    if own != side:
        raise ConfigError(f"{place}: {type(loss).__name__} teaches the {own}: name it in {own}_losses")


def _choose_head(name: str | None, heads: Collection[str], place: str) -> str | None:
    if name is not None and name not in heads:
        raise ConfigError(f"{place}: no head is named '{name}': {did_you_mean(name, heads)}")
    return name or next(iter(heads), None)


def _build(options: dict[str, Any], place: str) -> nn.Module:
    try:
        return LOSSES.build(options)
    except WeightsError as error:
        raise WeightsError(f"{place}: {error}; or drop the term with --cfg-options {place}=None") from error
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error
