"""`_base_ = "sketchkit::NAME"`: a config of one's own, anywhere, that begins with one that comes with sketchkit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config

from sketchkit.config.names import SCOPE, find_base
from sketchkit.errors import ConfigError


@contextmanager
def named_bases() -> Iterator[None]:
    """Within the block mmengine finds `sketchkit::NAME`; by itself it looks into what its own installer has installed.

    There is no door for others: the function that finds a base has to be exchanged.
    """
    own = Config._get_cfg_path

    def find(base: str, file: str) -> tuple[str, str | None]:
        found = (str(find_base(base, file)), None) if base.startswith(SCOPE) else own(base, file)
        if not found[0].endswith(".py"):
            raise ConfigError(f"{file}: _base_ = '{base}' is no Python config: what is data names no code")
        return found

    Config._get_cfg_path = staticmethod(find)
    try:
        yield
    finally:
        Config._get_cfg_path = staticmethod(own)
