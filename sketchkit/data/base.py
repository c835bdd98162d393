"""What data sets of picture files share: bad files are replaced and counted, augmentation is a function of the draw."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.registry import FUNCTIONS
from torch import Tensor
from torch.utils.data import Dataset, default_collate
from torchvision.tv_tensors import Image as Picture

from sketchkit.data.image_io import UnusablePicture, read_image
from sketchkit.data.names import names_of
from sketchkit.data.randomness import seeded
from sketchkit.data.transforms.build import Transform, build_pipeline
from sketchkit.declared import Seed, Whole
from sketchkit.errors import ConfigError, DataError, SketchkitError
from sketchkit.problems import first_few

# Wraps what is walked through, to show how far that is.
Looking = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass
class Findings:
    """What `sketchkit data check` tells of a folder.

    Attributes:
        kind: what the data set calls itself.
        options: those of the data set that the call gives.
        counts: by name; what was found out.
        problems: a line for each picture that cannot be used, and for all else that training would refuse.
        notes: a line for what training takes, and a person should know.
        command: how to train on the folder, where nothing is in the way of that.
        is_refused: whether a training would end at a problem.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    command: str | None = None
    is_refused: bool = False

    def add(self, error: SketchkitError) -> None:
        """Another problem; of one that no neighbour of the picture takes the place of, that training refuses it."""
        if str(error) not in self.problems:
            self.problems.append(str(error))
        self.is_refused |= not isinstance(error, UnusablePicture)


