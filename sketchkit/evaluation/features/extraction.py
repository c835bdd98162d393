"""Pictures -> rows -> numbers: one pass over the pictures for all metrics, and one of every network they share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sketchkit.data.image_io import UnreadableImage, UnusablePicture, read_image
from sketchkit.errors import DataError
from sketchkit.evaluation.features.cache import FeatureCache
from sketchkit.evaluation.features.statistics import Statistics
from sketchkit.evaluation.images.image_set import FAIL, PictureFile, Progress, refusal
from sketchkit.evaluation.metric import ROLES, FeatureExtractor, Features, PictureMetric

BATCH = 16


@dataclass(frozen=True)
class Item:
    """What belongs together: a real picture, the outputs compared with it, and all outputs of its source.

    In a set without pairs an item is one picture.
    """

    name: str
    real: PictureFile | None = None
    fakes: tuple[PictureFile, ...] = ()
    draws: tuple[PictureFile, ...] = ()
    label: str | None = None

    def of_role(self, role: str) -> list[tuple[PictureFile, ...]]:
        """The pictures, or groups of them, that an extractor in this role sees."""
        match role:
            case "real":
                return [(self.real,)] if self.real else []
            case "fake":
                return [(fake,) for fake in self.fakes]
            case "pair":
                return [(self.real, fake) for fake in self.fakes] if self.real else []
            case _:
                return [self.draws] if len(self.draws) > 1 else []


@dataclass(frozen=True)
class Task:
    """An extractor, and the pictures it sees together."""

    extractor: FeatureExtractor
    pictures: tuple[PictureFile, ...]

    @cached_property
    def key(self) -> str:
        """What the row is kept by: the extractor, and the pictures' contents."""
        words = [self.extractor.key, *(picture.probe.digest for picture in self.pictures)]
        return hashlib.sha256(" ".join(words).encode()).hexdigest()


@dataclass
class ExtractedFeatures:
    """The rows of every task of the items, by key; the tasks without one, with the reason.

    looked_at: how many pictures were looked at anew.
    """

    items: Sequence[Item]
    rows: dict[str, Tensor] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    looked_at: int = 0
    _parts: dict[tuple[str, str], tuple[list[Task], Tensor]] = field(default_factory=dict)

    def features_of(self, metric: PictureMetric, statistics: Statistics | None = None) -> Features:
        """What `metric` is to be computed of, in the order of the pictures' names.

        Raises:
            DataError: it needs the class of an output that has none.
        """
        wanted: dict[str, Any] = {role: self._part(metric.extractor, role)[1] for role in roles_of(metric, statistics)}
        if "labels" in metric.needs:
            wanted["labels"] = self._labels(metric)
        return Features(**wanted, statistics=statistics if metric.takes_statistics else None)

    def tasks(self, metric: PictureMetric, role: str) -> list[Task]:
        """The tasks behind the rows of one role, in their order."""
        return self._part(metric.extractor, role)[0]

    def _labels(self, metric: PictureMetric) -> list[str]:
        classes = {fake.file: item.label for item in self.items for fake in item.fakes}
        labels = []
        for task in self.tasks(metric, "fake"):
            file = task.pictures[0].file
            label = classes[file]
            if label is None:
                raise DataError(f"{file} has no class: put outputs into folders of their classes")
            labels.append(label)
        return labels

    def _part(self, extractor: FeatureExtractor, role: str) -> tuple[list[Task], Tensor]:
        """The tasks of an extractor in a role, with their rows; made once for all metrics that share the extractor."""
        if (extractor.key, role) not in self._parts:
            found = [task for task in tasks_of(extractor, self.items, role) if task.key in self.rows]
            # By names, so that what is drawn by a seed does not depend on how the pictures were paired.
            found.sort(key=lambda task: [picture.name for picture in task.pictures])
            rows = torch.stack([self.rows[task.key] for task in found]) if found else torch.empty(0, extractor.width)
            self._parts[extractor.key, role] = found, rows.to(extractor.dtype)
        return self._parts[extractor.key, role]


def extract_features(
    metrics: Iterable[PictureMetric],
    items: Sequence[Item],
    statistics: Statistics | None = None,
    store: FeatureCache | None = None,
    workers: int = 2,
    on_error: str = FAIL,
    progress: Progress | None = None,
) -> ExtractedFeatures:
    """See every picture that some metric needs, each file read once and each extractor's network run once.

    Args:
        metrics: those of one `make_metrics`, which share their extractors.
        statistics: of the real set, where its pictures are not there.
        store: rows kept so far; new ones are added as they are made, so that a stopped call goes on.
        workers: processes that read and prepare pictures; 0 does it here.
        on_error: 'fail', or 'skip' to do without what cannot be used.
        progress: called with (pictures done, all of them).

    Raises:
        DataError: a picture cannot be used, and `on_error` is 'fail'.
    """
    extracted, metrics = ExtractedFeatures(items), list(metrics)
    tasks = [_unique(metrics, item, statistics) for item in items]
    known = _kept(tasks, store)
    extracted.rows.update(known)
    todo = [missing for row in tasks if (missing := [task for task in row if task.key not in known])]
    with torch.inference_mode():
        _look(todo, extracted, store, workers, on_error, progress)
    extracted.looked_at = len({picture.file for row in todo for task in row for picture in task.pictures})
    return extracted


