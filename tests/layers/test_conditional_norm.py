from __future__ import annotations

import pytest
import torch
from sketchkit_plugins.layers.conditional_norm import ConditionalBatchNorm2d, normalize
from sketchkit_plugins.layers.norm import make_norm
from torch import Tensor, nn


def test_train_mode_is_the_written_formula() -> None:
    norm = ConditionalBatchNorm2d(4, num_classes=3)
    nn.init.normal_(norm.beta.weight)
    x, label = torch.randn(5, 4, 6, 7) * 3 + 1, torch.tensor([0, 2, 1, 2, 0])
    out = norm(x, label)
    for b in range(5):
        for c in range(4):
            values = x[:, c]
            centered = (x[b, c] - values.mean()) / (values.var(unbiased=False) + 1e-5).sqrt()
            expected = norm.gamma.weight[label[b], c] * centered + norm.beta.weight[label[b], c]
            assert torch.allclose(out[b, c], expected, atol=1e-5)


def test_it_starts_near_the_identity_affine() -> None:
    norm = ConditionalBatchNorm2d(64, num_classes=125)
    gamma = norm.gamma.weight
    assert abs(gamma.mean().item() - 1) < 2e-3
    assert abs(gamma.std().item() - 0.02) < 2e-3
    assert not norm.beta.weight.any()


@pytest.mark.parametrize("name", ["conditional_batch", "batch", "instance", None])
def test_eval_output_does_not_depend_on_batch_mates(name: str | None) -> None:
    norm = make_norm(name, 4, affine=True, num_classes=3)
    x, label = torch.randn(5, 4, 8, 8), torch.tensor([0, 2, 1, 2, 0])
    normalize(norm, x, label)
    norm.eval()
    together = normalize(norm, x, label)
    alone = torch.cat([normalize(norm, x[i : i + 1], label[i : i + 1]) for i in range(5)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_train_statistics_follow_the_batch() -> None:
    norm = ConditionalBatchNorm2d(2, 1)
    x = torch.randn(16, 2, 4, 4) + 5
    norm(x, torch.zeros(16, dtype=torch.long))
    assert isinstance(norm.norm.running_mean, Tensor)
    assert torch.allclose(norm.norm.running_mean, 0.1 * x.mean((0, 2, 3)), atol=1e-5)
