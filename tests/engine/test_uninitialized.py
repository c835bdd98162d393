"""Networks built without drawing their weights."""

import pytest
import torch
from torch import nn

from sketchkit.engine.uninitialized import shapes_alone, undrawn
from sketchkit.registry import BACKBONES

NETWORKS = {
    "MRUGenerator": dict(image_size=32, num_classes=3, width=4),
    "UNetGenerator": dict(num_downs=3, width=4),
    "ResNetGenerator": dict(width=4, num_blocks=1, antialias=True),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_with_the_weights_of_another_it_is_that_other(name):
    config = dict(type=name, **NETWORKS[name])
    drawn = BACKBONES.build(config).eval()
    before = torch.random.get_rng_state()
    with undrawn():
        built = BACKBONES.build(config).eval()
    assert torch.equal(torch.random.get_rng_state(), before)  # nothing was drawn
    built.load_state_dict(drawn.state_dict())
    given = {"label": torch.tensor([1]), "noise": torch.zeros(1, *drawn.noise_shape(32, 32))} if "MRU" in name else {}
    source = torch.rand(1, 3, 32, 32)
    assert torch.equal(built(source, **given), drawn(source, **given))


def test_shapes_are_those_of_the_network_and_take_no_memory():
    config = dict(type="UNetGenerator", num_downs=3, width=4)
    with shapes_alone():
        shapes = BACKBONES.build(config).state_dict()
    assert all(value.is_meta for value in shapes.values())
    assert {k: v.shape for k, v in shapes.items()} == {
        k: v.shape for k, v in BACKBONES.build(config).state_dict().items()
    }


def test_what_is_no_parameter_is_drawn_as_ever():
    with undrawn():
        assert torch.empty(1000).normal_().std() > 0.5
        weight = nn.Parameter(torch.full((3,), 7.0))
        assert torch.equal(nn.init.normal_(weight), torch.full((3,), 7.0))
        assert torch.equal(nn.init.constant_(weight, 2.0), torch.full((3,), 2.0))
