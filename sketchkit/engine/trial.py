"""What a config builds that costs next to nothing, built once to hear what its constructors refuse."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from sketchkit.config.checks import TERM_OPTIONS
from sketchkit.declared import declarations, short
from sketchkit.engine.schedules import count_iterations
from sketchkit.engine.uninitialized import shapes_alone
from sketchkit.errors import ConfigError, DataError, WeightsError
from sketchkit.options import explained
from sketchkit.registry import BACKBONES, DATASETS, HOOKS, LOSSES, OPTIMIZERS, PARAM_SCHEDULERS
from sketchkit.translators.heads import build_head
from sketchkit.translators.padding import PaddedGenerator
from sketchkit.translators.protocol import protocol_of

VALIDATION = ("val_dataloader", "val_evaluator", "val_cfg")
COPIES = 4  # of every weight while Adam trains it: itself, its gradient, and two means
NOT_BUILT = ("priority",)  # the runner's own key of a hook


def try_building(config: Config) -> list[Any]:
    """Build the parts of a resolved config without their memory and their weights.

    Returns:
        The data sets: of training, and of a validation if there is one.

    Raises:
        ConfigError: the section, and what is wrong with it; or networks that are too large for this machine.
        DataError: the data cannot be had.
    """
    _check_validation(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run builds them again, and then they are heard
        datasets = []
        for key in ("train_dataloader", "val_dataloader"):
            if config.get(key):
                with explained(f"{key}.dataset"):
                    datasets.append(DATASETS.build(config[key]["dataset"]))
        try_networks(config)
        try_protocol(config)
        _try_losses(config)
        _try_optimization(config)
        for key, hook in _hooks(config):
            with explained(key):
                HOOKS.build({name: value for name, value in hook.items() if name not in NOT_BUILT})
    return datasets


def try_networks(config: Mapping[str, Any], copies: int = COPIES) -> None:
    """Build the networks without memory, to hear what they refuse and how large they are.

    copies: how often each weight has to be in memory.

    Raises:
        ConfigError: the section and what is wrong with it, or more weights than this machine has memory for.
        WeightsError: the section, and which pretrained weights cannot be had.
    """
    parts: dict[str, tuple[Any, Any]] = {"backbone": (BACKBONES.build, config.get("backbone"))}
    parts.update({f"heads.{name}": (build_head, head) for name, head in (config.get("heads") or {}).items()})
    sizes: dict[str, int] = {}
    for key, (build, cfg) in parts.items():
        try:
            if cfg:
                with shapes_alone(), explained(key):
                    sizes[key] = sum(weight.numel() for weight in build(cfg).parameters())
        except WeightsError as error:
            raise WeightsError(f"{key}: {error}") from error
        except ConfigError as error:
            # A network may need numbers while it is built, of which there are none here: the run will tell.
            if not isinstance(_first_cause(error), RuntimeError | TypeError):
                raise
    needed, there = 4 * copies * sum(sizes.values()), _memory()
    if needed > there:
        largest = max(sizes, key=lambda key: sizes[key])
        raise ConfigError(
            f"{largest} has {sizes[largest]:,} weights: they take {needed / 2**30:,.0f} GiB and more, and this "
            f"machine has {there / 2**30:,.0f} GiB: make it narrower or shallower"
        )


def try_protocol(config: Mapping[str, Any]) -> None:
    """Translate a picture without numbers as the translator's test protocol says, where it says anything.

    Raises:
        ConfigError: the network cannot be run so at the config's image size.
    """
    protocol, backbone = protocol_of(config.get("translator") or {}), config.get("backbone")
    if protocol.is_plain or not backbone:
        return
    try:
        with shapes_alone():
            network = BACKBONES.build(backbone).eval()
            source = torch.zeros(1, network.in_channels, *image_size(config, 2 * network.size_multiple))
            batch = {"source": source, "label": torch.zeros(1, dtype=torch.long)}
        PaddedGenerator(network, batch, protocol).picture_of(["a picture"])
    except (ConfigError, DataError) as error:
        raise ConfigError(f"translator: {error}") from error
    except (RuntimeError, TypeError, AttributeError):
        # A network may need numbers, of which there are none here: the run will tell.
        return


def image_size(config: Mapping[str, Any], default: int = 256) -> tuple[int, int]:
    """(height, width) of the pictures that a config is meant for, `default` where it does not say."""
    size = config.get("image_size", default)
    return (size, size) if isinstance(size, int) else tuple(size)


def _check_validation(config: Config) -> None:
    there = [key for key in VALIDATION if config.get(key) is not None]
    if there and len(there) < len(VALIDATION):
        missing = next(key for key in VALIDATION if key not in there)
        whole = ", ".join(VALIDATION)
        raise ConfigError(
            f"{missing}=None, and there is {there[0]}: a validation needs {whole}; set all to None, or none"
        )


def _try_losses(config: Config) -> None:
    """But for those with pretrained weights, which may take a download."""
    for side in ("generator_losses", "discriminator_losses"):
        for name, term in (config.get(side) or {}).items():
            if term and "weights" not in declarations(LOSSES.get(term["type"])):
                options = {key: value for key, value in term.items() if key not in TERM_OPTIONS}
                with explained(f"{side}.{name}"):
                    LOSSES.build(options)


def _try_optimization(config: Config) -> None:
    groups = {name: group for name, group in config["optim_wrapper"].items()
              if isinstance(group, Mapping) and "optimizer" in group}  # fmt: skip
    optimizers = {}
    for name, group in groups.items():
        with explained(f"optim_wrapper.{name}.optimizer"):
            optimizers[name] = OPTIMIZERS.build({**group["optimizer"], "params": [nn.Parameter(torch.zeros(1))]})
    iterations = config["train_cfg"]["max_iters"]
    schedules: Any = config.get("param_scheduler") or []
    by_group = isinstance(schedules, Mapping) and "type" not in schedules
    for name, optimizer in optimizers.items():
        if by_group and name not in schedules:
            raise ConfigError(f"param_scheduler={short(schedules)}: none for '{name}': give {name}=[], or one for all")
        own = schedules.get(name) or [] if by_group else schedules
        for index, one in enumerate([own] if isinstance(own, Mapping) else own):
            place = f"param_scheduler.{name}.{index}" if by_group else f"param_scheduler.{index}"
            with explained(f"{place}, in a run of {iterations} iterations,"):
                counted = count_iterations(one, iterations)
                PARAM_SCHEDULERS.build({**counted, "optimizer": optimizer})


def _hooks(config: Config) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from ((f"default_hooks.{name}", hook) for name, hook in config.get("default_hooks", {}).items() if hook)
    yield from ((f"custom_hooks.{index}", hook) for index, hook in enumerate(config.get("custom_hooks") or []))


def _first_cause(error: BaseException) -> BaseException:
    return error if error.__cause__ is None else _first_cause(error.__cause__)


def _memory() -> int:
    """Of this machine, in bytes; of the GPU where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[1]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**63
