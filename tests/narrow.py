"""Configs made small: narrow networks and no pretrained ones, so that whole runs of them take seconds."""

from sketchkit.config.load import load_config, read_config
from sketchkit.options import options_of
from sketchkit.registry import BACKBONES, HEADS


def narrow(path, *more, width=4):
    """The config at `path`, resolved, with a width of 4 where a network has one, and no term that needs weights."""
    config = read_config(path)
    changes = []
    if "width" in options_of(BACKBONES.get(config.backbone.type))[0]:
        changes.append(f"backbone.width={width}")
    for name, head in config.heads.items():
        if "width" in options_of(HEADS.get(head.type))[0]:
            changes.append(f"heads.{name}.width={width}")
    for name, term in config.generator_losses.items():
        if term and "network" in term:
            changes.append(f"generator_losses.{name}=None")
    return load_config(path, [*changes, *more])
