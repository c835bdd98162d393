"""Training steps on a GPU that is not there: every tensor is on its device, and no value is fetched from it.

PyTorch's fake tensors know on which device a result would be, and refuse to be read. Gradients are zeros here, as
PyTorch's engine wants the real device for them.
"""

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorDeviceMismatchError, FakeTensorMode

from sketchkit.engine.optimizers import SyncedOptimWrapper
from sketchkit.engine.runner import on_device
from tools.gpu.systems import trained_configs

pytestmark = pytest.mark.slow


@pytest.fixture
def gpu(monkeypatch):
    """A fake GPU for the test's time, on which gradients lie where their parameters do."""

    def backward(wrapper, loss, **_):
        assert loss.device.type == "cuda" and loss.requires_grad
        for parameter in (one for group in wrapper.param_groups for one in group["params"]):
            parameter.grad = torch.zeros_like(parameter)

    def grad(outputs, inputs, **_):
        return (torch.zeros_like(inputs),)

    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        monkeypatch.setattr(SyncedOptimWrapper, "backward", backward)
        monkeypatch.setattr(torch.autograd, "grad", grad)
        yield mode


def steps(system, gpu):
    on_device(system.model, "cuda")
    for _ in range(2):
        values = system.step()
    assert {value.device.type for value in values.values()} == {"cuda"}


@pytest.fixture
def made(system_of):
    """Built before there is a GPU, as a runner does, without what is decided on the host."""
    # The coin is tossed there, and fake tensors refuse to be read wherever they lie.
    on_host = {"fastcut_apple2orange": ["translator.flip_equivariance=False"]}
    # An average counts there, and has a test of its own.
    return lambda name, *more: system_of(name, "+translator.ema=None", *on_host.get(name, []), *more)


@pytest.fixture(params=trained_configs())
def system(request, made):
    return made(request.param)


def test_a_step_stays_on_the_device(system, gpu):
    steps(system, gpu)


def test_gradients_are_clipped_there(made, request):
    system = made("sketchygan_sketchy", "+optim_wrapper.clip_grad=dict(max_norm=1.0)")
    steps(system, request.getfixturevalue("gpu"))


class Fetches(nn.Module):
    def forward(self, fake):
        return fake.mean() * (1.0 if fake.abs().max() > 0 else 2.0)


class StaysBehind(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = torch.ones(1, 3, 1, 1)

    def forward(self, fake):
        return (fake * self.kernel).mean()


@pytest.mark.parametrize(
    ("loss", "error"), [(Fetches(), DataDependentOutputException), (StaysBehind(), FakeTensorDeviceMismatchError)]
)
def test_what_is_wrong_is_seen(made, request, loss, error):
    system = made("pix2pix_facades")
    system.model.generator_objective.losses["pixel"] = loss
    system.model.generator_objective.needs["pixel"] = ("fake",)
    with pytest.raises((error, RuntimeError), match=r"local_scalar_dense|cpu|same device"):
        steps(system, request.getfixturevalue("gpu"))


def test_an_average_counts_on_the_host():
    """mmengine asks the count whether it is 0, every iteration."""
    average = ExponentialMovingAverage(nn.Conv2d(3, 3, 1))
    on_device(nn.ModuleDict({"average": average}), "meta")
    assert average.steps.device.type == "cpu" and average.module.weight.device.type == "meta"
