"""The plain discriminators of recolouring: the seed's tables, the layers by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sketchkit_plugins.heads.convolutional import ConvDiscriminator
from torch import nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError
from sketchkit.registry import HEADS

SIMPLE = {"image_size": 150, "source_channels": 1}
NORMAL = {
    "image_size": 168,
    "channels": [32, 64, 128, 256, 256],
    "strides": [2, 2, 1, 1, 1],
    "norm_first": True,
    "image_channels": 2,
    "source_channels": 1,
    "complete_with_source": True,
}
TINY: dict[str, Any] = {"image_size": 9, "channels": (2, 3), "strides": (2, 1)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SIMPLE, 140_129),
        (NORMAL, 1_431_841),
        ({**NORMAL, "norm_first": False}, 1_431_841 - 2 * 32),
        ({**SIMPLE, "norm": "instance", "spectral_norm": True}, 140_129 - 2 * (64 + 128)),
    ],
)
def test_parameters(options: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        head = HEADS.build({"type": "ConvDiscriminator", **options})
    assert sum(p.numel() for p in head.parameters()) == expected


@pytest.mark.parametrize(("options", "sides"), [(SIMPLE, [75, 38, 19]), (NORMAL, [84, 42, 42, 42, 42])])
def test_maps_and_logits(options: dict[str, Any], sides: list[int]) -> None:
    with torch.device("meta"):
        head = ConvDiscriminator(**options)
        size = head.image_size
        image = torch.rand(2, options.get("image_channels", 3), size, size)
        out = head(image, torch.rand(2, 1, size, size))
    assert out.logits.shape == (2, 1)
    assert [m.shape[-1] for m in out.features] == sides


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_data_takes_the_described_way(complete: bool, norm_first: bool) -> None:
    options = {"image_channels": 2, "source_channels": 1, "complete_with_source": complete, "norm_first": norm_first}
    head = ConvDiscriminator(**TINY, **options, norm="instance", init="kaiming")
    first, second = (m for m in head.modules() if isinstance(m, nn.Conv2d))
    nn.init.normal_(first.bias)
    image, source = torch.rand(3, 2, 9, 9), torch.rand(3, 1, 9, 9)
    seen = torch.cat([source, source, image] if complete else [source, image], 1)
    a = F.conv2d(seen, first.weight, first.bias, stride=2, padding=1)
    a = F.leaky_relu(F.instance_norm(a) if norm_first else a, 0.2)
    b = F.leaky_relu(F.instance_norm(F.conv2d(a, second.weight, second.bias, padding=1)), 0.2)
    out = head(image, source)
    assert torch.allclose(out.logits, b.reshape(3, -1) @ head.real.weight.T + head.real.bias, atol=1e-5)
    assert all(torch.allclose(f, e, atol=1e-5) for f, e in zip(out.features, (a, b), strict=True))


def test_picture_alone() -> None:
    head, image = ConvDiscriminator(**TINY, source_channels=0), torch.rand(2, 3, 9, 9)
    assert torch.equal(head(image).logits, head(image, torch.rand(2, 3, 9, 9)).logits)


def test_spectral_norm_bounds_every_layer() -> None:
    head, image = ConvDiscriminator(**TINY, spectral_norm=True, source_channels=0), torch.rand(2, 3, 9, 9)
    for _ in range(100):
        head(image)
    for layer in (m for m in head.eval().modules() if isinstance(m, (nn.Conv2d, nn.Linear))):
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_gradients_reach_every_weight() -> None:
    head = ConvDiscriminator(**TINY, norm=None)
    head(torch.rand(2, 3, 9, 9), torch.rand(2, 3, 9, 9)).logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in head.parameters())


def test_another_size_and_a_missing_source_are_explained() -> None:
    head = ConvDiscriminator(**TINY)
    with pytest.raises(ConfigError, match="ConvDiscriminator was built for 9x9 and got 9x8: set its image_size"):
        head(torch.rand(1, 3, 9, 8), torch.rand(1, 3, 9, 8))
    with pytest.raises(ConfigError, match="ConvDiscriminator needs the source"):
        head(torch.rand(1, 3, 9, 9))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strides": (2,)}, r"channels=\(2, 3\), strides=\(2,\): give each convolution one of both"),
        ({"channels": (), "strides": ()}, "give each convolution"),
        ({"strides": (2, 0)}, "give each convolution"),
        ({"image_size": 2}, r"image_size=2 with strides=\(2, 1\) leaves one pixel"),
        ({"source_channels": 0, "complete_with_source": True}, "needs a source"),
        ({"norm": "bach"}, "did you mean 'batch'"),
    ],
)
def test_impossible_options_are_explained(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ConvDiscriminator(**{**TINY, **options})
