"""Under `--deterministic` no operation runs whose CUDA kernel is not repeatable; the forms in their place are equal."""

import os

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from sketchkit.cli.train import command as train_command
from sketchkit.deterministic import deterministic_algorithms, reflection_pad, resize_bilinear
from tools.gpu.systems import trained_configs

pytestmark = pytest.mark.slow

# What `torch.use_deterministic_algorithms` documents as refused on a GPU, by the operations that PyTorch dispatches.
# Plain bilinear resizing is not among them: on a GPU `F.interpolate` then takes another way by itself.
REFUSED = (
    "avg_pool3d_backward", "_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward", "nll_loss2d_forward",
    "adaptive_max_pool2d_backward", "fractional_max_pool2d_backward", "max_unpool2d", "upsample_linear1d_backward",
    "upsample_bicubic2d_backward", "upsample_trilinear3d_backward", "_upsample_bilinear2d_aa_backward",
    "_upsample_bicubic2d_aa_backward", "reflection_pad1d_backward", "reflection_pad2d_backward", "put_", "histc",
    "reflection_pad3d_backward", "_ctc_loss_backward", "bincount", "kthvalue", "median", "grid_sampler_2d_backward",
)  # fmt: skip


class Recorder(TorchDispatchMode):
    """The names of the operations that run."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def repeatable():
    with deterministic_algorithms(True):
        yield


@pytest.mark.parametrize("border", [1, 3])
def test_reflection_is_pytorchs(repeatable, border):
    ours, theirs = (torch.rand(2, 3, 5, 9, dtype=torch.double).requires_grad_() for _ in range(2))
    theirs.data.copy_(ours.data)
    padded, expected = reflection_pad(ours, border), F.pad(theirs, (border,) * 4, mode="reflect")
    assert torch.equal(padded, expected)
    slope = torch.rand_like(expected)
    (padded * slope).sum().backward()
    (expected * slope).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-12)


@pytest.mark.parametrize("size", [(3, 4), (17, 5), (40, 31)])
def test_resizing_is_pytorchs(repeatable, size):
    ours, theirs = (torch.rand(2, 3, 16, 12, dtype=torch.double).requires_grad_() for _ in range(2))
    theirs.data.copy_(ours.data)
    expected = F.interpolate(theirs, size, mode="bilinear", align_corners=False, antialias=True)
    resized = resize_bilinear(ours, size)
    assert torch.allclose(resized, expected, atol=1e-12)
    slope = torch.rand_like(expected)
    (resized * slope).sum().backward()
    (expected * slope).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-12)


@pytest.mark.parametrize("name", trained_configs())
def test_a_step_asks_for_nothing_that_a_gpu_refuses(name, system_of, repeatable):
    system = system_of(name)
    with Recorder() as recorder:
        values = system.step()
    assert all(bool(value.isfinite()) for value in values.values()), values
    assert "convolution_backward" in recorder.names
    assert not recorder.names.intersection(REFUSED)


def test_without_it_a_step_does(system_of):
    system = system_of("cyclegan_apple2orange")
    with Recorder() as recorder:
        system.step()
    assert "reflection_pad2d_backward" in recorder.names


def test_the_setting_is_put_back_also_after_an_error(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with pytest.raises(RuntimeError, match="planted"), deterministic_algorithms(True):
        assert torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.deterministic
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        raise RuntimeError("planted")
    assert not torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.deterministic


def test_the_option_reaches_the_run(monkeypatch):
    seen = {}
    monkeypatch.setattr("sketchkit.engine.train.train", lambda config, *_: seen.update(config.to_dict()))
    train_command.main(["configs/sketchygan_demo.py", "--deterministic"], standalone_mode=False)
    assert seen["randomness"]["deterministic"] is True and seen["env_cfg"]["cudnn_benchmark"] is False
