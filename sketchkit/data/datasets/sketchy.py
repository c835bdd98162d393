"""The Sketchy Database (Sangkloy et al. 2016) as a data set of registered sketch-photo pairs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sketchkit.data.base import FileDataset, Findings, Looking, Picture, spread
from sketchkit.data.datasets import sketchy_layout as layout
from sketchkit.data.datasets.folders import refuse_empty
from sketchkit.data.datasets.sketchy_layout import ALIGNED, FLAGS, Pair
from sketchkit.data.image_io import read_image
from sketchkit.data.splits import PARTS
from sketchkit.data.transforms.build import Transform
from sketchkit.declared import Count, Seed, Whole
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import did_you_mean
from sketchkit.problems import first_few
from sketchkit.registry import DATASETS

SPLITS = ("train", "test", "all")
KINDS = ("photo", "sketch")
TEST_RATIO = 0.2  # that messages speak of


@DATASETS.register_module()
class SketchyDataset(FileDataset):
    """Pairs of sketch (`source`) and photo (`target`), with the class as `label`.

    Args:
        data_root: the folder that holds photo, sketch and info (see `sketchkit.data.datasets.sketchy_layout`).
        split: 'train', 'test' (the photos of info/testset.txt, or of `test_ratio`, and their sketches), or 'all'.
        categories: the first N classes in alphabetical order, names, or None for all; labels count through these.
        photo_tx: which transformation of the photos.
        sketch_tx: which transformation of the sketches; only where both are tx_000000000000 do they register.
        drop: sketches with one of these flags are left out, of every split.
        test_ratio: the share of each class's photos that are test, chosen by their names; None takes info/testset.txt.
        pipeline: TRANSFORMS configs, applied to the dict of both images.
        seed: of the augmentation, a pure function of (seed, index, draw).
        max_unreadable: this many bad files are replaced by their neighbours with a warning; one more ends the run.
        max_samples: keep no more than this many, evenly spread over the whole.

    Raises:
        DataError: the folder is missing, laid out otherwise, or gives no sample.
        ConfigError: an option's value is not one of those known.
    """

    kind = "sketchy"
    config = "sketchygan_demo"

    @classmethod
    def recognize(cls, root: Path) -> float:
        """The folders of the database, or photo and sketch with folders of classes in them."""
        base = layout.base_of(root)
        if base != root or any(layout.transformations(base, kind) for kind in KINDS):
            return 1.0
        inside = [{f.name for f in (base / kind).iterdir() if f.is_dir()} for kind in KINDS if (base / kind).is_dir()]
        # Folders called train and test divide pictures that have no classes.
        return 1.0 if len(inside) == 2 and any(names - {*PARTS} for names in inside) else 0.0

    @classmethod
    def splits_in(cls, root: Path, **options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Both splits in one, with the sketches that are flagged."""
        keys = {name: value for name, value in options.items() if name != "test_ratio"}
        chosen = {"split": "all", "drop": (), **_transformations(root, options), **keys}
        if options.get("categories") is None:
            chosen["categories"] = _usable_classes(_open(root, chosen))
        yield "all", chosen

    @classmethod
    def settings(cls, root: Path, **options: Any) -> dict[str, Any]:
        """The classes that there are; what replaces the transformations and the files of `info` that there are not."""
        chosen = {**_transformations(root, options), **options}
        folder = _open(root, chosen)
        if options.get("categories") is None:
            chosen["categories"] = _usable_classes(folder)
        drop = options.get("drop", ["error"])
        chosen["drop"] = [flag for flag in drop if not folder.lacks(f"invalid-{flag}.txt")]
        if "test_ratio" not in options and folder.lacks(layout.TEST_SET):
            chosen["test_ratio"] = TEST_RATIO
        return chosen

    def examine(self, name: str, findings: Findings, look: Looking) -> None:
        """Count classes, photos and sketches by flag, and read every file once."""
        findings.counts |= self.describe()
        if findings.options.get("categories") is None and (empty := self.folder.empty(self.folder.categories())):
            findings.problems.append(f"{layout.EmptyClasses(self.folder.root, empty)}")
        for file in look(self.files()):
            try:
                read_image(file)
            except DataError as error:
                findings.add(error)

    def __init__(
        self,
        data_root: str | Path = "data/sketchy",
        split: str = "train",
        categories: Count | str | Sequence[str] | None = None,
        photo_tx: str = ALIGNED,
        sketch_tx: str = ALIGNED,
        drop: Sequence[str] = ("error",),
        test_ratio: float | None = None,
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        seed: Seed = 0,
        max_unreadable: Whole = 10,
        max_samples: Count | None = None,
    ) -> None:
        refuse_empty(
            data_root=str(data_root), split=split, categories=categories, photo_tx=photo_tx, sketch_tx=sketch_tx
        )
        if isinstance(drop, str):
            raise ConfigError(f"drop={drop!r}: give a list, such as ['error'], or [] to leave none out")
        if test_ratio is not None and not (isinstance(test_ratio, float) and 0 < test_ratio < 1):
            raise ConfigError(f"test_ratio={test_ratio!r}: give a share between 0 and 1, such as {TEST_RATIO}, or None")
        _check_words("split", (split,), SPLITS)
        _check_words("drop", drop, FLAGS)
        self.folder = layout.open_folder(data_root, photo_tx, sketch_tx)
        known = self.folder.categories()
        if known:
            self._check(split, categories, drop, test_ratio)
        self.classes = layout.choose_categories(known, categories, self.folder.root)
        self.all_pairs, self.orphans = self.folder.pairs(self.classes, test_ratio)
        self._warn(photo_tx, sketch_tx)
        self.pairs = spread(_select(self.all_pairs, split, drop), max_samples)
        if not self.pairs:
            raise DataError(
                f"no sample of {data_root} is left by split='{split}', drop={list(drop)}: change categories, drop or "
                "test_ratio"
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

    def _check(self, split: str, categories: Any, drop: Sequence[str], test_ratio: float | None) -> None:
        """Refuse, at once, all that the folder lacks of what is asked for.

        Raises:
            DataError: says how to do without each.
        """
        mends = {}
        if split != "all" and test_ratio is None:
            mends[self.folder.lacks(layout.TEST_SET)] = f"test_ratio={TEST_RATIO}"
        for flag in drop:
            mends[self.folder.lacks(f"invalid-{flag}.txt")] = f"leave '{flag}' out of drop"
        known = self.folder.categories()
        if isinstance(categories, int) and categories > len(known) > 0:
            few = f"{self.folder.root} has {len(known)} classes, {categories} were asked for"
            mends[few] = f"use --cfg-options categories={len(known)}"
        mends.pop("", None)
        if mends:
            raise DataError(
                f"{'; '.join(mends)}: {', '.join(mends.values())}, or copy what is missing there; `sketchkit data "
                f"check {self.folder.root}` says the whole command"
            )

    def _warn(self, photo_tx: str, sketch_tx: str) -> None:
        if (photo_tx, sketch_tx) != (ALIGNED, ALIGNED):
            message = f"photo {photo_tx} and sketch {sketch_tx} do not register pixel for pixel; both {ALIGNED} do"
            warnings.warn(message, stacklevel=3)
        if self.orphans:
            few = first_few(self.orphans)
            warnings.warn(f"{len(self.orphans)} sketches without a photo are left out: {few}", stacklevel=3)
        for line in self.folder.said():
            warnings.warn(line, stacklevel=3)


def _check_words(option: str, words: Sequence[str], known: Sequence[str]) -> None:
    for word in words:
        if word not in known:
            raise ConfigError(f"{option} has no '{word}': {did_you_mean(word, known)}")


def _select(pairs: Sequence[Pair], split: str, drop: Sequence[str]) -> list[Pair]:
    wanted = {"train": (False,), "test": (True,), "all": (False, True)}[split]
    return [pair for pair in pairs if pair.is_test in wanted and not pair.flags & set(drop)]


def _transformations(root: Path, options: Mapping[str, Any]) -> dict[str, str]:
    """The keys that choose transformations, where the one that registers is not there and others are."""
    chosen = {}
    for kind in KINDS:
        there = layout.transformations(layout.base_of(root), kind)
        if there and ALIGNED not in there and f"{kind}_tx" not in options:
            chosen[f"{kind}_tx"] = there[0]
    return chosen


def _usable_classes(folder: layout.SketchyFolder) -> int | list[str]:
    """How many classes there are; the names of those that have pairs, where some have none."""
    known = folder.categories()
    empty = folder.empty(known)
    return [name for name in known if name not in empty] if 0 < len(empty) < len(known) else len(known)


def _open(root: Path, options: Mapping[str, Any]) -> layout.SketchyFolder:
    return layout.open_folder(root, options.get("photo_tx", ALIGNED), options.get("sketch_tx", ALIGNED))
