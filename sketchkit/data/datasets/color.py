"""Colour pictures alone: what recolouring learns from, and line extraction makes its own pairs of."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sketchkit.data.base import FileDataset, Findings, Looking, Picture, spread
from sketchkit.data.datasets.folders import choose_part, refuse_empty
from sketchkit.data.image_io import UnusablePicture
from sketchkit.data.listing import pictures_in
from sketchkit.data.prepare.colorfulness import Selection, sort_out
from sketchkit.data.prepare.sides import is_gray
from sketchkit.data.splits import PARTS, listed_below, read_split, split_files
from sketchkit.data.transforms.build import Transform
from sketchkit.declared import Count, NotNegative, Seed, Share, Whole
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import did_you_mean
from sketchkit.problems import first_few
from sketchkit.registry import DATASETS

FEW = 10  # pictures that the config's shares, 0.8, 0.1 and 0.1, can divide
SHARES_OF_FEW = (0.4, 0.34, 0.26)


class NoColor(UnusablePicture):
    """A picture of which no colour can be learnt."""


@DATASETS.register_module()
class ColorDataset(FileDataset):
    """Colour pictures, each as `target` and as `source`: the preprocessor or `ExtractLines` makes the source of it.

    Args:
        data_root: the folder of the pictures, at any depth.
        split: the folder in it, or the part that `split_file` or `split_ratios` names; None takes them all.
        split_file: a file of `sketchkit data split`.
        split_ratios: divides the files into train, val and test as that command does, such as (0.8, 0.1, 0.1).
        split_seed: of that division.
        list_file: a list of `sketchkit data colorful`; files not on it are left out.
        min_colorfulness: leave out files below this colourfulness (0..255, see `sketchkit.data.prepare.colorfulness`),
            which is measured when the data set is built: for large sets use the command and `list_file`.
        colorfulness_opponent: 'absolute' or 'signed'.
        pipeline, seed, max_unreadable: as `FileDataset` has them.
        max_samples: keep no more than this many, evenly spread over the whole.

    Raises:
        DataError: a folder or file is missing or empty, or a picture without colour is met and nothing leaves it out.
        ConfigError: an option's value is not one of those known.
    """

    kind = "color"
    config = "recolor_simple"

    @classmethod
    def recognize(cls, root: Path) -> float:
        """Any pictures will do."""
        return 0.1 if pictures_in(root) else 0.0

    @classmethod
    def splits_in(cls, root: Path, **options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """The folders train, val and test where they divide the pictures; else all in one."""
        parts: list[str | None] = [*read_split(options["split_file"])] if "split_file" in options else [*_folders(root)]
        for part in parts or [None]:
            yield part or "all", {"split": part, **options}

    @classmethod
    def settings(cls, root: Path, **options: Any) -> dict[str, Any]:
        """The folders train and val or test, or shares of all pictures; all of them twice where they are too few."""
        return {**_division(root, options), **options}

    def examine(self, name: str, findings: Findings, look: Looking) -> None:
        """Pictures without colour are counted: the config leaves them out."""
        findings.counts[name], gray = len(self), 0
        for index in look(range(len(self))):
            try:
                self.read_sample(index)
            except NoColor:
                gray += 1
            except DataError as error:
                findings.add(error)
        if gray:
            findings.counts["without colour"] = gray

    def __init__(
        self,
        data_root: str | Path = "data/color",
        split: str | None = "train",
        split_file: str | Path | None = None,
        split_ratios: Sequence[Share] | None = None,
        split_seed: Seed = 0,
        list_file: str | Path | None = None,
        min_colorfulness: NotNegative | None = None,
        colorfulness_opponent: str = "absolute",
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        seed: Seed = 0,
        max_unreadable: Whole = 10,
        max_samples: Count | None = None,
    ) -> None:
        root = Path(data_root)
        refuse_empty(data_root=str(data_root), split=split, split_ratios=split_ratios, list_file=list_file)
        if split_file is not None and split_ratios is not None:
            raise ConfigError("split_file and split_ratios both divide the files: set one of them to None")
        files = (
            choose_part(root, split, split_file)
            if split_ratios is None
            else _divide(root, split, split_ratios, split_seed)
        )
        self.part = f"part '{split}' of {root}" if split else str(root)
        self._dropped: dict[Path, str] = {}
        if list_file is not None:
            files = self._keep_listed(files, root, Path(list_file))
        if min_colorfulness is not None:
            files = self._keep_colorful(files, min_colorfulness, colorfulness_opponent)
        self.refuses_gray = min_colorfulness is None and list_file is None
        self.pictures = spread(files, max_samples)
        super().__init__(root, len(self.pictures), self.pictures, pipeline, seed, max_unreadable)

    def parts(self, index: int, draw: int) -> tuple[Path, ...]:
        """The picture's file."""
        return (self.pictures[index],)

    def compose(self, index: int, pictures: Sequence[Picture]) -> dict[str, Picture]:
        """The picture as source and as target.

        Raises:
            NoColor: it has no colour, and no option leaves such pictures out.
        """
        (picture,) = pictures
        if self.refuses_gray and is_gray(picture):
            raise NoColor(
                f"{self.pictures[index]} has no colour, which nothing can be learnt from: leave such pictures out with "
                "min_colorfulness=5, or with a list_file of `sketchkit data colorful`"
            )
        return {"source": picture, "target": Picture(picture.clone())}

    def dropped(self) -> Mapping[Path, str]:
        """The files left out for want of colour, with the reason."""
        return self._dropped

    def _keep_listed(self, files: list[Path], root: Path, list_file: Path) -> list[Path]:
        # The list is of the whole folder, of which `files` may be one part.
        listed, unknown = listed_below(list_file, root, pictures_in(root))
        if unknown:
            warnings.warn(
                f"{len(unknown)} lines of {list_file} name no picture of {root}: {first_few(unknown)}", stacklevel=3
            )
        wanted = set(listed)
        kept = [file for file in files if file in wanted]
        if not kept:
            raise DataError(f"{list_file} lists none of the {len(files)} files of {self.part}: divide them otherwise")
        self._dropped.update({file: f"not in {list_file}" for file in files if file not in wanted})
        return kept

    def _keep_colorful(self, files: list[Path], minimum: float, opponent: str) -> list[Path]:
        selection = _sort_out(
            tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files), minimum, opponent
        )
        if not selection.kept:
            raise DataError(
                f"none of the {len(files)} pictures of {self.part} has a colourfulness of {minimum:g} or more: lower "
                "min_colorfulness, or divide the pictures otherwise (split_ratios, split_file)"
            )
        self._dropped.update({file: f"colourfulness {value:.2f}" for file, value in selection.dropped.items()})
        # Those that cannot be read are left to the reading, which counts and reports them.
        return sorted({*selection.kept, *selection.unreadable})


