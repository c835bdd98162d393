"""LPIPS as a loss against the package `lpips`, whose trunk is given the same weights; real ones where the files are."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import lpips
import pytest
import torch
from sketchkit_plugins.losses.lpips import LPIPSLoss, _unit
from sketchkit_plugins.metrics.lpips_extractor import read_heads
from torch import Tensor

from sketchkit.engine.uninitialized import undrawn
from sketchkit.errors import ConfigError

DATA = Path(os.environ.get("SKETCHKIT_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
SHARED = DATA.parent / "weights"


def package(loss: LPIPSLoss, net: str) -> lpips.LPIPS:
    """The package's metric with the loss's trunk; its slices keep torchvision's numbering."""
    with warnings.catch_warnings(), undrawn():
        warnings.simplefilter("ignore")
        metric = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    state = loss.features.network.stages.state_dict()
    with torch.no_grad():
        for part in metric.net.children():
            for name, parameter in part.named_parameters():
                parameter.copy_(state[name])
    return metric


def pictures(side: int = 40) -> tuple[Tensor, Tensor]:
    return tuple(torch.rand(2, 2, 3, side, side + 7) * 2 - 1)  # type: ignore[return-value]


def check(loss: LPIPSLoss, net: str) -> None:
    metric = package(loss, net)
    fake, target = pictures()
    ours, theirs = (image.clone().requires_grad_() for image in (fake, fake))
    value, expected = loss(ours, target), metric(theirs, target).mean()
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-7)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3 * float(theirs.grad.abs().max()))


def test_a_metric_that_asks_first_leaves_heads_to_learn_by() -> None:
    read_heads.cache_clear()
    with torch.inference_mode():
        read_heads("alex")
    check(LPIPSLoss("alex", weights=None), "alex")


@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
def test_it_is_the_package_s(net: str) -> None:
    check(LPIPSLoss(net, weights=None), net)


@pytest.mark.parametrize(("net", "network"), [("alex", "alexnet"), ("squeeze", "squeezenet1_1")])
def test_it_is_the_package_s_with_real_weights(net: str, network: str) -> None:
    file = SHARED / f"{network}_features.pth"
    if not file.is_file():
        pytest.skip(f"no real weights at {file}")
    check(LPIPSLoss(net, weights=file), net)


def test_where_nothing_is_seen_there_is_no_nan() -> None:
    maps = torch.zeros(1, 3, 2, 2).requires_grad_()
    _unit(maps).sum().backward()
    assert maps.grad.isfinite().all() and not _unit(maps).any()


def test_sizes_too_small_are_refused_or_resized() -> None:
    fake, target = pictures(16)
    with pytest.raises(ConfigError, match="32 pixels or more and got 16: set resize=64"):
        LPIPSLoss("squeeze", weights=None)(fake, target)
    assert LPIPSLoss("squeeze", weights=None, resize=64)(fake, target) > 0


def test_nothing_of_it_is_saved_or_trained() -> None:
    loss = LPIPSLoss("squeeze", weights=None)
    assert not loss.state_dict() and not list(loss.parameters())
