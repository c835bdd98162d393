"""A resolved config -> what it is made of, without training it or needing data or pretrained weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sketchkit.engine.trial import image_size, try_networks, try_protocol
from sketchkit.errors import ConfigError
from sketchkit.registry import BACKBONES, LOSSES
from sketchkit.translators.heads import build_head, network_of
from sketchkit.translators.padding import PaddedGenerator, hint_channels
from sketchkit.translators.protocol import protocol_of


def describe(config: Config) -> dict[str, Any]:
    """Type, parameters and FLOPs of each network at the config's image size, test protocol, and both objectives.

    A FLOP count is that of one forward pass of one picture; a multiplication and an addition count as two.

    Raises:
        ConfigError: the config names no backbone, or something that does not exist.
    """
    if not config.get("backbone"):
        raise ConfigError(f"{config.filename} names no backbone")
    try_networks(config)
    try_protocol(config)
    size = image_size(config)
    backbone = BACKBONES.build(config["backbone"]).eval()
    source = torch.zeros(1, backbone.in_channels, *size)
    label = torch.zeros(1, dtype=torch.long)
    generation = PaddedGenerator(backbone, {"source": source, "label": label})
    image, flops = _count(lambda: generation(generation.draw_noise()))
    heads = {}
    for name, cfg in (config.get("heads") or {}).items():
        head = build_head(cfg).eval()
        hints = hint_channels(network_of(head))
        more = {"hint": torch.zeros(1, hints, *size)} if hints else {}
        _, cost = _count(lambda head=head, more=more: head(image, source=source, label=label, **more))
        augment = cfg["augment"]["type"] if cfg.get("augment") else None
        heads[name] = {**_network(cfg["type"], head, cost), "augment": augment}
    return {
        "config": str(config.filename),
        "image_size": list(size),
        "protocol": protocol_of(config.get("translator") or {}).about(),
        "backbone": _network(config["backbone"]["type"], backbone, flops),
        "heads": heads,
        "generator_losses": _terms(config, "generator_losses"),
        "discriminator_losses": _terms(config, "discriminator_losses"),
    }


def _network(name: str, network: nn.Module, flops: int) -> dict[str, Any]:
    return {"type": name, "parameters": sum(p.numel() for p in network.parameters()), "flops": flops}


def _count(forward: Any) -> tuple[Tensor, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = forward()
    return result, counter.get_total_flops()


def _terms(config: Config, side: str) -> dict[str, dict[str, Any]]:
    terms: Mapping[str, Any] = config.get(side) or {}
    for name, term in terms.items():
        if term and "type" not in term:
            raise ConfigError(f"{side}.{name} needs a type")
        if term:
            LOSSES.get(term["type"])
    told = {"weight": 1.0, "every": 1}
    return {
        name: {"type": term["type"], **{key: term.get(key, usual) for key, usual in told.items()}}
        for name, term in terms.items()
        if term
    }
