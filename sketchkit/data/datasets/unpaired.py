"""Pictures of two kinds that do not belong to each other: CycleGAN's data (Zhu et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sketchkit.data.base import FileDataset, Picture, spread
from sketchkit.data.datasets.folders import check_direction, refuse_empty, require_root
from sketchkit.data.listing import some_pictures
from sketchkit.data.randomness import stable_seed
from sketchkit.data.splits import PARTS
from sketchkit.data.transforms.build import Transform
from sketchkit.declared import Count, Seed, Whole
from sketchkit.errors import DataError
from sketchkit.registry import DATASETS


@DATASETS.register_module()
class UnpairedDataset(FileDataset):
    """`source` from one folder, `target` from another: `ROOT/trainA`, `ROOT/trainB`, or `ROOT/train/A`, `ROOT/A/train`.

    As many samples as the larger folder has pictures; each takes its target at random, by the draw.

    Args:
        data_root: the folder that holds the folders.
        split: 'train', 'test' or what the folders are called; None takes `ROOT/A` and `ROOT/B`.
        folders: the names of the two kinds.
        direction: 'AtoB', or 'BtoA' to swap source and target.
        serial: the targets in order, and not at random: for looking at the same pictures again.
        pipeline, seed, max_unreadable: as `FileDataset` has them; what a pipeline draws, it draws for both pictures
            alike, save within `Only`.
        max_samples: keep no more than this many of each kind, evenly spread over the whole.

    Raises:
        DataError: a folder is missing or empty.
        ConfigError: an unknown direction.
    """

    kind = "unpaired"
    is_paired = False
    config = "cyclegan_sketch2color"

    @classmethod
    def recognize(cls, root: Path) -> float:
        """Folders such as trainA; the other layouts are those of pairs too, which are surer where names pair."""
        if any((root / f"{part}A").is_dir() for part in PARTS):
            return 0.9
        return 0.5 if _parts(root, {}) else 0.0

    @classmethod
    def splits_in(cls, root: Path, **options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """trainA with trainB, train/A with train/B, A/train with B/train, and so on; or A with B."""
        parts = _parts(root, options)
        if not parts:
            raise DataError(f"{root} has no folders trainA and trainB, or A and B: see docs/data.md for the layouts")
        for part in parts:
            yield part or "all", {"split": part, "serial": True, **options}

    @classmethod
    def settings(cls, root: Path, **options: Any) -> dict[str, Any]:
        """Which folders are for training, and which are held out; the same where there are no others."""
        parts = _parts(root, options) or [None]
        train = "train" if "train" in parts else parts[0]
        held_out = [part for part in ("test", "val", *parts) if part in parts and part != train] or [train]
        return {"train_split": train, "val_split": held_out[0], **options}

    def __init__(
        self,
        data_root: str | Path = "data/unpaired",
        split: str | None = "train",
        folders: tuple[str, str] = ("A", "B"),
        direction: str = "AtoB",
        serial: bool = False,
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        seed: Seed = 0,
        max_unreadable: Whole = 10,
        max_samples: Count | None = None,
    ) -> None:
        refuse_empty(data_root=str(data_root), split=split, folders=folders)
        root = Path(data_root)
        names = tuple(reversed(folders)) if check_direction(direction) else tuple(folders)
        self.sources, self.targets = (spread(_pictures_of(root, split, name), max_samples) for name in names)
        self.serial = serial
        samples = max(len(self.sources), len(self.targets))
        super().__init__(root, samples, [*self.sources, *self.targets], pipeline, seed, max_unreadable)

    def parts(self, index: int, draw: int) -> tuple[Path, ...]:
        """A source by the index, and a target by the draw."""
        partner = index if self.serial else stable_seed(self.seed, "partner", index, draw)
        return self.sources[index % len(self.sources)], self.targets[partner % len(self.targets)]

    def compose(self, index: int, pictures: Sequence[Picture]) -> dict[str, Picture]:
        """The two pictures as they are."""
        return dict(zip(("source", "target"), pictures, strict=True))

    def about(self, index: int, files: Sequence[Path]) -> dict[str, Any]:
        """`key` names the source, `target_key` the target, which belongs to it by chance only."""
        return {**super().about(index, files), "target_key": self.name_of(files[1])}


def _pictures_of(root: Path, split: str | None, name: str) -> list[Path]:
    require_root(root)
    places = _places(root, split, name)
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        tried = ", ".join(str(place.relative_to(root)) for place in places)
        raise DataError(
            f"{root} has none of {tried}: name the folders with folders=['A', 'B'], train_split and val_split"
        )
    return some_pictures(folder)


def _places(root: Path, split: str | None, name: str) -> list[Path]:
    return [root / f"{split}{name}", root / split / name, root / name / split] if split else [root / name]


def _parts(root: Path, options: Mapping[str, Any]) -> list[str | None]:
    """The folders that divide the set; None stands for A and B themselves."""
    first, second = options.get("folders", ("A", "B"))
    return [
        part
        for part in (*PARTS, None)
        if all(any(place.is_dir() for place in _places(root, part, name)) for name in (first, second))
        and (part or not any(place.is_dir() for one in PARTS for place in _places(root, one, first)))
    ]
