"""`sketchkit translate RUN INPUT... -o OUT`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from sketchkit.cli.options import (
    LARGEST_SIDE,
    MOST,
    RunPath,
    device_option,
    example,
    json_option,
    output_option,
    plugin_option,
    protocol_from,
    quiet_option,
    say,
    seed_option,
    test_dropout_option,
    test_norm_option,
    trust_option,
)
from sketchkit.cli.pictures.inputs import STANDARD, find_inputs, labels_of
from sketchkit.cli.pictures.outputs import ENDINGS, Job, plan
from sketchkit.cli.progress import bar_or_lines
from sketchkit.errors import ConfigError, DataError
from sketchkit.problems import first_few

if TYPE_CHECKING:
    from sketchkit.cli.pictures.work import Outcome

NEXT = "\nerror: "


class PictureWord(click.ParamType):
    """A picture, a folder, a pattern or -; `find_inputs` looks for what it names."""

    name = "input"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Files and folders."""
        return [CompletionItem(incomplete, type="file")]


class WorkingSize(click.ParamType):
    """A number of pixels, or 'native'."""

    name = "native|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number, or the word."""
        if value in ("native", "trained"):
            return value
        if not str(value).isdecimal():
            self.fail(f"'{value}' is neither 'native' nor a number of pixels", param, ctx)
        return click.IntRange(1, LARGEST_SIDE).convert(value, param, ctx)


@click.command(epilog=example("translate runs/pix2pix_facades labels.png -o facade.png"))
@click.argument("run", type=RunPath())
@click.argument("inputs", metavar="INPUT...", type=PictureWord(), nargs=-1, required=True)
@output_option("A picture, a folder for several, or - for standard output.", required=True)
@click.option("--label", metavar="NAME|auto", help="The class, for a run with classes; auto: each one's folder's name.")
@click.option("--labels", type=click.Path(path_type=Path), help="A CSV file of picture and class.")
@click.option("--hint", type=click.Path(path_type=Path),
              help="Colour strokes, an RGBA picture of the input's size; or a folder of them.")  # fmt: skip
@click.option("--direction", type=click.Choice(["AtoB", "BtoA"]), default="AtoB", show_default=True,
              help="BtoA is from target to source, for a run that learnt both ways.")  # fmt: skip
@click.option("--size", type=WorkingSize(), default="trained",
              help="Short side at which the network works; default: that of the training.")  # fmt: skip
@click.option("--lines", type=click.Choice(["auto", "as-is"]), default="auto", show_default=True,
              help="Bring drawings to the look of the training's, or leave them.")  # fmt: skip
@click.option("--fit", is_flag=True, help="Show a drawing where the training's were, and as large.")
@click.option("--detail", type=click.Choice(["none", "ink", "guided"]),
              help="How outputs get the input's size; default: as the run's config says.")  # fmt: skip
@click.option("--samples", type=click.IntRange(1, MOST), default=1, show_default=True,
              help="Outputs a picture, where the run takes noise or drops.")  # fmt: skip
@seed_option()
@click.option("--side", type=click.Choice(["left", "right", "whole"]),
              help="Translate this half of files that hold a pair side by side.")  # fmt: skip
@click.option("--format", "ending", type=click.Choice(ENDINGS), help="Of the files in a folder; default: png.")
@click.option("--batch-size", type=click.IntRange(1, 4096), default=1, show_default=True,
              help="Pictures of one size that are computed together.")  # fmt: skip
@click.option("--tile-size", type=click.IntRange(16, LARGEST_SIDE), default=2048, show_default=True,
              help="Long side beyond which a picture is computed in tiles.")  # fmt: skip
