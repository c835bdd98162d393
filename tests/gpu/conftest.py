"""Sample sets, and small systems on them."""

import pytest

from tools.gpu.steps import Setting
from tools.gpu.systems import build, draw_samples, system_config


@pytest.fixture(scope="session")
def setting(tmp_path_factory):
    """A rehearsal's setting, its sample sets drawn."""
    setting = Setting(tmp_path_factory.mktemp("samples"), tmp_path_factory.mktemp("out"))
    list(draw_samples(setting))
    return setting


@pytest.fixture
def system_of(setting):
    """`system_of(config's name, *overrides)`: a small system on the CPU."""
    return lambda name, *more: build(system_config(name, setting, *more), "cpu")
