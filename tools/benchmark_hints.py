"""Does a run do as its hints say, and only that? `python tools/benchmark.py hints RUN`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from tools.hint_cases import COLORS, PLACES, SIZES, Case, cases_of

MOST_OFF, MOST_CHANGE = 15.0, 6.0
# A network that never saw a hint is met when its own numbers are exceeded by at most this share.
MOST_WORSE = 1.05
_END, _NEAR_END = 5, 25  # levels from 0 or 255: an output that has run into the end; a hint that lies there itself


class Outcome(NamedTuple):
    """Of a case: the difference to the hint, saturated channels of 3, the change elsewhere; None: there is nothing."""

    color: str
    size: float
    place: str
    off: float
    saturated: int
    change: float | None


@click.command("hints")
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--data", type=click.Path(path_type=Path), help="The data's folder, where it is not where it was.")
@click.option("--drawings", type=click.IntRange(min=1), default=20, show_default=True, help="Held-out ones.")
@click.option("--against", type=click.Path(path_type=Path, exists=True), help="A run that was trained without hints.")
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="AlexNet's, for LPIPS.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the numbers.")
def hints(
    run: Path, data: Path | None, drawings: int, against: Path | None, weights: Path | None, target: Path | None
) -> None:
    """Outputs have the hint's colour under it and stay as they are elsewhere; and without hints a run is as good.

    On held-out drawings, at the size of the training: five colours, three sizes, in the middle of an area and anywhere.
    """
    outcomes, without = measure(run, data, drawings, weights)
    beside = measure(against, data, drawings, weights, draws_hints=False)[1] if against else {}
    goals = {**goals_of(outcomes), **goals_without(without, beside)}
    show(outcomes, goals)
    for name, value in without.items():
        click.echo(f"{name} without hints: {value if isinstance(value, str) else format(value, '.4f')}")
    if not against:
        click.echo("not judged: name a run that was trained without hints by --against RUN")
    has_passed = all(goal["met"] for goal in goals.values())
    click.echo("passed" if has_passed else "failed: the goals were not reached")
    if target is not None:
        content = {"drawings": drawings, "cases": [one._asdict() for one in outcomes], "without": without}
        target.write_text(json.dumps({**content, "goals": goals, "passed": has_passed}, indent=2) + "\n")
    if not has_passed:
        raise SystemExit(1)


def measure(
    run: Path, data: Path | None, drawings: int, weights: Path | None, draws_hints: bool = True
) -> tuple[list[Outcome], dict[str, Any]]:
    """What becomes of every case, and L1 and LPIPS without a hint."""
    from sketchkit.evaluation.images.run_images import RunImages
    from sketchkit.inference import TrainedTranslator

    translator = TrainedTranslator(run)
    held_out = RunImages(translator, data=data).dataset
    if draws_hints and not _takes_hints(translator):
        raise click.ClickException(
            f"{run} was trained without hints: train with backbone.hint_channels=4 and ColorHints"
        )
    outcomes, pairs = [], []
    for number in range(min(drawings, len(held_out))):
        sample = held_out[number]
        plain = _painted(translator, sample, [])[0]
        pairs.append((sample["target"].numpy(), plain.transpose(2, 0, 1)))
        cases = list(cases_of(_lightness(translator, sample), number)) if draws_hints else []
        for some in (cases[start : start + 15] for start in range(0, len(cases), 15)):
            outputs = _painted(translator, sample, [case.hint for case in some])
            outcomes += [judge(case, output, plain) for case, output in zip(some, outputs, strict=True)]
    return outcomes, _worth(pairs, weights)


def judge(case: Case, output: np.ndarray, plain: np.ndarray) -> Outcome:
    """Hold the output (H, W, 3) uint8 with the hint against the hint, and against the output without."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    wanted = np.array(COLORS[case.color], float)
    weights = case.under if case.under.any() else case.hint[3] / 255  # on nothing but lines
    found = np.average(output.reshape(-1, 3), 0, weights.ravel())
    off = float(deltaE_ciede2000(*(rgb2lab(color / 255) for color in (wanted, found))))
    has_ended = (found < _END) & (wanted > _NEAR_END) | (found > 255 - _END) & (wanted < 255 - _NEAR_END)
    change = None
    if case.aside.any():
        change = float(deltaE_ciede2000(*(rgb2lab(one[case.aside] / 255) for one in (plain, output))).mean())
    return Outcome(case.color, case.size, case.place, off, int(has_ended.sum()), change)