@click.option("--tile", "insist", is_flag=True, help="Use tiles even where their picture is another.")
@click.option("--overwrite", is_flag=True, help="Make again what is there already.")
@test_norm_option
@test_dropout_option
@plugin_option
@trust_option
@device_option
@json_option
@quiet_option
def command(**options: Any) -> None:
    """Translate pictures with a trained RUN (a run folder or a checkpoint).

    INPUT is a picture, a folder, a quoted pattern such as 'drawings/*.png', or - for standard input. A second call goes
    on where the first was stopped.
    """
    is_piped = str(options["output"]) == STANDARD
    if options["as_json"] and is_piped:
        raise ConfigError("--json and -o - both write to standard output: give -o a file")
    if is_piped and sys.stdout is None:
        raise ConfigError("standard output is closed: give -o a file")
    jobs = _plan(options)
    outcomes = []
    for outcome in _outcomes(jobs, options):
        outcomes.append(outcome._replace(pixels=()))
        if options["as_json"]:
            click.echo(json.dumps(outcome.record))
        elif outcome.pixels:
            _to_standard_output(outcome, options["ending"] or "png")
    errors = list(dict.fromkeys(outcome.error for outcome in outcomes if outcome.error))
    if errors:
        click.echo(f"error: {first_few(errors, NEXT)}", err=True)
    if not (options["quiet"] or options["as_json"] or is_piped):
        _tell(outcomes, options["output"])
    if errors:
        raise SystemExit(max(outcome.code for outcome in outcomes))


def _plan(options: Mapping[str, Any]) -> list[Job]:
    """The jobs with their classes, before anything heavy is imported."""
    inputs = find_inputs(options["inputs"])
    labels, unknown = labels_of(inputs, options["label"], options["labels"])
    if unknown:
        lines = f"{len(unknown)} lines of {options['labels']} name no input: {first_few(unknown)}"
        if not labels:
            raise DataError(f"{lines}; check the names in it")
        say(f"warning: {lines}", err=True)
    jobs = plan(inputs, options["output"], options["samples"], options["ending"])
    return [job._replace(label=labels.get(job.input)) for job in jobs]


def _outcomes(jobs: Sequence[Job], options: Mapping[str, Any]) -> Iterator[Outcome]:
    from sketchkit.cli.pictures.work import Work
    from sketchkit.inference import Request, TrainedTranslator

    request = Request(
        options["direction"], options["size"], options["samples"], options["seed"], options["lines"], options["fit"],
        options["detail"], options["tile_size"], options["insist"],
    )  # fmt: skip
    code = {name: options[name] for name in ("plugin_files", "trust_code")}
    translator = TrainedTranslator(options["run"], options["device"], **code, **protocol_from(options))
    translator.check(request)
    work = Work(translator, request, options["hint"], options["side"], options["overwrite"])
    work.check_labels(jobs)
    done = 0
    with bar_or_lines("translating", options["quiet"] or len(jobs) < 2) as tell:
        for start in range(0, len(jobs), options["batch_size"]):
            chunk = jobs[start : start + options["batch_size"]]
            yield from work.run(chunk)
            done += len(chunk)
            tell(done, len(jobs))


def _to_standard_output(outcome: Outcome, ending: str) -> None:
    from sketchkit.data.picture_text import encoded

    sys.stdout.buffer.write(encoded(outcome.pixels[0], f".{ending}", outcome.abouts[0]))


def _tell(outcomes: Sequence[Outcome], output: Path) -> None:
    """What was made, and what was done to how many of the pictures."""
    made = sum(outcome.made for outcome in outcomes)
    there = sum(outcome.was_there for outcome in outcomes)
    notes = Counter(note for outcome in outcomes for note in outcome.notes)
    said = [note if len(outcomes) == 1 else f"{count} of them: {note}" for note, count in notes.items()]
    if made:
        sizes = {outcome.size for outcome in outcomes if outcome.size}
        sides = sorted({min(size) for size in sizes})
        at = f", worked at {sides[0]} px" if len(sides) == 1 else ""
        places = outcomes[0].job.places
        place = output if output.is_dir() or len(places) == 1 else f"{places[0]} to {places[-1]}"
        say(f"{made} picture{'s' if made > 1 else ''} in {place}{at}{''.join(f'; {one}' for one in said)}")
    if there:
        say(f"{there} picture{'s were' if there > 1 else ' was'} there already (--overwrite makes them again)")
