"""The loss under hints against numpy's weighted mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sketchkit_plugins.losses.hint import HintLoss
from torch import Tensor


@pytest.fixture
def hint(fake: Tensor) -> Tensor:
    """Colours that do not matter, and soft alpha; none over the first picture's upper half."""
    hint = torch.rand(len(fake), 4, *fake.shape[-2:], dtype=fake.dtype)
    hint[0, 3, :2] = 0
    return hint


def test_it_is_the_mean_difference_by_alpha_of_each_picture(fake: Tensor, target: Tensor, hint: Tensor) -> None:
    assert (hint[:, 3].sum((1, 2)) > 1).all()
    pairs = zip((fake - target).abs().numpy(), hint[:, 3].numpy(), strict=True)
    expected = np.mean([np.average(off.mean(0), weights=alpha) for off, alpha in pairs])
    assert HintLoss()(fake, target, hint).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda image: HintLoss()(image, target, hint), (fake.requires_grad_(),))


def test_less_than_a_pixel_counts_by_what_it_covers_and_nothing_counts_nothing() -> None:
    fake, target, hint = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5), torch.zeros(2, 4, 4, 4)
    hint[0, 3, 1, 1] = 0.3  # 0.3 x 0.5, over two pictures
    assert HintLoss()(fake, target, hint).item() == pytest.approx(0.075)
    fake.requires_grad_()
    HintLoss()(fake, target, torch.zeros_like(hint)).backward()
    assert (fake.grad == 0).all()
