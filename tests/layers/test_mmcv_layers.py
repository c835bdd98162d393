"""Layers named as MMCV names them, in every network that has such an option."""

from __future__ import annotations

import copy
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import MODELS as ROOT
from sketchkit_plugins.backbones.unet import UNetGenerator
from sketchkit_plugins.layers import norm as norms
from sketchkit_plugins.layers.activation import make_activation
from sketchkit_plugins.layers.norm import make_norm, needs_bias
from sketchkit_plugins.layers.upsampling import make_upsampling
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.config.load import load_config
from sketchkit.engine.train import model_config
from sketchkit.errors import ConfigError
from sketchkit.registry import BACKBONES, HEADS, MODELS
from sketchkit.testing import check_backbone, check_head
from tests.conftest import ROOT as FOLDER

GN = {"type": "GN", "num_groups": 4}


class Scaled(nn.Module):
    """A norm of a user's own: each channel divided by its largest value, times what is learned."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps, self.scale = eps, nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x / (x.abs().amax((2, 3), keepdim=True) + self.eps)


@pytest.fixture(params=[ROOT, MODELS], ids=["mmengine", "sketchkit"])
def scaled(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    request.param.register_module(name="Scaled", module=Scaled)
    yield {"type": "Scaled"}
    del request.param.module_dict["Scaled"]


def entries(option: str) -> list[Any]:
    named = [(place, name) for place in (BACKBONES, HEADS) for name in place.names()]
    built_in = [(place, name) for place, name in named if place.get(name).__module__.startswith("sketchkit_plugins")]
    return [(place, name) for place, name in built_in if option in inspect.signature(place.get(name)).parameters]


def build(place: Any, name: str, **options: Any) -> nn.Module:
    small = {"width": 8, "num_blocks": 1, "num_downs": 3, "num_classes": 3, "in_channels": 3, "out_channels": 4}
    small |= {"encoder": ((8,), (16,)), "decoder": ((8,),), "channels": (8, 16), "strides": (2, 2)}
    # A frozen network of random weights, small, without norms of its own.
    small |= {"network": "squeezenet1_1", "layers": (1, 4), "weights": None, "resize": 64}
    known = inspect.signature(place.get(name)).parameters
    return place.build({"type": name, **{key: value for key, value in small.items() if key in known}, **options})


@pytest.mark.parametrize(("place", "name"), entries("norm"))
def test_every_network_takes_a_norm_of_mmcv(place: Any, name: str) -> None:
    network = build(place, name, norm=GN)
    assert any(isinstance(module, nn.GroupNorm) for module in network.modules())
    assert not any(isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d) for module in network.modules())
    (check_backbone if place is BACKBONES else check_head)(network)


@pytest.mark.parametrize("option", ["activation", "down_activation", "up_activation"])
def test_every_network_takes_an_activation_of_mmcv(option: str) -> None:
    for place, name in entries(option):
        network = build(place, name, **{option: {"type": "ELU", "inplace": True}})
        (check_backbone if place is BACKBONES else check_head)(network)
        assert any(isinstance(module, nn.ELU) for module in network.modules())


def test_a_group_norm_is_torchs() -> None:
    layer, x = make_norm({**GN, "eps": 0.1}, 8), torch.randn(2, 8, 5, 6)
    assert layer.training
    assert torch.allclose(layer(x), nn.GroupNorm(4, 8, eps=0.1)(x))


def test_an_activation_is_torchs_and_the_network_says_whether_in_place() -> None:
    leaky = {"type": "LeakyReLU", "negative_slope": 0.3, "inplace": True}
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(make_activation(leaky)(x), F.leaky_relu(x, 0.3))
    assert not make_activation(leaky).inplace
    assert make_activation(leaky, inplace=True).inplace


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_interpolation_is_torchs_and_a_convolution_follows(mode: str) -> None:
    up, x = make_upsampling({"type": mode}, 2, 3, bias=False), torch.rand(1, 2, 3, 4)
    twice = F.pad(F.interpolate(x, scale_factor=2, mode=mode), (1, 1, 1, 1), mode="replicate")
    assert torch.allclose(up(x), F.conv2d(twice, up[1].weight), atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_learned_upsampling_is_told_of_channels_and_bias(bias: bool) -> None:
    up = make_upsampling({"type": "deconv", "kernel_size": 4, "stride": 2, "padding": 1}, 2, 3, bias=bias)
    assert (up.in_channels, up.out_channels, up.bias is not None) == (2, 3, bias)
    shuffle = make_upsampling({"type": "pixel_shuffle", "upsample_kernel": 3}, 2, 3)
    assert shuffle(torch.rand(1, 2, 3, 4)).shape == (1, 3, 6, 8)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (GN, False),
        ({**GN, "affine": False}, True),
        ({"type": "BN"}, False),
        ({"type": "SyncBN"}, False),
        ({"type": "IN"}, True),
        ({"type": "IN", "affine": True}, False),
    ],
)
def test_a_norm_with_an_offset_takes_the_place_of_the_bias(norm: dict[str, Any], expected: bool) -> None:
    assert needs_bias(norm) is expected
    assert needs_bias(norm, True) and not needs_bias(norm, False)


def test_a_norm_of_ones_own_trains(scaled: dict[str, Any]) -> None:
    network = UNetGenerator(width=2, num_downs=3, norm=scaled)
    assert network.encoder[1][1].bias is not None  # it has no option `affine`
    average, source = copy.deepcopy(network), torch.rand(2, 3, 16, 16)
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        network(source).square().mean().backward()
        optimizer.step()
    scales = [module.scale for module in network.modules() if isinstance(module, Scaled)]
    assert len(scales) == 3
    assert all(scale.ne(1).all() for scale in scales)
    average.load_state_dict(network.state_dict())
    assert torch.equal(average.eval()(source), network.eval()(source))


def test_a_layer_in_a_config_survives_it(tmp_path: Path) -> None:
    words = ["backbone.norm=dict(type='GN',num_groups=8)", "backbone.width=8", "heads.discriminator.width=8"]
    words += ["heads.discriminator.norm=dict(type='BN',requires_grad=False)", "backbone.norm.num_groups=4"]
    config = load_config(FOLDER / "configs/pix2pix_facades.py", words)
    assert config.backbone.norm == GN
    model = MODELS.build(model_config(config))
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    again = MODELS.build(model_config(load_config(tmp_path / "config.json", trains=False)))
    again.load_state_dict(model.state_dict())
    groups = [module.num_groups for module in again.backbone.modules() if isinstance(module, nn.GroupNorm)]
    assert groups == [4] * 13


def test_synchronized_batch_norm_is_batch_norm_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = make_norm({"type": "SyncBN"}, 4), torch.randn(2, 4, 5, 6)
    assert torch.allclose(layer(x), nn.BatchNorm2d(4)(x))
    monkeypatch.setattr(norms, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"SyncBN.*: torch synchronizes it on GPUs alone: train on those"):
        make_norm({"type": "SyncBN"}, 4)


@pytest.mark.parametrize(
    ("option", "layer", "said"),
    [
        ("norm", {"type": "GNN"}, "norm=.*'GNN'}: no model is named 'GNN': did you mean 'GN'?"),
        ("norm", {"num_groups": 2}, "norm=.*: give the name of a layer as its type"),
        ("norm", {"type": "GN"}, "norm=.*: GroupNorm needs the option 'num_groups'"),
        ("norm", {"type": "GN", "num_group": 2}, "GroupNorm has no option 'num_group': did you mean 'num_groups'?"),
        ("norm", {"type": "GN", "num_groups": 3}, "norm=.*: num_channels .* must be divisible by num_groups"),
        ("norm", {"type": "LN"}, "norm=.*: Given normalized_shape"),
        ("norm", {"type": "BN1d"}, "norm=.*: expected 2D or 3D input"),
        ("norm", {"type": "this"}, "no model is named 'this'"),
        ("norm", {"type": "this.s"}, "no model is named 'this.s'"),
        ("norm", {"type": "batch"}, "no model is named 'batch'"),
        ("upsampling", {"type": "pixelshuffle"}, "did you mean 'pixel_shuffle'"),
        ("upsampling", {"type": "deconv"}, "upsampling=.*: ConvTranspose2d needs the option 'kernel_size'"),
        ("upsampling", {"type": "nearest", "scale_factor": 3}, r"makes \(1, 3, 6, 9\) of \(1, 4, 2, 3\), not"),
        ("up_activation", {"type": "Relu"}, "activation=.*: no model is named 'Relu': did you mean 'ReLU'?"),
        ("up_activation", {"type": "PReLU", "num_parameters": 3}, "activation=.*: Mismatch of parameter numbers"),
        ("up_activation", "rellu", "activation='rellu' is not a choice: did you mean 'relu'"),
    ],
)
def test_what_makes_no_layer_is_explained_in_a_line(option: str, layer: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        UNetGenerator(width=2, num_downs=2, **{option: layer})
    assert "\n" not in str(caught.value)
    assert "this" not in sys.modules


def test_mmcv_is_not_imported_for_short_names() -> None:
    script = (
        "import sys\nfrom sketchkit_plugins.backbones.unet import UNetGenerator\n"
        "from sketchkit_plugins.layers import activation, initialize, norm, upsampling\n"
        "UNetGenerator(width=2, num_downs=2)\n"
        "assert 'mmcv' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
