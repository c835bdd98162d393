"""`sketchkit eval RUN` and `sketchkit eval REAL FAKE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sketchkit.cli.options import (
    INTERRUPTED,
    MOST,
    MOST_WORKERS,
    OVERRIDES,
    ConfigCommand,
    ConfigPath,
    device_option,
    example,
    json_option,
    on_error_option,
    output_option,
    overrides_option,
    plugin_option,
    protocol_from,
    quiet_option,
    require_run,
    say,
    seed_option,
    test_dropout_option,
    test_norm_option,
    trust_option,
)
from sketchkit.cli.progress import bar

if TYPE_CHECKING:
    from sketchkit.evaluation.build import Spec
    from sketchkit.evaluation.evaluate import EvaluationCall
    from sketchkit.evaluation.metric import Setup

COMMON = ("feature_extractor", "resize")
OF_RUNS = ("split", "data", "draws", "config", "overrides", "trust_code", "test_norm", "test_dropout")
PATH = click.Path(path_type=Path)


@click.command(cls=ConfigCommand, epilog=example("eval runs/pix2pix_facades --metric fid --metric lpips"))
@click.argument("targets", nargs=-1, required=True, metavar="RUN | REAL FAKE", type=PATH)
@click.option("-m", "--metric", "metrics", multiple=True, metavar="NAME", help="Repeat for several.")
@click.option("--metric-options", multiple=True, metavar="METRIC.OPTION=VALUE", help="Such as kid.subsets=100.")
@click.option(
    "--feature-extractor",
    metavar="inception|timm:NAME|PATH",
    help="The network whose features fid, kid, precision and recall compare; default: inception.",
)
@click.option("--resize", help="How pictures come to its size: tf (default), pytorch or clean.")
@click.option("--weights", multiple=True, metavar="NETWORK=PATH", help="The file with a network's weights.")
@click.option("--offline", is_flag=True, help="Never download weights.")
@click.option("--allow-random-weights", is_flag=True, help="For tests; a score is then named so.")
@on_error_option("fail")
@click.option("--split", help="RUN: the part of its data; default: its test_split, else the one it was validated on.")
@click.option("--data", type=PATH, help="RUN: where its data lie now.")
@click.option("--draws", type=click.IntRange(1, MOST), help="RUN: draws a source, of noise or dropout; default: 2.")
@click.option("--config", type=ConfigPath(), help="RUN: a config in place of its own.")
@overrides_option
@test_norm_option
@test_dropout_option
@click.option("--save-stats", type=PATH, metavar="FILE.npz", help="Keep REAL's statistics.")
@click.option("--report", type=PATH, metavar="OUT.html", help="Write a page to look at.")
@output_option("Where to write the result; default: RUN/metrics.json.")
@json_option
@quiet_option
@click.option(
    "--workers", type=click.IntRange(0, MOST_WORKERS), default=2, show_default=True, help="Processes that read."
)
@device_option
@seed_option(2020)
@click.option("--no-cache", is_flag=True, help="Neither use nor keep what was seen in each picture.")
@plugin_option
@trust_option
def command(targets: tuple[Path, ...], **options: Any) -> None:
    """Measure pictures: those of a trained RUN, or those in FAKE against those in REAL.

    REAL and FAKE are folders, or text files with a path a line; REAL may be statistics kept by --save-stats. Without
    --metric: l1, psnr, ssim, colorfulness, checkerboard, and fid and lpips where their weights are at hand.
    """
    _check(targets, options)
    from sketchkit import loading
    from sketchkit.evaluation.report.results import write_result

    for file in options["plugin_files"]:
        loading.load_file(file)
    call = _call(options)
    try:
        # What is logged on the way does not belong into the result.
        with redirect_stdout(sys.stderr):
            outcome = call.run(*targets, **_run_options(options)) if len(targets) == 1 else call.folders(*targets)
    except KeyboardInterrupt:
        click.echo("stopped; what was seen so far is kept: the same command goes on", err=True)
        raise SystemExit(INTERRUPTED) from None
    finally:
        if call.store is not None:
            call.store.close()
    output = options["output"]
    if output is None and len(targets) == 1:
        output = (targets[0] if targets[0].is_dir() else targets[0].parent) / "metrics.json"
    _show(outcome.result, options["as_json"])
    if output is not None:
        write_result(output, outcome.result)
    if options["report"]:
        outcome.write_report(options["report"], " against ".join(map(str, reversed(targets))))
    written = {"result": output, "report": options["report"], "statistics": options["save_stats"]}
    for kind, place in written.items():
        if place is not None:
            say(f"{kind}: {place}", err=options["as_json"])


def _check(targets: tuple[Path, ...], options: Mapping[str, Any]) -> None:
    """Refuse what cannot be meant, before any work."""
    from sketchkit.errors import ConfigError, DataError

    for name in ("split", "resize", "feature_extractor"):
        if options[name] == "":
            raise ConfigError(f"--{name.replace('_', '-')} is empty: give a value, or leave it out")
    if len(targets) > 2:
        raise ConfigError(f"{len(targets)} places are given: name a run, or two sets of pictures")
    given = [name for name in OF_RUNS if options[name]]
    if len(targets) == 2 and given:
        name = {"overrides": OVERRIDES}.get(given[0], f"--{given[0].replace('_', '-')}")
        raise ConfigError(f"{name} is for runs, and two sets of pictures are given")
    if options["overrides"] and not options["config"]:
        raise ConfigError("--cfg-options changes the config that --config names: give that too")
    if len(targets) == 1:
        require_run(targets[0])
    for target in targets:
        if len(targets) == 2 and not target.exists():
            raise DataError(f"nothing is at {target}: name a folder of pictures, a list of them, or kept statistics")
    if options["save_stats"] and options["save_stats"].suffix != ".npz":
        raise ConfigError(f"--save-stats {options['save_stats']}: give a name that ends in .npz")
    for name in ("report", "output", "save-stats"):
        place = options[name.replace("-", "_")]
        if place and not place.parent.is_dir():
            raise ConfigError(f"--{name} {place}: there is no folder {place.parent}")
        if place and place.is_dir():
            raise ConfigError(f"--{name} {place} is a folder: name a file in it")


def _call(options: Mapping[str, Any]) -> EvaluationCall:
    from sketchkit.evaluation.evaluate import EvaluationCall
    from sketchkit.evaluation.features.cache import FeatureCache, cache_folder

    return EvaluationCall(
        setup=_setup(options),
        metrics=_specs(options["metrics"], options["metric_options"]),
        common={name: options[name] for name in COMMON if options[name]},
        store=None if options["no_cache"] else FeatureCache(cache_folder()),
        on_error=options["on_error"],
        workers=options["workers"],
        save_stats=options["save_stats"],
        ranks_pairs=options["report"] is not None,
        shown=partial(_progress, quiet=options["quiet"]),
        say=lambda line: None if options["quiet"] else say(line, err=True),
    )


def _setup(options: Mapping[str, Any]) -> Setup:
    import torch

    from sketchkit.errors import ConfigError, WeightsError
    from sketchkit.evaluation.metric import Setup
    from sketchkit.inference.loading import usable_device
    from sketchkit.pretrained.weights import known_file

    device = usable_device(options["device"] or ("cuda" if torch.cuda.is_available() else "cpu"))
    weights = {}
    for word in options["weights"]:
        network, equals, path = word.partition("=")
        if not (network and equals and path):
            raise ConfigError(f"--weights {word}: write NETWORK=PATH, such as inception_fid=PATH")
        known_file(network)
        if not Path(path).expanduser().is_file():
            raise WeightsError(f"no weights of {network} at {path}: check the path")
        weights[network] = path
    return Setup(str(device), weights, options["allow_random_weights"], options["offline"] or None, options["seed"])


def _specs(names: Iterable[str], words: Iterable[str]) -> list[Spec]:
    """The metrics named, with their options; naming options of one measures it."""
    from sketchkit.evaluation.build import parse_options

    options = parse_options(words)
    return [{"type": name, **options.get(name, {})} for name in dict.fromkeys([*names, *options])]


def _run_options(options: Mapping[str, Any]) -> dict[str, Any]:
    from sketchkit.config.load import load_config

    code = {name: options[name] for name in ("plugin_files", "trust_code")}
    config = load_config(options["config"], options["overrides"], trains=False, **code) if options["config"] else None
    given = {name: options[name] for name in ("split", "data", "draws") if options[name]}
    return {"config": config, **given, **code, **protocol_from(options)}


@contextmanager
def _progress(title: str, quiet: bool) -> Iterator[Callable[[int, int], object]]:
    """A bar; Ctrl-C ends the work between two pictures.

    Anywhere else it could cut a data worker off in the middle of a hand-over, which would print its traceback.
    """
    from sketchkit.engine.interruption import requested, watch_signals

    def stop_if_asked() -> None:
        if requested():
            raise KeyboardInterrupt

    with watch_signals(), bar(title, quiet) as tell:

        def show(done: int, total: int) -> None:
            tell(done, total)
            stop_if_asked()

        yield show
        stop_if_asked()


def _show(result: Mapping[str, Any], as_json: bool) -> None:
    from sketchkit.evaluation.report.results import aligned, table
    from sketchkit.translators.protocol import in_words

    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    if made := result["generator"]:
        split = f", split {made['split']}" if made["split"] else ""
        say(f"{made['checkpoint']}, iteration {made['iteration']}, {made['weights']} weights{split}, {in_words(made)}")
    click.echo("\n".join(aligned(table(result["metrics"]))))
    for note in result["notes"]:
        say(f"note: {note}")
    looked, seconds = result["pictures_looked_at"], result["seconds"]
    rate = f", {looked / seconds:.1f} a second" if looked else " (all were known)"
    click.echo(f"{looked} pictures looked at in {seconds:.1f} s{rate}")
