"""Tiles against the whole picture: the same where they say so, without seams where they are insisted on."""

import pytest
import torch
from torch import nn

from sketchkit.errors import ConfigError
from sketchkit.registry import BACKBONES
from sketchkit.translators.padding import PaddedGenerator
from sketchkit.translators.pictures import to_bytes
from sketchkit.translators.protocol import InferenceProtocol
from sketchkit.translators.tiling import TiledGenerator, exactly_tiled, smallest_tile
from tests.backbones.test_receptive_radius import BLOCKS, DEEP_BLOCKS, MRU, RESNET, UNET, build, name_of

PLAIN = InferenceProtocol()
EXACT = [
    UNET,
    {**UNET, "kernel": 3, "upsampling": "resize", "hint_channels": 4},
    {**UNET, "num_downs": 4, "upsampling": "bilinear", "norm": None},
    {**BLOCKS, "out_channels": 3},
    {**DEEP_BLOCKS, "upsampling": "pixel_shuffle", "out_channels": 3},
    RESNET,
    {**RESNET, "antialias": True, "upsampling": "bilinear"},
    MRU,
    {**MRU, "variant": "student", "norm": "batch", "upsampling": "resize", "image_size": 32},
]
SEEING_ALL = [
    {**RESNET, "norm": "instance"},
    {**MRU, "start": "label"},
    dict(type="OfficialMRUGenerator", width=2, image_size=16),
]


def pictures(net, height, width, count=2):
    generator = torch.Generator().manual_seed(1)
    hint = torch.rand(count, 4, height, width, generator=generator)
    source = torch.rand(count, net.in_channels, height, width, generator=generator).mul(2).sub(1)
    return {"source": source, "hint": hint, "label": torch.arange(count)}


@torch.inference_mode()
def translated(net, batch, keys=("a", "b"), **options):
    generation = (TiledGenerator if options else PaddedGenerator)(net, batch, **options)
    return generation.picture_of(keys[: len(batch["source"])])


@pytest.mark.parametrize("config", EXACT, ids=name_of)
@pytest.mark.parametrize(("size", "more"), [((93, 131), 24), ((41, 169), 37)])
def test_tiles_make_the_picture_of_the_whole(config, size, more):
    net = build(config)
    assert exactly_tiled(net, PLAIN) is None
    batch = pictures(net, *size)
    whole, tiled = translated(net, batch), translated(net, batch, tile=smallest_tile(net) + more)
    assert whole.std() > 0.05
    assert tiled.shape == whole.shape
    assert (tiled - whole).abs().max() < 1e-5
    assert (to_bytes(tiled) == to_bytes(whole)).float().mean() > 0.9999


def test_a_radius_that_is_too_small_shows():
    net = build({**BLOCKS, "out_channels": 3})
    batch = pictures(net, 61, 83)
    whole = translated(net, batch)
    net.receptive_radius = 3
    assert (translated(net, batch, tile=30) - whole).abs().max() > 1e-3