@lru_cache(maxsize=8)
def _sort_out(files: tuple[tuple[Path, int, int], ...], minimum: float, opponent: str) -> Selection:
    # A run builds its data sets twice, a sweep many times: what has not changed on the disk is measured once.
    return sort_out([file for file, _, _ in files], minimum, opponent)


def _divide(root: Path, split: str | None, ratios: Sequence[float], seed: int) -> list[Path]:
    files = choose_part(root, None)
    if split is None:
        return files
    parts = split_files([file.relative_to(root).as_posix() for file in files], ratios=ratios, seed=seed)
    if split not in parts:
        raise ConfigError(f"split_ratios has no part '{split}': {did_you_mean(split, parts)}")
    part = parts[split]
    if not part:
        raise DataError(f"part '{split}' of the {len(files)} pictures of {root} is empty: change split_ratios")
    return sorted(root / name for name in part)


def _division(root: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that say which pictures are for training, and which are held out."""
    if "split_ratios" in options:
        return {}
    if parts := [*read_split(options["split_file"])] if "split_file" in options else _folders(root):
        train, *others = parts
        held_out = others or [train]
        return {"split_ratios": None, "train_split": train, "val_split": held_out[0], "test_split": held_out[-1]}
    count = len(pictures_in(root))
    if count < 3:
        return {"split_ratios": None, "train_split": None, "val_split": None, "test_split": None}
    return {"split_ratios": list(SHARES_OF_FEW)} if count < FEW else {}


def _folders(root: Path) -> list[str]:
    """The folders that divide the pictures: train and one more, or none."""
    parts = [part for part in PARTS if (root / part).is_dir() and pictures_in(root / part)]
    return parts if "train" in parts and len(parts) > 1 else []
