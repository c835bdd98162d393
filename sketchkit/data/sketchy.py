"""The Sketchy Database (Sangkloy et al. 2016) as a data set of registered sketch-photo pairs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors

from sketchkit.data import layout
from sketchkit.data.images import UnreadableImage, read_image
from sketchkit.data.layout import ALIGNED, FLAGS, Pair
from sketchkit.data.randomness import seeded
from sketchkit.data.transforms import Transform, build_pipeline
from sketchkit.errors import ConfigError, DataError
from sketchkit.registry import DATASETS, did_you_mean

SPLITS = ("train", "test", "all")
_BAD_SKETCH, _BAD_PHOTO = 1, 2


@DATASETS.register_module()
class SketchyDataset(Dataset[dict[str, Any]]):
    """Pairs of sketch (`source`) and photo (`target`), with the class as `label`.

    Args:
        data_root: the folder that holds photo, sketch and info (see `sketchkit.data.layout`).
        split: 'train', 'test' (the photos of info/testset.txt and their sketches), or 'all'.
        categories: the first N classes in alphabetical order, names, or None for all; labels count through these.
        photo_tx: which transformation of the photos.
        sketch_tx: which transformation of the sketches; only where both are tx_000000000000 do they register.
        drop: sketches with one of these flags are left out, of every split.
        pipeline: TRANSFORMS configs, applied to the dict of both images.
        seed: of the augmentation, a pure function of (seed, index, draw).
        max_unreadable: this many bad files are replaced by their neighbours with a warning; one more ends the run.
        max_samples: keep no more than this many, evenly spread over the whole.

    Raises:
        DataError: the folder is missing, laid out otherwise, or gives no sample.
        ConfigError: an option's value is not one of those known.
    """

    def __init__(
        self,
        data_root: str | Path = "data/sketchy",
        split: str = "train",
        categories: int | Sequence[str] | None = None,
        photo_tx: str = ALIGNED,
        sketch_tx: str = ALIGNED,
        drop: Sequence[str] = ("error",),
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        seed: int = 0,
        max_unreadable: int = 10,
        max_samples: int | None = None,
    ) -> None:
        _check_words("split", (split,), SPLITS)
        _check_words("drop", drop, FLAGS)
        self.pipeline = build_pipeline(pipeline)
        self.seed, self.max_unreadable = seed, max_unreadable
        self.folder = layout.open_folder(data_root, photo_tx, sketch_tx)
        self.classes = layout.choose_categories(self.folder.categories(), categories, self.folder.root)
        self._check_info(split, drop)
        self.all_pairs, self.orphans = self.folder.pairs(self.classes)
        self._warn(photo_tx, sketch_tx)
        self.pairs = _spread(_select(self.all_pairs, split, drop), max_samples)
        if not self.pairs:
            raise DataError(
                f"no sample of {data_root} is left by split='{split}', drop={list(drop)}: widen these options"
            )
        self._label = {name: label for label, name in enumerate(self.classes)}
        # In shared memory, so that what one worker finds bad is known to all and to the main process.
        self._bad = torch.zeros(len(self.pairs), dtype=torch.uint8).share_memory_()

    @property
    def metainfo(self) -> dict[str, Any]:
        """What mmengine asks of a data set: the class names in order of their labels."""
        return {"classes": self.classes}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """The sample at `index`, or at (index, draw), where `draw` counts the samples drawn in a training run.

        Returns:
            source and target, (3, H, W) uint8 RGB; label, int64 scalar; key, 'class/id-n' of what was read.

        Raises:
            DataError: more than `max_unreadable` files are bad, or no readable one is left.
        """
        index, draw = index if isinstance(index, tuple) else (index, 0)
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        pair, sample = self._read_from(index % len(self))
        with seeded(self.seed, index % len(self), draw):
            sample = self.pipeline(sample)
        images = {name: image.as_subclass(torch.Tensor) for name, image in sample.items()}
        return {**images, "label": torch.tensor(self._label[pair.category]), "key": pair.key}

    def unreadable(self) -> list[Path]:
        """The files found bad so far, by whichever worker."""
        bad = self._bad.tolist()
        sketches = {pair.sketch for pair, flag in zip(self.pairs, bad, strict=True) if flag & _BAD_SKETCH}
        photos = {pair.photo for pair, flag in zip(self.pairs, bad, strict=True) if flag & _BAD_PHOTO}
        return sorted(sketches | photos)

    def files(self) -> list[Path]:
        """Every file the samples are read from, sorted."""
        return sorted({file for pair in self.pairs for file in (pair.sketch, pair.photo)})

    def fingerprint(self) -> str:
        """SHA-256, in hex, over the sorted relative names and sizes of `files()`."""
        return layout.hash_files(self.folder.root, self.files())

    def describe(self) -> dict[str, Any]:
        """Counts over the chosen classes, before split and drop; `kept` is this data set's own length."""
        pairs = self.all_pairs
        return {
            "classes": len(self.classes),
            "photos": len({pair.photo for pair in pairs}),
            "sketches": len(pairs),
            "flagged": {flag: sum(flag in pair.flags for pair in pairs) for flag in FLAGS},
            "test_sketches": sum(pair.is_test for pair in pairs),
            "without_photo": len(self.orphans),
            "kept": len(self),
        }

    def _read_from(self, start: int) -> tuple[Pair, dict[str, tv_tensors.Image]]:
        """The first readable pair from `start` on."""
        for index in chain(range(start, len(self)), range(start)):
            if self._bad[index]:
                continue
            pair = self.pairs[index]
            source = self._read(index, pair.sketch, _BAD_SKETCH)
            target = self._read(index, pair.photo, _BAD_PHOTO) if source is not None else None
            if source is not None and target is not None:
                return pair, {"source": source, "target": target}
        raise DataError(f"no readable sample left in {self.folder.root}: see `sketchkit data check {self.folder.root}`")

    def _read(self, index: int, file: Path, flag: int) -> tv_tensors.Image | None:
        try:
            return tv_tensors.Image(torch.from_numpy(read_image(file)).permute(2, 0, 1).contiguous())
        except UnreadableImage as error:
            is_new = file not in self.unreadable()
            self._bad[index] |= flag
            if is_new:
                self._report(error)
            return None

    def _report(self, error: UnreadableImage) -> None:
        bad = self.unreadable()
        if len(bad) > self.max_unreadable:
            first = ", ".join(map(str, bad[:3]))
            raise DataError(
                f"{len(bad)} unreadable files in {self.folder.root}, first {first}: mend or remove them, or allow more "
                f"with max_unreadable={len(bad)}"
            ) from error
        warnings.warn(f"{error}; the next sample takes its place", stacklevel=2)

    def _check_info(self, split: str, drop: Sequence[str]) -> None:
        if split != "all":
            self.folder.require("testset.txt", "use split='all'")
        for flag in drop:
            self.folder.require(f"invalid-{flag}.txt", f"leave '{flag}' out of drop")

    def _warn(self, photo_tx: str, sketch_tx: str) -> None:
        if (photo_tx, sketch_tx) != (ALIGNED, ALIGNED):
            message = f"photo {photo_tx} and sketch {sketch_tx} do not register pixel for pixel; both {ALIGNED} do"
            warnings.warn(message, stacklevel=3)
        if self.orphans:
            first = self.orphans[0]
            warnings.warn(f"{len(self.orphans)} sketches without a photo are left out, first {first}", stacklevel=3)


def _check_words(option: str, words: Sequence[str], known: Sequence[str]) -> None:
    for word in words:
        if word not in known:
            raise ConfigError(f"{option} has no '{word}': {did_you_mean(word, known)}")


def _select(pairs: Sequence[Pair], split: str, drop: Sequence[str]) -> list[Pair]:
    wanted = {"train": (False,), "test": (True,), "all": (False, True)}[split]
    return [pair for pair in pairs if pair.is_test in wanted and not pair.flags & set(drop)]


def _spread(pairs: list[Pair], count: int | None) -> list[Pair]:
    if count is None or count >= len(pairs):
        return pairs
    return [pairs[i * len(pairs) // count] for i in range(count)]