@pytest.mark.parametrize("config", SEEING_ALL, ids=name_of)
def test_a_network_that_sees_the_whole_picture_is_refused_unless_insisted_on(config):
    net = build(config)
    reason = exactly_tiled(net, PLAIN)
    batch = pictures(net, 96, 150)
    with pytest.raises(ConfigError) as caught:
        TiledGenerator(net, batch, tile=64)
    padded = -(-150 // net.size_multiple) * net.size_multiple
    assert reason in str(caught.value) and f"see {padded} pixels at once (--tile-size)" in str(caught.value)
    # What one tile holds is the whole picture.
    assert torch.equal(translated(net, batch, tile=160), translated(net, batch))
    tiled = translated(net, batch, tile=64, insist=True)
    assert tiled.shape == translated(net, batch).shape and tiled.isfinite().all()


def test_each_reason_is_said():
    drops = build({**RESNET, "dropout": 0.5})
    reasons = [
        exactly_tiled(build(RESNET), InferenceProtocol("batch")),
        exactly_tiled(drops, InferenceProtocol(dropout=True)),
        exactly_tiled(build({**RESNET, "norm": "instance"}), PLAIN),
        exactly_tiled(build({**MRU, "start": "label"}), PLAIN),
        exactly_tiled(BACKBONES.build(dict(type="TinyBackbone")), PLAIN),
    ]
    expected = [
        "test_norm='batch'",
        "test_dropout=True",
        "statistics over the whole picture",
        "looks at the whole",
        "say how far",
    ]
    assert all(word in reason for word, reason in zip(expected, reasons, strict=True)), reasons
    assert exactly_tiled(drops, PLAIN) is None
    assert exactly_tiled(build({**RESNET, "norm": None}), InferenceProtocol("batch")) is None


def test_a_tile_that_is_too_small_is_told_the_smallest_that_works():
    net = build(UNET)
    batch = pictures(net, 20, 300)
    with pytest.raises(
        ConfigError, match=r"a tile of 55 is too small for UNetGenerator, .* 21 pixels .*: give 56 or more"
    ):
        TiledGenerator(net, batch, tile=55)
    TiledGenerator(net, batch, tile=56)
    with pytest.raises(ConfigError, match="give 48 or more"):  # as one tile
        TiledGenerator(net, pictures(net, 20, 48), tile=40)
    with pytest.raises(ConfigError, match="size_multiple: give 16 or more"):
        TiledGenerator(net, batch, InferenceProtocol("batch"), tile=15, insist=True)


class Average(nn.Module):
    """What an instance norm would do: each picture minus its mean, so that tiles differ by steps."""

    in_channels = out_channels = 1
    size_multiple = 4

    def forward(self, source):
        return source - source.mean((2, 3), keepdim=True)


def jumps(picture):
    """The largest step between two neighboring pixels."""
    return max(picture.diff(dim=dim).abs().max().item() for dim in (2, 3))


def test_insisting_leaves_no_seam():
    ramp = torch.linspace(-0.5, 0.5, 203).expand(1, 1, 149, 203) + torch.linspace(-0.5, 0.5, 149)[:, None]
    tiled = {overlap: translated(Average(), {"source": ramp}, tile=64, insist=True, overlap=overlap)
             for overlap in (0, 8, 28, 64)}  # fmt: skip
    # Without overlap the means of two neighbors, each of 64 steps of the ramp at most, meet at a line.
    steps = {overlap: jumps(picture) for overlap, picture in tiled.items()}
    assert steps[0] > 10 * jumps(ramp)
    assert [steps[overlap] < factor * jumps(ramp) for overlap, factor in ((8, 4), (28, 1.5), (64, 1.5))] == [
        True
    ] * 3, steps


def test_weights_add_up_where_nothing_depends_on_the_tile():
    net = nn.Identity()
    net.in_channels, net.out_channels, net.size_multiple = 3, 3, 4
    source = torch.rand(1, 3, 149, 203)
    assert torch.allclose(TiledGenerator(net, {"source": source}, tile=50, insist=True)(), source, atol=1e-6)


def test_the_network_sees_no_more_than_a_tile_however_large_the_picture():
    net, largest = build(MRU), []
    for layer in net.modules():
        layer.register_forward_hook(
            lambda _, __, out: largest.append(out.numel()) if isinstance(out, torch.Tensor) else None
        )
    peaks = []
    for side in (61, 150):
        largest.clear()
        translated(net, pictures(net, side, side, 1), tile=48)
        peaks.append(max(largest))
    assert len({*peaks}) == 1


def test_noise_of_one_size_for_all_pictures_goes_whole_to_each_tile():
    net = build(dict(type="OfficialMRUGenerator", width=2, image_size=16))
    batch = pictures(net, 40, 90)
    generation = TiledGenerator(net, batch, tile=48, insist=True)
    with torch.inference_mode():
        first, second = generation.picture_of(["a", "b"]), generation.picture_of(["a", "b"], 1)
        assert torch.equal(first, generation.picture_of(["a", "b"]))
    assert not torch.equal(first, second)


def test_noise_of_every_pixel_is_cut_like_the_picture():
    net = BACKBONES.build(dict(type="TinyBackbone")).eval()
    net.receptive_radius = 2
    batch = pictures(net, 31, 45)
    assert torch.allclose(translated(net, batch, tile=16), translated(net, batch), atol=1e-6)
