"""The released discriminator: layers counted by hand, patches and class heads."""

from __future__ import annotations

import torch
from sketchkit_plugins.heads.mru_official_discriminator import OfficialMRUDiscriminator
from torch import nn


def conv(kernel: int, before: int, after: int) -> int:
    return kernel**2 * before * after + after


def v3(x: int, y: int) -> int:
    """Gate, image features, two convolutions, shortcut."""
    return conv(3, x + 3, x) + conv(3, 3, x) + conv(3, x, y) + conv(3, y, y) + conv(1, x, y)


def test_parameters_are_17_2_million_at_50_classes() -> None:
    trunk = conv(7, 3, 8) + v3(8, 128) + v3(128, 256) + v3(256, 512) + v3(512, 768)
    slopes = 1 + 3 * 4 + 1  # one PReLU after the stem, three a unit, one at the end
    expected = trunk + slopes + conv(1, 768, 1) + (768 * 50 + 50)
    assert expected == 17_178_977
    with torch.device("meta"):
        assert sum(p.numel() for p in OfficialMRUDiscriminator().parameters()) == expected


def narrow(**options: object) -> OfficialMRUDiscriminator:
    return OfficialMRUDiscriminator(width=2, num_classes=3, **options).eval()


def test_maps_lead_from_32_to_4_and_patches_follow_the_picture() -> None:
    head = narrow()
    out = head(torch.rand(2, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in out.features] == [(4, 32, 32), (8, 16, 16), (16, 8, 8), (24, 4, 4)]
    assert out.logits.shape == (2, 1, 4, 4)
    assert head(torch.rand(1, 3, 96, 64)).logits.shape == (1, 1, 6, 4)


def test_source_is_not_looked_at() -> None:
    head, image = narrow(), torch.rand(2, 3, 64, 64)
    assert torch.equal(head(image).logits, head(image, torch.rand(2, 3, 64, 64)).logits)


def test_class_logits_read_averaged_features() -> None:
    head = narrow()
    out = head(torch.rand(2, 3, 64, 64))
    assert isinstance(head.classes, nn.Linear)
    pooled = out.features[-1].flatten(2).mean(2)
    assert torch.allclose(out.class_logits, pooled @ head.classes.weight.T + head.classes.bias, atol=1e-6)


def test_projection_adds_the_inner_product_to_each_patch() -> None:
    head, label = narrow(class_head="projection"), torch.tensor([2, 0])
    out = head(torch.rand(2, 3, 64, 64), None, label)
    last, weight, bias = out.features[-1], head.real.weight[0, :, 0, 0], head.real.bias
    assert head.projection is not None
    assert bias is not None
    for b, y, x in ((0, 0, 0), (1, 3, 2)):
        place = last[b, :, y, x]
        expected = place @ weight + bias[0] + place @ head.projection.table.weight[label[b]]
        assert torch.allclose(out.logits[b, 0, y, x], expected, atol=1e-6)


def test_last_map_is_closed_by_a_prelu_of_slope_0_2() -> None:
    head = narrow()
    closing = head.trunk.last.activation
    assert torch.allclose(closing(torch.tensor([[-1.0], [2.0]])), torch.tensor([[-0.2], [2.0]]))
