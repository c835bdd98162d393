"""Pairs made of photos alone: each with a map of its edges in place of a sketch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from sketchkit.data.base import FileDataset, Picture
from sketchkit.data.listing import some_pictures
from sketchkit.data.randomness import seeded
from sketchkit.data.transforms.build import Transform, build_pipeline
from sketchkit.declared import Seed, Side, Whole
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import did_you_mean
from sketchkit.problems import first_few
from sketchkit.registry import DATASETS

# Chosen by eye on photos of 256 pixels: outlines, with little of the texture. Colours are stretched while edges are
# looked for, so that dark and pale photos have some.
LINES = (
    dict(type="RandomAutocontrast", p=1.0),
    dict(type="ExtractLines", method="canny", sigma=2.0, low=0.1, high=0.3),
    dict(type="ThinLines"),
)


@DATASETS.register_module()
class EdgeMapDataset(FileDataset):
    """Photos in folders of their classes, each as `target`, the map of its edges as `source`, the class as `label`.

    A photo's edges are found when it is first drawn, are always the same, and are kept: of 256 pixels some 3 KB a photo
    in the memory of each worker.

    Args:
        data_root: the folder of the classes, CLASS/photo.jpg at any depth below CLASS.
        categories: names of classes, in the order of their labels; None for all, in alphabetical order. Other folders
            are left out, and classes may have no folder; both are said.
        photo_size: photos are first brought to a square of this side, as the Sketchy Database's are; None: they stay.
        lines: TRANSFORMS configs that make a grey `source` of `target`; the sample's own target stays what it was.
        pipeline, seed, max_unreadable: as `FileDataset` has them.

    Raises:
        DataError: there is no photo, one lies in no folder, or no folder is called as a class.
        ConfigError: `lines` draws nothing, said when the first photo is drawn.
    """

    def __init__(
        self,
        data_root: str | Path = "data/photos",
        categories: Sequence[str] | None = None,
        photo_size: Side | None = 256,
        lines: Sequence[Mapping[str, Any] | Transform] = LINES,
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        seed: Seed = 0,
        max_unreadable: Whole = 10,
    ) -> None:
        root = Path(data_root)
        by_class = _by_class(root, some_pictures(root))
        self.classes = sorted(by_class) if categories is None else list(categories)
        _check_classes(root, by_class, self.classes)
        self.photos = [(file, label) for label, name in enumerate(self.classes) for file in by_class.get(name, ())]
        self.photo_size, self.lines = photo_size, build_pipeline(lines)
        self._kept: dict[int, np.ndarray] = {}  # files in PNG's format, by the photos' indices
        super().__init__(root, len(self.photos), (file for file, _ in self.photos), pipeline, seed, max_unreadable)

    def parts(self, index: int, draw: int) -> tuple[Path, ...]:
        """The photo."""
        return (self.photos[index][0],)

    def compose(self, index: int, pictures: Sequence[Picture]) -> dict[str, Picture]:
        """The map of edges as source, the photo as target."""
        photo = pictures[0]
        if self.photo_size:
            photo = resize(photo, [self.photo_size, self.photo_size], antialias=True)
        return {"source": Picture(self._edges(index, photo)), "target": Picture(photo)}

    def _edges(self, index: int, photo: Picture) -> Tensor:
        if index not in self._kept:
            file = self.photos[index][0]
            with seeded(self.seed, self.name_of(file)):
                drawn = self._transform(self.lines, {"target": photo}, (file,))
            if "source" not in drawn:
                raise ConfigError("lines draws no source of a photo: begin it with dict(type='ExtractLines')")
            self._kept[index] = cv2.imencode(".png", drawn["source"][0].numpy())[1]
        lines = torch.from_numpy(cv2.imdecode(self._kept[index], cv2.IMREAD_UNCHANGED))
        return lines.repeat(3, 1, 1)

    def about(self, index: int, files: Sequence[Path]) -> dict[str, Any]:
        """The key 'class/name', and the class as label."""
        return {"label": torch.tensor(self.photos[index][1]), **super().about(index, files)}


def _by_class(root: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        inside = file.relative_to(root).parts
        if len(inside) < 2:
            raise DataError(
                f"{file} lies in no folder of a class, and what it shows must be known: sort the photos of {root} into "
                "folders called as the classes"
            )
        found.setdefault(inside[0], []).append(file)
    return found


def _check_classes(root: Path, by_class: Mapping[str, Sequence[Path]], classes: Sequence[str]) -> None:
    others = sorted(by_class.keys() - set(classes))
    if len(others) == len(by_class):
        raise DataError(f"no folder of {root} is called as a class: {others[0]}: {did_you_mean(others[0], classes)}")
    if others:
        count = sum(len(by_class[name]) for name in others)
        warnings.warn(
            f"{count} photos in {len(others)} folders of {root} are of no class that is trained on, and left out: "
            f"{first_few(others)}",
            stacklevel=3,
        )
    if missing := [name for name in classes if name not in by_class]:
        warnings.warn(
            f"{root} has no photos of {len(missing)} of the {len(classes)} classes, of which there will be no edge "
            f"maps: {first_few(missing)}",
            stacklevel=3,
        )