def goals_of(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """Each goal's value, limit, and whether it is met."""
    saturated = sum(one.saturated for one in outcomes) / (3 * max(len(outcomes), 1))
    return {
        "difference to the hint": _goal(_mean(one.off for one in outcomes), MOST_OFF),
        "saturated channels": _goal(saturated, 0.0),
        "change of other areas": _goal(_mean(one.change for one in outcomes), MOST_CHANGE),
    }


def goals_without(found: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What outputs are worth without hints, beside those of a training without any."""
    measured = [name for name, value in found.items() if not isinstance(value, str) and name in beside]
    return {f"{name} without hints": _goal(found[name], beside[name] * MOST_WORSE) for name in measured}


def show(outcomes: Sequence[Outcome], goals: Mapping[str, Mapping[str, Any]]) -> None:
    """The tables: by what was drawn, and by goal."""
    click.echo(f"{len(outcomes)} hints; CIEDE2000")
    click.echo(f"{'':<16}{'to the hint':>12}{'above 15':>10}{'saturated':>11}{'elsewhere':>11}")
    kinds = [("color", name) for name in COLORS] + [("size", size) for size in SIZES]
    for key, value in [*kinds, *(("place", place) for place in PLACES)]:
        some = [one for one in outcomes if getattr(one, key) == value]
        if some:
            name = f"{value:.0%}" if key == "size" else value
            far = sum(one.off > MOST_OFF for one in some) / len(some)
            ended, change = sum(one.saturated for one in some) / len(some) / 3, _mean(one.change for one in some)
            click.echo(f"{name:<16}{_mean(one.off for one in some):>12.1f}{far:>10.1%}{ended:>11.1%}{change:>11.1f}")
    click.echo(f"\n{'goal':<26}{'value':>10}{'at most':>10}")
    for name, goal in goals.items():
        click.echo(f"{name:<26}{goal['value']:>10.4g}{goal['limit']:>10.4g}  {'met' if goal['met'] else 'not met'}")


def _goal(value: float, limit: float) -> dict[str, Any]:
    return {"value": value, "limit": limit, "met": value <= limit}


def _mean(values: Iterable[float | None]) -> float:
    """The mean of those that are there; 0 of none."""
    known = [value for value in values if value is not None]
    return sum(known) / max(len(known), 1)


def _takes_hints(translator: Any) -> bool:
    from sketchkit.translators.padding import hint_channels

    return hint_channels(translator.networks["AtoB"]) > 0


def _lightness(translator: Any, sample: Mapping[str, Any]) -> np.ndarray:
    """(H, W) in [0, 1]: the drawing, dark lines on a light ground."""
    light = sample["source"].numpy().mean(0) / 255
    drawings = translator.reader.drawings
    return 1 - light if drawings is not None and drawings.is_dark else light


def _painted(translator: Any, sample: Mapping[str, Any], given: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs (H, W, 3) uint8 at the size of the training, one a hint; of no hints, the one without any."""
    import torch
    from torch.utils.data import default_collate

    from sketchkit.translators.pictures import to_bytes

    plain = {key: value for key, value in sample.items() if key in ("source", "target", "label", "key")}
    batch = default_collate([plain] * max(len(given), 1))
    if given:
        batch["hint"] = torch.from_numpy(np.stack(given))
    shown = translator.model.val_step(batch, draws=1)[0]["fake"]
    return list(to_bytes(shown).permute(0, 2, 3, 1).numpy())


def _worth(pairs: Sequence[tuple[np.ndarray, np.ndarray]], weights: Path | None) -> dict[str, Any]:
    """L1 and LPIPS of pairs (3, H, W) uint8, the truth and the output; in words, why one was not measured."""
    import torch

    from sketchkit.errors import DataError, WeightsError
    from sketchkit.evaluation.build import make_metrics
    from sketchkit.evaluation.metric import Features, Setup

    setup = Setup(weights={"alexnet": weights} if weights else {}, offline=True)
    found: dict[str, Any] = {}
    for name in ("l1", "lpips"):
        try:
            (metric,) = make_metrics([name], setup, companions=False).values()
            rows = [metric.extractor.prepare(*map(torch.from_numpy, pair)) for pair in pairs]
            pair = torch.cat([metric.extractor.extract(row[None]) for row in rows])
            found.update(metric.compute(Features(pair=pair)))
        except (WeightsError, DataError) as error:
            found[name] = f"not measured: {error}"
    return found
