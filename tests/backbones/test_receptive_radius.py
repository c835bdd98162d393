"""How far every backbone says that it looks, against gradients, and against what a picture becomes beside another."""

from itertools import product

import pytest
import torch
from sketchkit_plugins.layers.condition import SelfAttention
from torch import nn

from sketchkit.registry import BACKBONES
from sketchkit.testing import example_batch, measured_radius
from sketchkit.translators.padding import PaddedGenerator
from tests.test_contracts import built_in

UPSAMPLINGS = [
    "transposed",
    "resize",
    "pixel_shuffle",
    "bilinear",
    dict(type="nearest"),
    dict(type="bilinear"),
    dict(type="deconv", kernel_size=4, stride=2, padding=1),
    dict(type="deconv", kernel_size=6, stride=2, padding=2),
    dict(type="pixel_shuffle", upsample_kernel=5),
]
STILL = ["batch", None, dict(type="SyncBN"), dict(type="IN", track_running_stats=True)]
MOVING = ["instance", dict(type="GN", num_groups=2), dict(type="IN"), dict(type="BN", track_running_stats=False)]
UNET = dict(type="UNetGenerator", width=2, num_downs=3)
BLOCKS = dict(type="BlockUNet", encoder=[[2, 2], [4]], decoder=[[4]])
DEEP_BLOCKS = dict(type="BlockUNet", encoder=[[2], [3], [4, 4]], decoder=[[3], [2, 2]], last_kernel=1)
RESNET = dict(type="ResNetGenerator", width=2, num_blocks=1, norm="batch")
MRU = dict(type="MRUGenerator", width=2, image_size=16, start="sketch")
FINITE = [
    *[{**base, "upsampling": up} for base, up in product((UNET, BLOCKS, DEEP_BLOCKS, RESNET, MRU), UPSAMPLINGS)],
    *[{**base, "norm": norm} for base, norm in product((UNET, BLOCKS, RESNET, MRU), STILL) if norm or base is not MRU],
    *[{**UNET, "kernel": kernel, "num_downs": downs} for kernel, downs in product((3, 4), (2, 5))],
    {**UNET, "norm_innermost": True, "hint_channels": 4, "down_activation": dict(type="Swish")},
    *[{**base, "norm": norm, "num_classes": 2, "noise_channels": 3} for base, norm in product(
        (UNET, RESNET), ("batch", "conditional_batch", "spade"))],
    *[{**UNET, "final_width": 3, "norm": norm, "upsampling": up} for norm, up in product(
        ("batch", "spade"), ("transposed", "resize"))],
    {**BLOCKS, "last_kernel": 7, "activation": dict(type="Clip")},
    *[{**RESNET, "antialias": True, "num_downs": downs, "num_blocks": 3 - downs} for downs in (0, 1, 3)],
    {**RESNET, "dropout": 0.5, "activation": dict(type="GELU")},
    {**MRU, "variant": "student"},
    {**MRU, "image_size": 64, "activation": "prelu", "norm": None},
]  # fmt: skip
WHOLE = [
    {**UNET, "attention": [1]},
    {**RESNET, "attention": True},
    *[{**base, "norm": norm} for base, norm in product((UNET, BLOCKS, RESNET), MOVING)],
    {**RESNET, "upsampling": dict(type="bilinear", align_corners=True)},
    {**MRU, "norm": "instance"},
    {**MRU, "start": "label"},
    dict(type="OfficialMRUGenerator", width=2, image_size=16),
]


def build(config):
    torch.manual_seed(0)
    net = BACKBONES.build(config)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(layer.weight)
        if isinstance(layer, SelfAttention):
            nn.init.ones_(layer.gamma)
    return net.eval()


def name_of(config):
    return "-".join(f"{key}={value}" for key, value in config.items())


@pytest.mark.parametrize("config", FINITE, ids=name_of)
def test_the_radius_is_what_gradients_say(config):
    net = build(config)
    assert net.receptive_radius == measured_radius(net, net.receptive_radius)


@pytest.mark.parametrize("config", WHOLE, ids=name_of)
@torch.no_grad()
def test_without_a_radius_a_pixel_depends_on_what_is_far_away(config):
    net = build(config)
    assert net.receptive_radius is None
    # What every place does with every other, attention, is slow over many.
    half = 64 if "attention" in config else 256
    batch = example_batch(net.in_channels, 2 * half)
    batch["source"][..., half:] *= 0.2
    generation = PaddedGenerator(net, batch)
    noise = generation.noise_of(batch["key"])
    left = PaddedGenerator(net, {**batch, "source": batch["source"][..., :half]})
    alone = left(noise if noise is None or noise.dim() == 2 else noise[..., : noise.shape[-1] // 2])
    assert (generation(noise)[..., :4] - alone[..., :4]).abs().max() > 1e-4


@pytest.mark.parametrize("name", built_in(BACKBONES))
def test_every_backbone_is_among_those_and_says_how_far_it_looks(name):
    assert name in {config["type"] for config in (*FINITE, *WHOLE)}
    assert "receptive_radius" in vars(build({"type": name}))


def test_published_systems():
    """Counted by hand from the layers: 4 x 4 kernels of stride 2, in eight levels, see 3 * 255 pixels far."""
    with torch.device("meta"):
        assert BACKBONES.build(dict(type="UNetGenerator", num_downs=8)).receptive_radius == 3 * 255


def test_a_norm_of_ones_own_looks_at_the_whole_picture_unless_it_says_otherwise(monkeypatch):
    from mmengine.registry import MODELS

    class Own(nn.BatchNorm2d):
        pass

    class Unknown(nn.Module):
        def __init__(self, channels, eps=1e-5):
            super().__init__()

        def forward(self, x):
            return x

    class Declared(Unknown):
        receptive_radius = 0

    radii = {}
    for kind in (Own, Unknown, Declared):
        monkeypatch.setitem(MODELS.module_dict, "OwnNorm", kind)
        radii[kind.__name__] = BACKBONES.build({**UNET, "norm": dict(type="OwnNorm")}).receptive_radius
    assert radii == {"Own": 21, "Unknown": None, "Declared": 21}
