"""`sketchkit train CONFIG`."""

from __future__ import annotations

import click

from sketchkit.cli.options import ConfigCommand, ConfigPath, example, overrides_option, plugin_option, trust_option


@click.command(cls=ConfigCommand, epilog=example("train pix2pix_facades data_root=data/facades"))
@click.argument("config", type=ConfigPath())
@click.option("--work-dir", type=click.Path(file_okay=False), help="The run folder; default: runs/<config's name>.")
@click.option("--resume", is_flag=True, help="Go on from the run folder's latest checkpoint.")
@click.option("--auto-resume", is_flag=True, help="Go on when there is something to go on from, else start.")
@click.option("--amp", type=click.Choice(["bf16", "fp16"]), help="Mixed precision.")
@click.option("--deterministic", is_flag=True, help="The same bits every time on a GPU too; slower.")
@overrides_option
@plugin_option
@trust_option
@click.argument("more", nargs=-1, metavar="[KEY=VALUE]...")
def command(
    config: str,
    work_dir: str | None,
    resume: bool,
    auto_resume: bool,
    amp: str | None,
    deterministic: bool,
    overrides: tuple[str, ...],
    plugin_files: tuple[str, ...],
    trust_code: bool,
    more: tuple[str, ...],
) -> None:
    """Train the translator that CONFIG describes. Further KEY=VALUE words override the config too."""
    from sketchkit.config.load import load_config
    from sketchkit.engine.train import train

    precision = [f"optim_wrapper.amp={amp}"] if amp else []
    repeatable = ["+randomness.deterministic=True", "env_cfg.cudnn_benchmark=False"] if deterministic else []
    changes = [*overrides, *more, *precision, *repeatable]
    train(load_config(config, changes, plugin_files, trust_code), work_dir, "auto" if auto_resume else resume)
