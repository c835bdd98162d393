"""Small heads and pictures that the loss tests share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sketchkit.registry import HeadOutput


class SmoothHead(nn.Module):
    """A convolutional head without batch statistics, smooth so that finite differences hold; float64."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 1, 2)).double()

    def forward(self, image: Tensor) -> HeadOutput:
        return HeadOutput(self.body(image))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def head() -> SmoothHead:
    return SmoothHead()


@pytest.fixture
def target() -> Tensor:
    return torch.rand(3, 2, 4, 4, dtype=torch.float64) * 2 - 1


@pytest.fixture
def fake() -> Tensor:
    return torch.rand(3, 2, 4, 4, dtype=torch.float64) * 2 - 1
