"""Classes, noise and attention in U-Net and ResNet."""

import pytest
import torch
from torch import nn

from sketchkit.errors import ConfigError
from sketchkit.registry import BACKBONES
from sketchkit.testing import check_backbone
from sketchkit.translators.padding import PaddedGenerator, hint_channels, takes
from tests.backbones.test_receptive_radius import build

UNET = dict(type="UNetGenerator", width=8, num_downs=3)
RESNET = dict(type="ResNetGenerator", width=8, num_blocks=2)
NETWORKS = pytest.mark.parametrize("network", [UNET, RESNET], ids=["unet", "resnet"])
NORMS = pytest.mark.parametrize("norm", ["batch", "instance", "conditional_batch", "spade"])


def batch(count=2):
    return {
        "source": torch.rand(count, 3, 32, 32),
        "label": torch.arange(count) % 2,
        "key": [str(i) for i in range(count)],
    }


@NETWORKS
@NORMS
def test_all_of_it_together_holds_to_the_contract(network, norm):
    more = {"attention": [1], "final_width": 4} if network is UNET else {"attention": True}
    more["hint_channels"] = 4
    check_backbone(BACKBONES.build({**network, **more, "norm": norm, "num_classes": 2, "noise_channels": 3}))


@NETWORKS
@NORMS
@torch.no_grad()
def test_class_and_noise_change_the_picture(network, norm):
    net = build({**network, "norm": norm, "num_classes": 2, "noise_channels": 3}).eval()
    source, noise = torch.rand(1, 3, 32, 32), torch.randn(1, 3)
    if norm == "conditional_batch":
        for table in (layer for layer in net.modules() if isinstance(layer, nn.Embedding)):
            nn.init.normal_(table.weight)
    first = net(source, label=torch.tensor([0]), noise=noise)
    assert (first - net(source, label=torch.tensor([1]), noise=noise)).abs().mean() > 1e-3
    assert (first - net(source, label=torch.tensor([0]), noise=-noise)).abs().mean() > 1e-3
    assert torch.equal(first, net.decode(net.encode(source, label=torch.tensor([0])), noise))


@NETWORKS
def test_a_network_takes_what_it_was_built_for(network):
    plain, whole = BACKBONES.build(network), BACKBONES.build({**network, "num_classes": 2, "noise_channels": 3})
    assert [takes(plain, name) for name in ("label", "noise", "hint")] == [False, False, False]
    assert [takes(whole, name) for name in ("label", "noise", "hint")] == [True, True, False]
    assert PaddedGenerator(plain, batch()).noise_of(["a", "b"]) is None
    assert PaddedGenerator(whole, batch()).noise_of(["a", "b"]).shape == (2, 3)


def test_a_network_that_takes_a_hint_says_of_how_many_channels():
    class Silent(nn.Module):
        def forward(self, source, *, hint=None):
            return source

    with pytest.raises(ConfigError, match="Silent takes a hint: give it an attribute hint_channels, 0 for none"):
        hint_channels(Silent())


@NETWORKS
def test_what_is_missing_is_said(network):
    net = BACKBONES.build({**network, "num_classes": 2})
    with pytest.raises(ConfigError, match="needs a label for each picture"):
        net(torch.rand(1, 3, 32, 32))
    with pytest.raises(ConfigError, match="label 2 is outside"):
        net(torch.rand(1, 3, 32, 32), label=torch.tensor([2]))
    with pytest.raises(ConfigError, match="norm='conditional_batch' looks at classes: set num_classes"):
        BACKBONES.build({**network, "norm": "conditional_batch"})


def test_attention_stands_where_it_is_asked_for():
    with pytest.raises(ConfigError, match="level 3 is not in"):
        BACKBONES.build(dict(type="UNetGenerator", num_downs=4, attention=[3]))
    assert (
        len(BACKBONES.build({**UNET, "num_downs": 4, "attention": [1, 2]}).state_dict())
        == len(BACKBONES.build({**UNET, "num_downs": 4}).state_dict()) + 2 * 5
    )
