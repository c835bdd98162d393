"""Which pictures of two sets belong together, by their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from sketchkit.errors import DataError
from sketchkit.evaluation.features.extraction import Item
from sketchkit.evaluation.images.image_set import FAIL, PictureFile, PictureSet
from sketchkit.evaluation.metric import PictureMetric
from sketchkit.problems import first_few

# As `sketchkit translate --samples` names several outputs of one source.
_NUMBERED = re.compile(r"_[1-9]\d*$")


def make_items(
    real: PictureSet | None, fake: PictureSet, metrics: Iterable[PictureMetric], on_error: str = FAIL
) -> tuple[list[Item], list[str]]:
    """Items for what the metrics need, and the names left out of pairs because they have no partner.

    Outputs belong to the real picture of their name, or of their name without a number (`apple_1`, `apple_2`), see
    `sources`; where no metric compares pairs, every picture stands alone.

    Raises:
        DataError: names that do not pair and `on_error` is 'fail', no pair at all, or no source with several outputs.
    """
    needs = {need for metric in metrics for need in metric.needs}
    names = set(real.pictures) if real and needs & {"pair", "draws"} else set()
    groups: dict[str, list[PictureFile]] = {}
    for name, source in sources(fake.pictures, names if real else None).items():
        groups.setdefault(source, []).append(fake.pictures[name])
    if "draws" in needs and not any(len(group) > 1 for group in groups.values()):
        raise DataError(
            f"{fake.path} has no real picture NAME with several outputs: name them NAME_1, NAME_2, as `sketchkit "
            "translate --samples` does"
        )
    alone = _unpaired(real, fake, groups, on_error) if real and "pair" in needs else []
    items = [
        Item(name, real.pictures[name] if real and name in names else None, tuple(group), tuple(group), _label(group))
        for name, group in groups.items()
    ]
    # Whatever has no partner still counts in what is said of whole sets.
    placed = names & set(groups)
    items += [Item(name, picture) for name, picture in (real.pictures if real else {}).items() if name not in placed]
    return items, alone


def are_pairs(real: PictureSet, fake: PictureSet) -> bool:
    """Whether every output has a real picture of its name, and every real picture an output."""
    return {*sources(fake.pictures, set(real.pictures)).values()} == set(real.pictures)


def guessed(items: Iterable[Item]) -> str:
    """A line on the outputs that are taken for numbered ones of a real picture; empty where there are none."""
    taken = [
        f"{fake.name} of {item.name}"
        for item in items
        if item.real is not None
        for fake in item.fakes
        if fake.name != item.name
    ]
    return f"{len(taken)} outputs are taken for numbered ones by their names: {first_few(taken)}" if taken else ""


def sources(names: Collection[str], real: set[str] | None) -> dict[str, str]:
    """The name of the source that each output is of.

    NAME_3 is a numbered output of NAME only where neither it nor NAME has a partner of its very name: whoever numbers
    outputs numbers them all.

    Args:
        names: of the outputs.
        real: the names of real pictures; None where there are none to belong to.
    """
    found = {}
    for name in names:
        short = _NUMBERED.sub("", name)
        is_numbered = short not in names and (real is None or (name not in real and short in real))
        found[name] = short if is_numbered else name
    return found


def _unpaired(real: PictureSet, fake: PictureSet, groups: Iterable[str], on_error: str) -> list[str]:
    groups = set(groups)
    without = {fake.path: sorted(groups - set(real.pictures)), real.path: sorted(set(real.pictures) - groups)}
    words = [f"{len(names)} in {path} have none ({first_few(names)})" for path, names in without.items() if names]
    if len(without[fake.path]) == len(groups):
        raise DataError(f"no picture in {fake.path} has the name of one in {real.path}: pairs are found by their names")
    if words and on_error == FAIL:
        raise DataError(f"names without a partner: {'; '.join(words)}; or leave them out with --on-error skip")
    return [name for names in without.values() for name in names]


def _label(group: Sequence[PictureFile]) -> str | None:
    """The class of an output: the folder it lies in."""
    return PurePosixPath(group[0].name).parent.name or None
