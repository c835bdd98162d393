"""`sketchkit info CONFIG`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from sketchkit.cli.options import (
    ConfigCommand,
    ConfigPath,
    example,
    json_option,
    overrides_option,
    plugin_option,
    trust_option,
)


@click.command(cls=ConfigCommand, epilog=example("info pix2pix_facades image_size=128"))
@click.argument("config", type=ConfigPath())
@json_option
@overrides_option
@plugin_option
@trust_option
@click.argument("more", nargs=-1, metavar="[KEY=VALUE]...")
def command(
    config: str,
    as_json: bool,
    overrides: tuple[str, ...],
    plugin_files: tuple[str, ...],
    trust_code: bool,
    more: tuple[str, ...],
) -> None:
    """Networks, parameters, FLOPs at the config's size, and the objective of CONFIG.

    Further KEY=VALUE words override the config too.
    """
    from sketchkit.config.load import load_config
    from sketchkit.engine.describe import describe

    found = describe(load_config(config, [*overrides, *more], plugin_files, trust_code, trains=False))
    click.echo(json.dumps(found, indent=2) if as_json else _table(found))


def _table(found: dict[str, Any]) -> str:
    from sketchkit.translators.protocol import in_words

    nets = {"backbone": found["backbone"], **{f"head {name}": head for name, head in found["heads"].items()}}
    size = found["image_size"]
    lines = [f"at {size[0]} x {size[1]} pixels, one picture"]
    for name, net in nets.items():
        lines.append(f"{name:22} {net['type']:28} {net['parameters']:>13,} parameters {net['flops'] / 1e9:8.2f} GFLOP")
    lines += [f"{f'head {name} sees':22} pictures through {head['augment']}"
              for name, head in found["heads"].items() if head["augment"]]  # fmt: skip
    for side in ("generator_losses", "discriminator_losses"):
        terms = [f"{term['weight']:g} {name} ({term['type']}{_rhythm(term)})" for name, term in found[side].items()]
        lines.append(f"{side:22} {' + '.join(terms) or 'none'}")
    lines.append(f"{'translating':22} {in_words(found['protocol'])}")
    return "\n".join(lines)


def _rhythm(term: Mapping[str, Any]) -> str:
    return f", every {term['every']} steps" if term["every"] > 1 else ""
