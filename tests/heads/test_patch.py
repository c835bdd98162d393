"""The PatchGAN: published counts, its layers by hand, patches, and receptive fields by the gradient's extent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sketchkit_plugins.heads.patch import PatchDiscriminator
from torch import nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError
from sketchkit.registry import HEADS

SEED = {"num_layers": 4, "last_kernel": 2, "bias": True}


@pytest.mark.parametrize(
    ("options", "batch", "instance"),
    [
        ({"source_channels": 0}, 2_765_633, 2_764_737),
        ({}, 2_768_705, 2_767_809),
        ({"num_layers": 1}, 139_585, 139_457),
        ({"num_layers": 2}, 666_433, 666_049),
        ({"num_layers": 4}, 6_964_033, 6_962_625),
        ({"num_layers": 5}, 11_159_361, 11_157_441),
        ({"image_channels": 2, "source_channels": 1}, 2_765_633, 2_764_737),  # recolouring's complex net
        ({"spectral_norm": True}, 2_768_705, 2_767_809),
    ],
)
def test_parameters(options: dict[str, Any], batch: int, instance: int) -> None:
    assert count(**options) == batch
    assert count(**options, norm="instance") == instance


def test_parameters_of_auto_painters_seed() -> None:
    assert count(**SEED) == 3_813_569


def count(**options: Any) -> int:
    with torch.device("meta"):
        head = HEADS.build({"type": "PatchDiscriminator", **options})
    return sum(p.numel() for p in head.parameters())


@pytest.mark.parametrize(
    ("options", "size", "patches"),
    [({"num_layers": 4}, 512, 30), (SEED, 512, 30), ({}, 256, 30), ({}, 512, 62), ({"num_layers": 1}, 16, 6),
     ({"antialias": True}, 256, 30), ({"antialias": True, "num_layers": 1}, 16, 6),
     ({"kernel": 3, "last_kernel": 3}, 512, 64)],
)  # fmt: skip
def test_patches(options: dict[str, Any], size: int, patches: int) -> None:
    with torch.device("meta"):
        head, picture = PatchDiscriminator(**options), torch.rand(1, 3, size, size)
        assert head(picture, picture).logits.shape == (1, 1, patches, patches)


@pytest.mark.parametrize(
    ("options", "side"),
    [({"num_layers": 1}, 16), ({"num_layers": 2}, 34), ({}, 70), ({"num_layers": 4}, 142), (SEED, 78)],
)
def test_a_logit_judges_a_square(options: dict[str, Any], side: int) -> None:
    head = PatchDiscriminator(**{**options, "norm": None}, width=1, image_channels=1, source_channels=0)
    for parameter in head.parameters():
        nn.init.constant_(parameter, 0.5)  # positive: nothing cancels out
    image = torch.rand(1, 1, 256, 256, requires_grad=True)
    logits = head(image).logits
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert image.grad is not None
    rows, columns = (image.grad[0, 0].any(dim).nonzero().flatten() for dim in (1, 0))
    assert len(rows) == len(columns) == side
    assert (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) == (side, side)


@pytest.mark.parametrize(("kernel", "padding"), [(4, 1), (2, 0)])
def test_data_takes_the_published_way(kernel: int, padding: int) -> None:
    head = PatchDiscriminator(num_layers=2, width=2, norm="instance", last_kernel=kernel, init="kaiming")
    convs = [m for m in head.modules() if isinstance(m, nn.Conv2d)]
    for conv in convs:
        nn.init.normal_(conv.bias)
    image, source = torch.rand(2, 3, 16, 20), torch.rand(2, 3, 16, 20)
    (w0, b0), (w1, b1), (w2, b2), (w3, b3) = ((conv.weight, conv.bias) for conv in convs)
    f0 = F.leaky_relu(F.conv2d(torch.cat([source, image], 1), w0, b0, stride=2, padding=1), 0.2)
    f1 = F.leaky_relu(F.instance_norm(F.conv2d(f0, w1, b1, stride=2, padding=1)), 0.2)
    f2 = F.leaky_relu(F.instance_norm(F.conv2d(f1, w2, b2, padding=padding)), 0.2)
    out = head(image, source)
    assert torch.allclose(out.logits, F.conv2d(f2, w3, b3, padding=padding), atol=1e-5)
    assert len(out.features) == 3
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(out.features, (f0, f1, f2), strict=True))


def test_widths_stop_at_eight_times_the_first() -> None:
    head = PatchDiscriminator(num_layers=5, width=2)
    convs = [m for m in head.modules() if isinstance(m, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [2, 4, 8, 16, 16, 16, 1]


@pytest.mark.parametrize(
    ("norm", "bias", "between"),
    [("batch", None, False), ("instance", None, True), (None, None, True), ("batch", True, True), (None, False, False)],
)
def test_first_and_last_convolution_always_have_a_bias(norm: str | None, bias: bool | None, between: bool) -> None:
    head = PatchDiscriminator(width=2, norm=norm, bias=bias)
    convs = [m for m in head.modules() if isinstance(m, nn.Conv2d)]
    assert [conv.bias is not None for conv in convs] == [True, between, between, between, True]


def test_picture_alone() -> None:
    head, image = PatchDiscriminator(width=2, source_channels=0), torch.rand(2, 3, 32, 32)
    assert torch.equal(head(image).logits, head(image, torch.rand(2, 3, 32, 32)).logits)


def test_spectral_norm_bounds_every_convolution() -> None:
    head = PatchDiscriminator(width=4, num_layers=2, source_channels=0, spectral_norm=True)
    for _ in range(100):
        head(torch.rand(2, 3, 24, 24))
    for conv in (m for m in head.eval().modules() if isinstance(m, nn.Conv2d)):
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_gradients_reach_every_weight() -> None:
    head = PatchDiscriminator(width=2, norm=None)
    head(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)).logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in head.parameters())


@pytest.mark.parametrize(("options", "least"), [({"num_layers": 1}, 6), ({}, 24), ({"num_layers": 4}, 48), (SEED, 48)])
def test_the_least_size_gives_one_patch_and_the_one_below_is_explained(options: dict[str, Any], least: int) -> None:
    head = PatchDiscriminator(**options, width=1, source_channels=0)
    assert head(torch.rand(1, 3, least, least)).logits.shape == (1, 1, 1, 1)
    with pytest.raises(ConfigError, match=rf"needs {least}x{least} pixels or more and got {least}x{least - 1}: lower"):
        head(torch.rand(1, 3, least, least - 1))


def test_a_missing_source_is_explained() -> None:
    with pytest.raises(ConfigError, match="PatchDiscriminator needs the source: give source, or build it with"):
        PatchDiscriminator(width=1)(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_layers": 0}, "num_layers=0 .*PixelDiscriminator"),
        ({"width": 0}, "width=0"),
        ({"last_kernel": 5}, "last_kernel=5: give"),
        ({"kernel": 5}, "kernel=5, .*give 3 or 4"),
        ({"norm": "group"}, "norm='group' is not a choice"),
        ({"init": "xavir"}, "did you mean 'xavier'"),
    ],
)
def test_impossible_options_are_explained(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PatchDiscriminator(**{"width": 1, **options})
