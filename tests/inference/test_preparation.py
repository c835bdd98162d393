"""The steps of a pipeline that prepare a picture, of configs by strangers too."""

import pytest

from sketchkit.errors import ConfigError
from sketchkit.inference.preparation import Preparation


@pytest.mark.parametrize(
    "step",
    [
        {"type": "ColorHints", "foo": 1},
        {"type": "ColorHints", "probability": "x"},
        {"type": "DistanceField", "threshold": None},
        {"type": "InvertSketch", "a": 1},
        {"type": "Resize", "size": "abc"},
        {"type": "Grayscale", "num_output_channels": 2},
        {"type": "Only", "keys": "source", "transform": 5},
        {"type": "os.system"},
        [1],
    ],
    ids=str,
)
def test_steps_that_can_only_fail_are_refused_at_once(step):
    with pytest.raises(ConfigError):
        Preparation([step])


def test_of_keys_that_name_nothing_nothing_is_done():
    assert not Preparation([{"type": "Only", "keys": 5, "transform": {"type": "InvertSketch"}}]).before["source"]
