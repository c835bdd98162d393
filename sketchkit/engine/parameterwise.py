"""Learning rates and weight decays that differ within one network, by mmengine's `paramwise_cfg`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from sketchkit.errors import ConfigError

Groups = list[dict[str, Any]]


def parameter_groups(network: nn.Module, optimizer: Mapping[str, Any], paramwise: Mapping[str, Any]) -> Groups:
    """The parameters of a network in groups of the same options, for a torch optimizer.

    Args:
        network: whose parameters.
        optimizer: the optimizer's config, with the `lr` and `weight_decay` that `paramwise` multiplies.
        paramwise: as in mmengine's DefaultOptimWrapperConstructor. Of `custom_keys`, the longest that is part of a
            parameter's name holds for it, and no other option does.

    Raises:
        ConfigError: an option that changes nothing, such as a key that is in no parameter's name; or there is no `lr`.
    """
    if "lr" not in optimizer:
        raise ConfigError("paramwise_cfg multiplies the optimizer's lr, which is not given: give it, such as lr=2e-4")
    base = {"weight_decay": 0.0, **optimizer}
    singles = _singles(network, base, paramwise)
    for option, others in _each_left_out(paramwise):
        if _options(_singles(network, base, others), base) == _options(singles, base):
            example = next(name for name, _ in network.named_parameters())
            raise ConfigError(
                f"paramwise_cfg.{option} changes nothing: no parameter's name has it (one is {example}), a longer key "
                "goes before it, or the optimizer has no weight_decay to multiply: mend it, or leave it out"
            )
    groups: Groups = []
    for single, options in zip(singles, _options(singles, base), strict=True):
        group = next((one for one in groups if {**one, "params": None} == {**options, "params": None}), None)
        if group is None:
            groups.append(group := {**options, "params": []})
        group["params"] += single["params"]
    return groups


def _singles(network: nn.Module, optimizer: Mapping[str, Any], paramwise: Mapping[str, Any]) -> Groups:
    """A group a parameter, in the network's order, as mmengine makes them."""
    singles: Groups = []
    constructor = DefaultOptimWrapperConstructor({"optimizer": dict(optimizer)}, dict(paramwise))
    with _no_line_a_parameter():
        constructor.add_params(singles, network)
    return singles


def _options(singles: Groups, base: Mapping[str, Any]) -> Groups:
    """What holds for each parameter."""
    every = {name: base[name] for name in ("lr", "weight_decay") if name in base}
    unsaid = ("params", "lr_mult", "decay_mult")
    return [{**every, **{key: value for key, value in one.items() if key not in unsaid}} for one in singles]


def _each_left_out(paramwise: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    keys = paramwise.get("custom_keys", {})
    for option in (name for name in paramwise if name != "custom_keys"):
        yield option, {other: value for other, value in paramwise.items() if other != option}
    for key in keys:
        yield f"custom_keys[{key!r}]", {**paramwise, "custom_keys": {k: one for k, one in keys.items() if k != key}}


@contextmanager
def _no_line_a_parameter() -> Iterator[None]:
    """mmengine logs each of them."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)
