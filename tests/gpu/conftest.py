"""Small systems on sample sets."""

import pytest

from tools.gpu.systems import build, system_config


@pytest.fixture
def system_of(setting):
    """`system_of(config's name, *overrides)`: a small system on the CPU."""
    return lambda name, *more: build(system_config(name, setting, *more), "cpu")
