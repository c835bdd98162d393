"""Contract tests for plugins: what every backbone, head, loss and metric must hold to, ours and others'.

In a package of your own, under pytest:

    import pytest
    from sketchkit.registry import LOSSES
    from sketchkit.testing import check_loss

    @pytest.mark.parametrize("name", ["MyLoss"])
    def test_contract(name):
        check_loss(LOSSES.build(dict(type=name)))
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sketchkit.evaluation.metric import ROLES, FeatureExtractor, Features, PictureMetric
from sketchkit.registry import MODELS, HeadOutput, translator_names
from sketchkit.translators.base import Translator
from sketchkit.translators.heads import Augmentation, conditions
from sketchkit.translators.objective import INPUTS, input_names
from sketchkit.translators.padding import PaddedGenerator, takes


def example_batch(channels: int = 3, size: int = 64, classes: int = 2, seed: int = 0) -> dict[str, Any]:
    """Two samples as a translator sees them: pictures in [-1, 1], labels, hints and names."""
    generator = torch.Generator().manual_seed(seed)
    source, target = torch.rand(2, 2, channels, size, size, generator=generator).mul(2).sub(1)
    hint = torch.zeros(2, 4, size, size)
    return {"source": source, "target": target, "label": torch.arange(2) % classes, "hint": hint, "key": ["a", "b"]}


def check_backbone(backbone: nn.Module, size: int = 64) -> None:
    """Shape and range, gradients, padding of odd sizes, independence of batch mates, copies, strict state.

    Raises:
        AssertionError: says which clause of the contract is broken.
    """
    batch = example_batch(backbone.in_channels, size)  # type: ignore[arg-type]
    generation = PaddedGenerator(backbone.train(), batch)
    image = generation(generation.draw_noise())
    assert image.shape == (2, backbone.out_channels, size, size), f"wrong shape {tuple(image.shape)}"
    assert image.abs().max() <= 1.0, "the picture leaves [-1, 1]"
    image.square().mean().backward()
    assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in backbone.parameters()), "no gradient"
    backbone.zero_grad()
    backbone.eval()
    with torch.no_grad():
        _check_alone(backbone, batch)
        odd = {**batch, "source": batch["source"][..., :-3, :-5], "hint": batch["hint"][..., :-3, :-5]}
        generation = PaddedGenerator(backbone, odd)
        assert generation(generation.noise_of(odd["key"])).shape[-2:] == (size - 3, size - 5), "odd sizes are not kept"
        if generation.takes_noise:
            _check_noise(backbone, batch)
    _check_state(backbone)


def measured_radius(backbone: nn.Module, beyond: int = 64) -> int:
    """How far away the source pixels are at most on which a pixel of the picture depends, in eval, up to `beyond`.

    What a backbone declares as `receptive_radius` must not be less. Build it narrow: gradients are taken of pictures
    2 `beyond` wide, then high, of a copy with positive weights, so that no ReLU hides anything.
    """
    multiple = int(getattr(backbone, "size_multiple", 1))
    network = _positive(backbone)
    least = -(-16 // multiple) * multiple
    half = -(-(beyond + multiple + 32) // multiple) * multiple
    return max(_reach(network, half, multiple, least, is_wide) for is_wide in (False, True))


def _reach(network: nn.Module, half: int, multiple: int, least: int, is_wide: bool) -> int:
    batch = example_batch(network.in_channels, least)  # type: ignore[arg-type]
    # Doubled maps see further from some pixels than from others; of many levels, from those of a regular place in each.
    parts = [0, 1, multiple // 3, multiple // 2, 2 * multiple // 3, multiple - 2, multiple - 1]
    places = [half + part for part in sorted({part % multiple for part in parts})]
    size = (least, 2 * half) if is_wide else (2 * half, least)
    # Small, so that nothing saturates and all is nearly linear.
    source = (1 + torch.rand(len(places), network.in_channels, *size).double()).mul(1e-6)  # type: ignore[call-overload]
    generation = PaddedGenerator(
        network, {"source": source.requires_grad_(), "label": batch["label"][:1].expand(len(places))}
    )
    noise = generation.draw_noise()
    picture = generation(None if noise is None else noise.double().abs() * 1e-6)
    lines = picture.sum(2 if is_wide else 3)
    looks = torch.stack([lines[row, :, place].sum() for row, place in enumerate(places)]).sum()
    (gradient,) = torch.autograd.grad(looks, source)
    seen = gradient.ne(0).any(1).any(1 if is_wide else 2)
    return max(int((line.nonzero() - place).abs().max()) for line, place in zip(seen, places, strict=True))


def _positive(network: nn.Module) -> nn.Module:
    twin = copy.deepcopy(network).double().eval()
    with torch.no_grad():
        for layer in twin.modules():
            if isinstance(layer, _NormBase):
                layer.reset_running_stats()
        for parameter in twin.parameters():
            parameter.abs_()
            if parameter.dim() == 4:
                parameter.mul_(len(parameter) / parameter.sum())
    return twin


def check_head(head: nn.Module, channels: int = 3, size: int = 64) -> None:
    """A `HeadOutput` of the right shapes, and gradients to the picture, second ones included.

    Raises:
        AssertionError: says which clause of the contract is broken.
    """
    batch = example_batch(channels, size)
    image = batch["target"].requires_grad_()
    assert not takes(head, "hint") or hasattr(head, "hint_channels"), "a head that names hint has hint_channels"
    output = head.train()(image, **conditions(head, batch))
    assert isinstance(output, HeadOutput), "a head returns a HeadOutput"
    for logits in output.scales:
        assert logits.shape[:2] == (2, 1), f"logits are (B, 1) or (B, 1, h, w), not {tuple(logits.shape)}"
    assert output.class_logits is None or output.class_logits.shape[0] == 2, "class logits are (B, K)"
    (gradient,) = torch.autograd.grad(_sum(output.scales), image, create_graph=True)
    gradient.square().sum().backward()
    assert any(p.grad is not None for p in head.parameters()), "no second gradient: gradient penalties cannot train"
    head.zero_grad()
    _check_state(head)


def check_augmentation(augmentation: Augmentation, size: int = 32) -> None:
    """It moves all pictures alike and keeps silent hints silent, gradients flow, and in eval nothing is changed.

    Raises:
        AssertionError: says which clause of the contract is broken.
    """
    assert isinstance(augmentation, Augmentation), "an augmentation is a sketchkit.translators.heads.Augmentation"
    for channels in (1, 2, 3):
        image = example_batch(channels, size)["target"].requires_grad_()
        alpha = torch.ones(2, 4 - channels, size, size)
        # A hint all over that says what the picture shows, and one that says nothing.
        hint = torch.cat([image, alpha], 1) if channels == 3 else torch.zeros(2, 4, size, size)
        pictures = {"image": image, "source": image, "hint": hint}
        kept = augmentation.eval()(pictures)
        assert all(kept[name] is picture for name, picture in pictures.items()), "in eval a picture is changed"
        torch.manual_seed(0)
        seen = augmentation.train()(pictures)
        shapes = {name: tuple(picture.shape) for name, picture in pictures.items()}
        assert {name: tuple(one.shape) for name, one in seen.items()} == shapes, "names or shapes of pictures change"
        assert torch.equal(seen["image"], seen["source"]), "one picture as image and as source is changed twice"
        if channels == 3:
            assert torch.allclose(seen["image"] * seen["hint"][:, 3:], seen["hint"][:, :3], atol=1e-4), (
                "a hint of what the picture shows no longer says that"
            )
        else:
            assert not seen["hint"].any(), "a hint that says nothing says something"
        assert seen["image"].requires_grad, "no gradient to the picture"
        (gradient,) = torch.autograd.grad(seen["image"].square().sum(), image, create_graph=True)
        gradient.square().sum().backward()
        assert image.grad is not None and bool(image.grad.isfinite().all()), "no finite second gradient to the picture"
    if augmentation.observes:
        logits = torch.ones(2, 1, 3, 3)
        values = augmentation.observe([HeadOutput((logits, logits[..., 0, 0])), HeadOutput(-logits)])
        assert all(value.ndim == 0 for value in values.values()), f"observe gives scalars by name, not {values}"
    _check_state(augmentation)


def translators() -> list[type[Translator]]:
    """Every registered translator that is trained."""
    return [entry for entry in map(MODELS.get, translator_names()) if issubclass(entry, Translator)]


def _sum(scales: Sequence[Tensor]) -> Tensor:
    return torch.stack([scale.sum() for scale in scales]).sum()


def check_loss(loss: nn.Module, **examples: Any) -> None:
    """It names inputs that exist, gives a finite scalar, and a gradient where it sees the generator's picture.

    Args:
        loss: the loss.
        examples: of the inputs that a translator offers and gives no `example_inputs` of.

    Raises:
        AssertionError: says which clause of the contract is broken.
    """
    names = input_names(loss)
    offered = [name for entry in translators() for name in entry.offers]
    unknown = [name for name in names if name not in {*INPUTS, *offered}]
    assert not unknown, f"forward names {unknown}; there are {sorted({*INPUTS, *offered})}"
    given = {name: value for entry in translators() for name, value in entry.example_inputs().items()}
    inputs = {**_example_inputs(getattr(loss, "layers", ())), **given, **examples}
    missing = [name for name, needed in names.items() if needed and name not in inputs]
    assert not missing, f"give an example of what a translator offers: check_loss(loss, {missing[0]}=...)"
    side = getattr(loss, "side", "generator")
    assert side in ("generator", "discriminator"), f"side is {side!r}: 'generator' or 'discriminator', or leave it out"
    value = loss(**{name: inputs[name] for name, needed in names.items() if needed})
    assert value.ndim == 0, f"a loss is a scalar, not {tuple(value.shape)}"
    assert bool(value.isfinite()), "the value is not finite"
    required = {name for name, needed in names.items() if needed}
    # A loss that asks for the head itself, as gradient penalties do, teaches the head.
    if not required & {"head", "fake_head"} and required & {"fake", "fake_output", "rec", "identity", "fake_features"}:
        value.backward()
        gradient = inputs["weight"].grad
        assert gradient is not None and bool(gradient.isfinite().all()), "no finite gradient to the generator"


def check_metric(metric: PictureMetric, name: str, size: int = 48) -> None:
    """Rows of the width it says, alone as in a batch; an identity JSON can hold; a finite number under its first name.

    Raises:
        AssertionError: says which clause of the contract is broken.
    """
    unknown = set(metric.needs) - {*ROLES, "labels"}
    assert metric.needs and not unknown, f"needs names {sorted(unknown)}; there are {[*ROLES, 'labels']}"
    assert metric.better in ("lower", "higher", None), f"better is {metric.better!r}"
    json.dumps(metric.extractor.identity)
    generator = torch.Generator().manual_seed(0)
    real, fake, other = (torch.randint(256, (12, 3, size, size), generator=generator).byte() for _ in range(3))
    groups = {"real": (real,), "fake": (fake,), "pair": (real, fake), "draws": (fake, other)}
    rows: dict[str, Any] = {role: _rows(metric.extractor, groups[role]) for role in metric.needs if role in ROLES}
    features = Features(**rows, labels=["a", "b"] * 6 if "labels" in metric.needs else None)
    values = metric.compute(features)
    assert next(iter(values), None) == name, f"the first value is not {name}: {values}"
    assert all(math.isfinite(value) for value in values.values()), f"the values are {values}"
    each = metric.per_sample(features)
    assert each is None or each.shape == (12,), f"per_sample gives {tuple(each.shape)} and not a value a sample"


def _rows(extractor: FeatureExtractor, groups: Sequence[Tensor]) -> Tensor:
    batch = torch.stack([extractor.prepare(*pictures) for pictures in zip(*groups, strict=True)])
    rows = extractor.extract(batch).to(extractor.dtype)
    assert rows.shape == (len(batch), extractor.width), (
        f"rows are {tuple(rows.shape)} and not {(len(batch), extractor.width)}"
    )
    assert torch.allclose(extractor.extract(batch[:1]).to(extractor.dtype), rows[:1], rtol=1e-4), (
        "a row depends on its batch mates"
    )
    return rows


def _example_inputs(layers: Iterable[Any] = ()) -> dict[str, Any]:
    batch = example_batch()
    weight = torch.tensor(0.9, requires_grad=True)
    first, second = (weight * image for image in batch["source"].roll(1, 0).expand(2, 2, -1, -1, -1))
    second = second * 0.5

    def head(image: Tensor) -> HeadOutput:
        pooled = nn.functional.adaptive_avg_pool2d(image.square(), 2)
        return HeadOutput(pooled.mean(1, keepdim=True), pooled.flatten(1)[:, :2], (pooled,))

    heads = {"head": head, "fake_head": head}
    outputs = {"real_output": head(batch["target"]), "fake_output": head(first)}
    noise = {"noise": torch.ones(2, 4), "noise_alt": torch.zeros(2, 4)}
    pictures = {"fake": first, "fake_alt": second, "rec": first, "identity": second}
    seen = {"fake_features": dict.fromkeys(layers, first), "source_features": dict.fromkeys(layers, batch["source"])}
    styles = {"style_features": ((1.0, dict.fromkeys(layers, batch["target"])),)}
    return {**batch, **pictures, **heads, **outputs, **noise, **seen, **styles, "weight": weight}


def _check_alone(backbone: nn.Module, batch: dict[str, Any]) -> None:
    def translate(part: dict[str, Any]) -> Tensor:
        generation = PaddedGenerator(backbone, part)
        return generation(generation.noise_of(part["key"]))

    alone = translate({key: value[:1] for key, value in batch.items()})
    assert torch.allclose(translate(batch)[:1], alone, atol=1e-4), (
        "in eval a sample's picture depends on its batch mates"
    )


def _check_noise(backbone: nn.Module, batch: dict[str, Any]) -> None:
    generation = PaddedGenerator(backbone, batch)
    first = generation(generation.noise_of(batch["key"], 0))
    again = generation(generation.noise_of(batch["key"], 0))
    assert torch.equal(first, again), "one noise gives two pictures"
    assert not torch.equal(first, generation(generation.noise_of(batch["key"], 1))), "the noise has no effect"


def _check_state(network: nn.Module) -> None:
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    twin.load_state_dict(network.state_dict(), strict=True)
    for (name, a), b in zip(network.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.equal(a, b), f"{name} does not survive saving and loading"
