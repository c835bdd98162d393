"""What backbones, heads, the networks of evaluation and the Fréchet distance give on the device and on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sketchkit.evaluation.features.classifiers import make_extractor
from sketchkit.evaluation.metric import Features, Setup
from sketchkit.options import options_of
from sketchkit.registry import BACKBONES, HEADS, PICTURE_METRICS
from sketchkit.testing import example_batch
from sketchkit.translators.padding import PaddedGenerator
from tools.gpu.steps import Row, Setting, verdict
from tools.gpu.systems import WIDTH, precision

ALLOWED = 1e-4


def compare_networks(setting: Setting) -> Iterator[Row]:
    """The forward pass of every registered backbone and head, in evaluation."""
    for entries in (BACKBONES, HEADS):
        for name in entries.names():
            network = _build(entries, name, setting).eval()
            with torch.no_grad(), precision("fp32"):
                networks = [(copy.deepcopy(network).to(device), device) for device in ("cpu", setting.device)]
                outputs = [_outputs(*one, is_backbone=entries is BACKBONES) for one in networks]
            yield verdict(name, difference(outputs[1], outputs[0]), ALLOWED)


def compare_evaluation(setting: Setting) -> Iterator[Row]:
    """Features, LPIPS and the Fréchet step, with random weights."""
    count, side = (4, 64) if setting.tiny else (64, 256)
    pictures = torch.randint(256, (count, 3, side, side), generator=torch.Generator().manual_seed(0)).byte()
    setups = [Setup(device, allow_random_weights=True) for device in ("cpu", setting.device)]
    fid = PICTURE_METRICS.build(dict(type="fid"), setup=setups[0])
    names = ("timm:test_resnet.r160_in1k",) if setting.tiny else ("inception", "timm:resnet50.a1_in1k")
    for name in names:
        extractors = [make_extractor(setup, name) for setup in setups]
        batch = torch.stack([extractors[0].prepare(picture) for picture in pictures])
        features = [extractor.extract(batch) for extractor in extractors]
        yield verdict(f"features of {name}", difference(features[1].cpu(), features[0]), ALLOWED)
        halves = [part.chunk(2) for part in features]
        distances = [torch.tensor(fid.compute(Features(real=parts[0], fake=parts[1]))["fid"]) for parts in halves]
        yield verdict(f"Fréchet distance of {name}", difference(distances[1], distances[0]), ALLOWED)
    extractors = [PICTURE_METRICS.build(dict(type="lpips"), setup=setup).extractor for setup in setups]
    pairs = torch.stack([extractors[0].prepare(*pair) for pair in pictures.split(2)])
    seen = [extractor.extract(pairs).cpu() for extractor in extractors]
    yield verdict("LPIPS (AlexNet)", difference(seen[1], seen[0]), ALLOWED)


def difference(seen: Tensor, expected: Tensor) -> float:
    """The largest, over the largest expected value or 1 where that is larger; NaN where a number is not finite."""
    if not bool(seen.isfinite().all()):
        return float("nan")
    return float((seen - expected).abs().max() / expected.abs().max().clamp_min(1.0))


def _build(entries: Any, name: str, setting: Setting) -> nn.Module:
    torch.manual_seed(0)
    # Weights may not be at hand; random ones do as well.
    chosen = {"weights": None, **({"width": WIDTH} if setting.tiny else {})}
    taken = options_of(entries.get(name))[0]
    return entries.build({"type": name, **{option: value for option, value in chosen.items() if option in taken}})


def _outputs(network: Any, device: str, is_backbone: bool) -> Tensor:
    """All that it gives, in one row."""
    batch = example_batch(network.in_channels, max(64, network.size_multiple)) if is_backbone else example_batch()
    on_device = {name: value.to(device) for name, value in batch.items() if isinstance(value, Tensor)}
    if is_backbone:
        generation = PaddedGenerator(network, on_device)
        return generation(generation.noise_of(batch["key"])).flatten().cpu()
    output = network(on_device["target"], source=on_device["source"], label=on_device["label"])
    parts = [*output.scales, *([] if output.class_logits is None else [output.class_logits]), *output.features]
    return torch.cat([part.flatten() for part in parts]).cpu()
