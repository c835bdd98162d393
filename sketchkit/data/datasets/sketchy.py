"""The Sketchy Database (Sangkloy et al. 2016) as a data set of registered sketch-photo pairs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sketchkit.data.base import FileDataset, Findings, Looking, Picture, spread
from sketchkit.data.datasets import sketchy_layout as layout
from sketchkit.data.datasets.sketchy_layout import ALIGNED, FLAGS, Pair
from sketchkit.data.image_io import read_image
from sketchkit.data.transforms.build import Transform
from sketchkit.declared import Count, Seed, Whole
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import did_you_mean
from sketchkit.registry import DATASETS

SPLITS = ("train", "test", "all")


@DATASETS.register_module()
class SketchyDataset(FileDataset):
    """Pairs of sketch (`source`) and photo (`target`), with the class as `label`.

    Args:
        data_root: the folder that holds photo, sketch and info (see `sketchkit.data.datasets.sketchy_layout`).
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

    kind = "sketchy"

    @classmethod
    def recognize(cls, root: Path) -> float:
        """The folders of the database."""
        return 1.0 if any((root / name).is_dir() for name in ("photo", "sketch", "256x256")) else 0.0

    @classmethod
    def splits_in(cls, root: Path, **options: Any) -> Iterator[tuple[str, FileDataset]]:
        """Both splits in one, with the sketches that are flagged."""
        yield "all", cls(root, **{"split": "all", "drop": (), **options})

    def examine(self, name: str, findings: Findings, look: Looking) -> None:
        """Count classes, photos and sketches by flag, and read every file once."""
        findings.counts |= self.describe()
        for file in look(self.files()):
            try:
                read_image(file)
            except DataError as error:
                findings.problems.append(str(error))

    def __init__(
        self,
        data_root: str | Path = "data/sketchy",
        split: str = "train",
        categories: Count | str | Sequence[str] | None = None,
        photo_tx: str = ALIGNED,
        sketch_tx: str = ALIGNED,
        drop: Sequence[str] = ("error",),
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        seed: Seed = 0,
        max_unreadable: Whole = 10,
        max_samples: Count | None = None,
    ) -> None:
        _check_words("split", (split,), SPLITS)
        _check_words("drop", drop, FLAGS)
        self.folder = layout.open_folder(data_root, photo_tx, sketch_tx)
        self.classes = layout.choose_categories(self.folder.categories(), categories, self.folder.root)
        self._check_info(split, drop)
        self.all_pairs, self.orphans = self.folder.pairs(self.classes)
        self._warn(photo_tx, sketch_tx)
        self.pairs = spread(_select(self.all_pairs, split, drop), max_samples)
        if not self.pairs:
            raise DataError(
                f"no sample of {data_root} is left by split='{split}', drop={list(drop)}: widen these options"
            )
        files = (file for pair in self.pairs for file in (pair.sketch, pair.photo))
        super().__init__(self.folder.root, len(self.pairs), files, pipeline, seed, max_unreadable)
        self._label = {name: label for label, name in enumerate(self.classes)}

    def parts(self, index: int, draw: int) -> tuple[Path, ...]:
        """The sketch and its photo."""
        return self.pairs[index].sketch, self.pairs[index].photo

    def compose(self, index: int, pictures: Sequence[Picture]) -> dict[str, Picture]:
        """The sketch as source, the photo as target."""
        return dict(zip(("source", "target"), pictures, strict=True))

    def about(self, index: int, files: Sequence[Path]) -> dict[str, Any]:
        """The key 'class/id-n', and the class as label."""
        pair = self.pairs[index]
        return {"label": torch.tensor(self._label[pair.category]), "key": pair.key}

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
