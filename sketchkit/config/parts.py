"""A resolved config -> what is built of it."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

MODEL_KEYS = ("backbone", "heads", "generator_losses", "discriminator_losses")


def model_config(config: Config) -> dict[str, Any]:
    """The translator's config, put together from the top-level parts that people name and override."""
    return {**config["translator"], **{key: config[key] for key in MODEL_KEYS if config.get(key)}}
