"""The Sketch2Img discriminator: layers counted by hand, and its two kinds of class head."""

from __future__ import annotations

import pytest
import torch
from sketchkit_plugins.heads.mru_discriminator import MRUDiscriminator
from torch import Tensor, nn

from sketchkit.errors import ConfigError


def conv3(before: int, after: int) -> int:
    return 9 * before * after + after


def unit(x: int, image: int, y: int) -> int:
    """Mask m, mask n, new features, x path."""
    return conv3(x + image, x) + conv3(x + image, y) + conv3(x + image, y) + conv3(x, y)


def count(**options: object) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in MRUDiscriminator(**options).parameters())


def test_parameters_are_10_0_million_at_125_classes() -> None:
    units = unit(6, 6, 64) + unit(64, 6, 128) + unit(128, 6, 256) + unit(256, 6, 512)
    downs = sum(4 * c * c + c for c in (64, 128, 256))
    flat = 512 * 8 * 8
    expected = units + downs + (flat + 1) + (125 * flat + 125)
    assert expected == 10_034_636
    assert count() == count(spectral_norm=False) == expected
    assert count(class_head=None, spectral_norm=False) == expected - (125 * flat + 125)
    assert count(class_head="projection", spectral_norm=False) == expected - (125 * flat + 125) + 125 * 512
    assert count(norm="batch", spectral_norm=False) == expected + 2 * 2 * (64 + 128 + 256 + 512)


def narrow(**options: object) -> MRUDiscriminator:
    return MRUDiscriminator(image_size=16, width=2, num_classes=3, **options).eval()


def test_trunk_starts_from_and_sees_picture_and_sketch() -> None:
    head = narrow()
    seen: list[tuple[Tensor, ...]] = []
    for layer in head.trunk.units:
        layer.register_forward_pre_hook(lambda _, args: seen.append(args))
    image, source = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    head(image, source)
    joint = torch.cat([image, source], 1)
    assert torch.equal(seen[0][0], joint)
    assert torch.equal(seen[0][1], joint)
    assert torch.allclose(seen[1][1], joint.reshape(2, 6, 8, 2, 8, 2).mean((3, 5)), atol=1e-6)


def test_linear_heads_read_the_flattened_last_map() -> None:
    head = narrow()
    out = head(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
    flat = out.features[-1].reshape(2, -1)
    assert isinstance(head.classes, nn.Linear)
    assert torch.allclose(out.logits, flat @ head.real.weight.T + head.real.bias, atol=1e-6)
    assert torch.allclose(out.class_logits, flat @ head.classes.weight.T + head.classes.bias, atol=1e-6)


def test_projection_adds_the_class_vector_times_pooled_features() -> None:
    head = narrow(class_head="projection")
    label = torch.tensor([2, 0])
    out = head(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), label)
    last = out.features[-1]
    assert head.projection is not None
    for b in range(2):
        plain = last[b].flatten() @ head.real.weight[0] + head.real.bias[0]
        vector = head.projection.table.weight[label[b]]
        inner = sum(vector[c] * last[b, c].mean() for c in range(len(vector)))
        assert torch.allclose(out.logits[b, 0], plain + inner, atol=1e-6)


def test_picture_alone() -> None:
    head = narrow(source_channels=0)
    image = torch.rand(2, 3, 16, 16)
    assert torch.equal(head(image).logits, head(image, torch.rand(2, 3, 16, 16)).logits)


def test_a_missing_sketch_and_a_wrong_size_are_explained() -> None:
    with pytest.raises(ConfigError, match="give source"):
        narrow()(torch.rand(2, 3, 16, 16))
    with pytest.raises(ConfigError, match="built for 16x16 and got 32x16"):
        narrow()(torch.rand(2, 3, 32, 16), torch.rand(2, 3, 32, 16))


def test_conditional_norm_is_refused() -> None:
    with pytest.raises(ConfigError, match="norm='conditional_batch'"):
        narrow(norm="conditional_batch")