def roles_of(metric: PictureMetric, statistics: Statistics | None = None) -> list[str]:
    """The roles whose rows a metric needs."""
    spared = "real" if statistics is not None and metric.takes_statistics else None
    return [role for role in ROLES if role in metric.needs and role != spared]


def tasks_of(extractor: FeatureExtractor, items: Iterable[Item], role: str) -> Iterator[Task]:
    """Everything that an extractor in this role sees."""
    for item in items:
        for pictures in item.of_role(role):
            yield Task(extractor, pictures)


def extract_batch(extractor: FeatureExtractor, prepared: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rows, on the CPU, of what `FeatureExtractor.prepare` made, by their keys; equal shapes are extracted together."""
    shapes: dict[torch.Size, list[str]] = {}
    for key, tensor in prepared.items():
        shapes.setdefault(tensor.shape, []).append(key)
    rows: dict[str, Tensor] = {}
    for keys in shapes.values():
        batch = extractor.extract(torch.stack([prepared[key] for key in keys]))
        rows.update(zip(keys, batch.to("cpu", extractor.dtype).unbind(), strict=True))
    return rows


class _Files(Dataset[list[Any]]):
    """Each item's pictures, read once and prepared for all its tasks; what cannot be used is its reason instead."""

    def __init__(self, todo: Sequence[Sequence[Task]]) -> None:
        self.todo = todo

    def __len__(self) -> int:
        return len(self.todo)

    def __getitem__(self, index: int) -> list[Tensor | str]:
        read: dict[Path, Tensor] = {}
        return [self._prepare(task, read) for task in self.todo[index]]

    def _prepare(self, task: Task, read: dict[Path, Tensor]) -> Tensor | str:
        try:
            for picture in task.pictures:
                if picture.file not in read:
                    image = read_image(picture.file, picture.probe.digest)
                    read[picture.file] = torch.from_numpy(image).permute(2, 0, 1).contiguous()
            return task.extractor.prepare(*(read[picture.file] for picture in task.pictures))
        except UnusablePicture as error:
            names = " and ".join(str(picture.file) for picture in task.pictures)
            return str(error) if isinstance(error, UnreadableImage) else f"{names}: {error}"


def _unique(metrics: Iterable[PictureMetric], item: Item, statistics: Statistics | None) -> list[Task]:
    tasks = (
        task
        for metric in metrics
        for role in roles_of(metric, statistics)
        for task in tasks_of(metric.extractor, [item], role)
    )
    return list({task.key: task for task in tasks}.values())


def _kept(tasks: Iterable[Sequence[Task]], store: FeatureCache | None) -> dict[str, Tensor]:
    if store is None:
        return {}
    extractors: dict[str, tuple[FeatureExtractor, list[str]]] = {}
    for task in (task for row in tasks for task in row):
        extractors.setdefault(task.extractor.key, (task.extractor, []))[1].append(task.key)
    found: dict[str, Tensor] = {}
    for extractor, keys in extractors.values():
        found.update(store.get(keys, extractor.width, extractor.dtype))
    return found


def _look(
    todo: Sequence[Sequence[Task]],
    extracted: ExtractedFeatures,
    store: FeatureCache | None,
    workers: int,
    on_error: str,
    progress: Progress | None,
) -> None:
    waiting: dict[str, tuple[FeatureExtractor, dict[str, Tensor]]] = {}

    def flush(least: int) -> None:
        for extractor, prepared in waiting.values():
            if len(prepared) >= least:
                rows = extract_batch(extractor, prepared)
                extracted.rows.update(rows)
                if store is not None:
                    store.put(rows)
                prepared.clear()

    counts = [len({picture.file for task in tasks for picture in task.pictures}) for tasks in todo]
    for tasks, results, done in zip(todo, _loaded(todo, workers), accumulate(counts), strict=True):
        for task, result in zip(tasks, results, strict=True):
            if isinstance(result, str):
                extracted.failed[task.key] = result
            else:
                waiting.setdefault(task.extractor.key, (task.extractor, {}))[1][task.key] = result
        flush(BATCH)
        if progress:
            progress(done, sum(counts))
    flush(1)
    if extracted.failed and on_error == FAIL:
        raise DataError(refusal(extracted.failed.values()))


def _loaded(todo: Sequence[Sequence[Task]], workers: int) -> Iterable[list[Tensor | str]]:
    # One item at a time, as their pictures may differ in size; batches are made by shape where they are seen.
    return DataLoader(_Files(todo), batch_size=None, num_workers=min(workers, len(todo)))