class FileDataset(Dataset[dict[str, Any]]):
    """Samples that are each read from one file or more.

    A data set of its own says which files a sample is made of (`parts`), what they become (`compose`) and what else a
    sample carries (`about`).

    Args:
        root: the folder that names are relative to.
        samples: how many samples there are.
        pipeline: TRANSFORMS configs, applied to the dict of a sample's pictures.
        seed: of the augmentation, a pure function of (seed, index, draw).
        max_unreadable: this many files that cannot be read or used are replaced by their neighbours with a warning;
            one more ends the run.
    """

    kind: ClassVar[str | None] = None
    # The config, by its name or path, that `sketchkit data check` says to train with.
    config: ClassVar[str | None] = None
    classes: Sequence[str] = ()
    # How many samples a whole training draws, by all processes; the loop says so before the first is drawn.
    total_draws: int | None = None
    # Whether a sample's target is the truth of its source, so that outputs can be compared with it.
    is_paired: bool = True

    def __init__(
        self,
        root: Path,
        samples: int,
        files: Iterable[Path],
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        seed: Seed = 0,
        max_unreadable: Whole = 10,
    ) -> None:
        self.root, self.samples = root, samples
        self.pipeline = build_pipeline(pipeline)
        self.seed, self.max_unreadable = seed, max_unreadable
        self._files = sorted(set(files))
        self._number = {file: number for number, file in enumerate(self._files)}
        # In shared memory, so that what one worker finds bad is known to all and to the main process.
        self._bad = torch.zeros(len(self._files), dtype=torch.bool).share_memory_()

    @classmethod
    def recognize(cls, root: Path) -> float:
        """How sure it is, from 0 to 1, that a folder is laid out for this data set."""
        return 0.0

    @classmethod
    def splits_in(cls, root: Path, **options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """What every split that there is is called, and the options that read it whole.

        Raises:
            DataError: there is none.
        """
        yield "all", options

    @classmethod
    def settings(cls, root: Path, **options: Any) -> dict[str, Any]:
        """The keys of `config` besides data_root that training on this folder needs, as data can tell, in a dict.

        `options` are those that the folder is read with; what they set is among the keys.

        Raises:
            DataError: nothing makes the folder one to train on; says why.
        """
        return options

    def examine(self, name: str, findings: Findings, look: Looking) -> None:
        """Count the samples of the split `name`, and read each."""
        findings.counts[name] = len(self)
        for index in look(range(len(self))):
            try:
                self.read_sample(index)
            except DataError as error:
                findings.add(error)

    def parts(self, index: int, draw: int) -> tuple[Path, ...]:
        """The files that the sample at `index` is made of, in its `draw`-th drawing."""
        raise NotImplementedError

    def compose(self, index: int, pictures: Sequence[Picture]) -> dict[str, Picture]:
        """`source` and `target`, (3, H, W) uint8, from the pictures of `parts`."""
        raise NotImplementedError

    def about(self, index: int, files: Sequence[Path]) -> dict[str, Any]:
        """What a sample carries besides pictures: `key`, its name, and `label` where there are classes."""
        return {"key": self.name_of(files[0])}

    def name_of(self, file: Path) -> str:
        """The file's path relative to the root, without its ending save where two would be alike; see `names_of`."""
        return self._names[file]

    @cached_property
    def _names(self) -> dict[Path, str]:
        return names_of(self._files, self.root)

    @property
    def metainfo(self) -> dict[str, Any]:
        """What a validation is told of the data: the class names in order of their labels, and `is_paired`."""
        return {"classes": list(self.classes), "is_paired": self.is_paired}

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """The sample at `index`, or at (index, draw), where `draw` counts the samples drawn in a training run.

        Returns:
            source and target, (3, H, W) uint8 RGB; key, the name of what was read; label, int64, where there are
            classes; what the pipeline adds, such as hint (4, H, W).

        Raises:
            DataError: more than `max_unreadable` files are bad, no readable one is left, or the pipeline cannot take
                a picture, such as one smaller than its crop.
        """
        index, draw = index if isinstance(index, tuple) else (index, 0)
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        place, files, sample = self._read_from(index, draw)
        with seeded(self.seed, index, draw):
            sample = self._transform(self.pipeline, sample, files)
        images = {name: image.as_subclass(Tensor) for name, image in sample.items()}
        return {**images, **self.about(place, files)}

    @property
    def source_half(self) -> dict[str, Any] | None:
        """Of files that hold pairs side by side: `side`, the source's, and `ratio`, a half's width over its height."""
        return None

    def read_sample(self, index: int, draw: int = 0) -> dict[str, Picture]:
        """`source` and `target` as they come from the files, before the pipeline.

        Raises:
            DataError: a file is no such sample; as UnusablePicture where its neighbour may take its place.
        """
        return self.compose(index, [_read(file) for file in self.parts(index, draw)])

    def drawing(self, index: int) -> np.ndarray:
        """The source at `index` as people would draw it, (H, W, 3) uint8: before it is prepared for networks.

        Raises:
            DataError: as `read_sample`.
        """
        sample = self.read_sample(index)
        with seeded(self.seed, index, 0):
            for step in self.pipeline.transforms:
                sample = step(sample) if getattr(step, "draws", False) else sample
        return sample["source"].as_subclass(Tensor).permute(1, 2, 0).contiguous().numpy()

    def unreadable(self) -> list[Path]:
        """The files that could not be read or used so far, by whichever worker."""
        return [file for file, bad in zip(self._files, self._bad.tolist(), strict=True) if bad]

    def dropped(self) -> Mapping[Path, str]:
        """The files that an option of the data set leaves out, with the reason."""
        return {}

    def record(self) -> dict[str, Any]:
        """What a run folder should say of the data besides counts, such as what an 'auto' option found."""
        return {}

    def files(self) -> list[Path]:
        """Every file the samples are read from, sorted."""
        return list(self._files)

    def fingerprint(self) -> str:
        """SHA-256, in hex, over the sorted relative names and sizes of `files()`."""
        return hash_files(self.root, self._files)

    def _read_from(self, start: int, draw: int) -> tuple[int, tuple[Path, ...], dict[str, Picture]]:
        """The first usable sample from `start` on."""
        for step in range(len(self)):
            place = (start + step) % len(self)
            files = self.parts(place, draw)
            if any(self._bad[self._number[file]] for file in files):
                continue
            try:
                return place, files, self.read_sample(place, draw)
            except UnusablePicture as error:
                self._bad[self._number[error.file or files[-1]]] = True
                self._report(error)
        raise DataError(f"no readable sample left in {self.root}: see `sketchkit data check {self.root}`")

    def _report(self, error: UnusablePicture) -> None:
        bad = self.unreadable()
        if len(bad) > self.max_unreadable:
            raise DataError(
                f"{len(bad)} unreadable files in {self.root}: {first_few(bad)} (the last: {error}); mend or "
                f"remove them, or allow more with max_unreadable={len(bad)}"
            ) from error
        warnings.warn(f"{error}; the next sample takes its place", stacklevel=2)

    def _transform(self, pipeline: Transform, sample: dict[str, Picture], files: Sequence[Path]) -> dict[str, Picture]:
        try:
            return pipeline(sample)
        except (ValueError, RuntimeError, TypeError) as error:
            sizes = " and ".join(dict.fromkeys(f"{one.shape[-1]}x{one.shape[-2]}" for one in sample.values()))
            reason = " ".join(str(error).split())
            raise DataError(
                f"{' with '.join(map(str, files))} ({sizes} pixels) does not go through the pipeline: {reason}; change "
                "the pipeline or image_size, or remove the file"
            ) from error


# In the root registry: the runner looks a collate function up without a scope.
@FUNCTIONS.register_module()
def collate_pictures(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """torch's `default_collate`; a sample within a sample, such as `real`, is collated as one.

    Raises:
        DataError: the pictures of the batch differ in size.
    """
    for key in ("source", "target"):
        sizes = {tuple(sample[key].shape): sample["key"] for sample in samples if key in sample}
        if len(sizes) > 1:
            (one, first), (other, second), *_ = sizes.items()
            raise DataError(
                f"{first} is {one[2]}x{one[1]} with {one[0]} channels and {second} is {other[2]}x{other[1]} with "
                f"{other[0]}: give the pipeline a Resize or RandomCrop, or set batch_size=1"
            )
    inner = [key for key, value in samples[0].items() if isinstance(value, Mapping)]
    batch = default_collate([{key: value for key, value in sample.items() if key not in inner} for sample in samples])
    return {**batch, **{key: collate_pictures([sample[key] for sample in samples]) for key in inner}}


def _read(file: Path) -> Picture:
    try:
        return Picture(torch.from_numpy(read_image(file)).permute(2, 0, 1).contiguous())
    except UnusablePicture as error:
        error.file = file
        raise


def hash_files(root: Path, files: Iterable[Path]) -> str:
    """SHA-256, in hex, over the sorted names relative to `root` with their sizes in bytes."""
    lines = sorted(f"{file.relative_to(root).as_posix()} {file.stat().st_size}\n" for file in files)
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def spread(items: list[Any], count: int | None) -> list[Any]:
    """No more than `count` of the items, evenly spread over the whole.

    Raises:
        ConfigError: the count is less than one.
    """
    if count is not None and count < 1:
        raise ConfigError(f"max_samples={count} leaves no sample: give 1 or more, or None for all")
    if count is None or count >= len(items):
        return items
    return [items[i * len(items) // count] for i in range(count)]
