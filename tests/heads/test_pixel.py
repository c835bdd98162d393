"""The pixel discriminator: published counts, and a logit that sees one pixel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sketchkit_plugins.heads.pixel import PixelDiscriminator
from torch import nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError
from sketchkit.registry import HEADS


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"source_channels": 0}, 8_832),
        ({}, 9_024),
        ({"source_channels": 0, "norm": "instance"}, 8_705),
        ({"norm": "instance"}, 8_897),
        ({"norm": None}, 8_897),
    ],
)
def test_parameters(options: dict[str, Any], expected: int) -> None:
    head = HEADS.build({"type": "PixelDiscriminator", **options})
    assert sum(p.numel() for p in head.parameters()) == expected


def test_data_takes_the_published_way() -> None:
    head = PixelDiscriminator(width=3, norm="instance", init="kaiming")
    convs = [m for m in head.modules() if isinstance(m, nn.Conv2d)]
    for conv in convs:
        nn.init.normal_(conv.bias)
    image, source = torch.rand(2, 3, 5, 7), torch.rand(2, 3, 5, 7)
    first = F.leaky_relu(F.conv2d(torch.cat([source, image], 1), convs[0].weight, convs[0].bias), 0.2)
    second = F.leaky_relu(F.instance_norm(F.conv2d(first, convs[1].weight, convs[1].bias)), 0.2)
    out = head(image, source)
    assert torch.allclose(out.logits, F.conv2d(second, convs[2].weight, convs[2].bias), atol=1e-5)
    assert [tuple(m.shape) for m in out.features] == [(2, 3, 5, 7), (2, 6, 5, 7)]
    assert torch.allclose(out.features[1], second, atol=1e-5)


def test_a_logit_judges_one_pixel() -> None:
    image = torch.rand(1, 3, 6, 6, requires_grad=True)
    PixelDiscriminator(width=4, norm=None, source_channels=0)(image).logits[0, 0, 2, 3].backward()
    assert image.grad is not None
    assert image.grad[0].any(0).nonzero().tolist() == [[2, 3]]


def test_a_missing_source_is_explained() -> None:
    with pytest.raises(ConfigError, match="PixelDiscriminator needs the source"):
        PixelDiscriminator(width=1)(torch.rand(1, 3, 4, 4))


@pytest.mark.parametrize(("options", "said"), [({"width": 0}, "width=0"), ({"norm": "bach"}, "did you mean 'batch'")])
def test_impossible_options_are_explained(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PixelDiscriminator(**options)
