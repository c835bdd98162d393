"""Pairs of registered pictures: two halves of one file, or files of one name in two folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sketchkit.data.base import FileDataset, Findings, Looking, Picture, spread
from sketchkit.data.datasets.folders import check_direction, choose_part, refuse_empty
from sketchkit.data.image_io import UnusablePicture, read_image
from sketchkit.data.listing import pictures_in
from sketchkit.data.names import canonical, without_ending
from sketchkit.data.prepare.sides import UnclearSides, find_source_side, is_gray
from sketchkit.data.prepare.sketching import RECORD, made_by_sketch
from sketchkit.data.splits import PARTS, read_split
from sketchkit.data.transforms.build import Transform
from sketchkit.declared import Count, Positive, Seed, Whole
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import one_of
from sketchkit.problems import first_few
from sketchkit.registry import DATASETS

LAYOUTS = ("auto", "side_by_side", "folders")
SIDES = ("left", "right", "auto")
# What `sketchkit data sketch` makes: the photo left and its lines right, both of the photo's shape.
SKETCHED = {"source_side": "right", "side_ratio": None}


@DATASETS.register_module()
class PairsDataset(FileDataset):
    """Pairs of `source` and `target`, in one of two layouts.

    side_by_side: `ROOT/<split>/*.png`, two equal halves of one file (pix2pix, the Kaggle anime pairs).
    folders: `ROOT/<split>/<A>/NAME.*` and `ROOT/<split>/<B>/NAME.*`, or `ROOT/<A>/<split>`, or `ROOT/<split><A>`.

    Args:
        data_root: the folder that holds the splits.
        split: the folder in it, or in the split file; None takes data_root itself.
        split_file: a file of `sketchkit data split`, which divides side-by-side files that lie in one folder.
        layout: 'auto' takes 'folders' where these exist.
        source_side: the half that holds the source; 'auto' finds the sketches by saturation and ink, and refuses a set
            in which they lie on both sides.
        side_ratio: width over height of one half, by which files with more or fewer pictures in them are found out;
            None takes any file of even width.
        folders: the folders of sources and of targets.
        direction: 'AtoB', or 'BtoA' to swap source and target.
        needs_color: leave out a target without colour, which would teach the network grey, as an unreadable file.
        pipeline, seed, max_unreadable: as `FileDataset` has them.
        max_samples: keep no more than this many, evenly spread over the whole.

    Raises:
        DataError: a folder is missing or empty, names do not pair, or files are no pairs; names the first of them.
        ConfigError: an option's value is not one of those known.
    """

    kind = "pairs"
    config = "pix2pix_edges2shoes"

    @classmethod
    def recognize(cls, root: Path) -> float:
        """What `sketchkit data sketch` made; two folders with names in common; or wide pictures, less surely."""
        if made_by_sketch(root):
            return 0.95
        both = [found for part in (*PARTS, None) if (found := two_folders(root, part))]
        if both:
            return 0.8 if any(map(_share_names, *zip(*both, strict=True))) else 0.3
        for file in pictures_in(root):
            try:
                height, width = read_image(file).shape[:2]
            except DataError:
                continue
            return 0.5 if width == 2 * height else 0.0
        return 0.0

    @classmethod
    def splits_in(cls, root: Path, **options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """The folders train, val and test, or all there is."""
        made = SKETCHED if made_by_sketch(root) else {}
        for part in _parts(root, options) or [None]:
            yield part or "all", {"split": part, **made, **options}

    @classmethod
    def settings(cls, root: Path, **options: Any) -> dict[str, Any]:
        """Which folders are for training and held out, and on which side the sketches lie where that can be told."""
        made = SKETCHED if made_by_sketch(root) else {}
        parts = _parts(root, options) or [None]
        train = "train" if "train" in parts else parts[0]
        held_out = [part for part in parts if part != train] or [train]
        chosen = {"train_split": train, "val_split": held_out[0], **made, **options}
        if "source_side" not in chosen:
            chosen |= _side_in(cls(root, train, **options))
        return chosen

    def examine(self, name: str, findings: Findings, look: Looking) -> None:
        """And on which side the sketches are."""
        super().examine(name, findings, look)
        if not self.is_side_by_side:
            return
        if made_by_sketch(self.root):
            findings.counts[f"{name} sides"] = f"the sketch is the {self.source_side} half ({RECORD} says so)"
            return
        try:
            findings.counts[f"{name} sides"] = find_source_side([pair[0] for pair in self.pairs], sample=None).summary
        except UnclearSides:
            # Label maps are as colourful as photos: only sketches on both sides are a fault.
            findings.counts[f"{name} sides"] = "neither half looks like line art"
        except DataError as error:
            findings.add(error)

    def __init__(
        self,
        data_root: str | Path = "data/pairs",
        split: str | None = "train",
        split_file: str | Path | None = None,
        layout: str = "auto",
        source_side: str = "left",
        side_ratio: Positive | None = 1.0,
        folders: tuple[str, str] = ("A", "B"),
        direction: str = "AtoB",
        needs_color: bool = False,
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        seed: Seed = 0,
        max_unreadable: Whole = 10,
        max_samples: Count | None = None,
    ) -> None:
        one_of("layout", layout, LAYOUTS)
        one_of("source_side", source_side, SIDES)
        refuse_empty(data_root=str(data_root), split=split, split_file=split_file, folders=folders)
        swap = check_direction(direction)
        self.side_ratio, self.needs_color = side_ratio, needs_color
        root = Path(data_root)
        both = two_folders(root, split, folders)
        self.is_side_by_side = layout == "side_by_side" or (layout == "auto" and both is None)
        if self.is_side_by_side:
            found: list[tuple[Path, ...]] = [(file,) for file in choose_part(root, split, split_file)]
        else:
            if split_file is not None:
                raise ConfigError(
                    f"split_file={split_file} divides side-by-side files: two folders have theirs as folders"
                )
            ends = _require_both(both, root, split, folders)
            found = _match(*(reversed(ends) if swap else ends))
        self.swap = swap and self.is_side_by_side
        self.pairs: list[tuple[Path, ...]] = spread(found, max_samples)
        self.side_report = ""
        self.source_side = self._find_side(source_side) if self.is_side_by_side else "left"
        files = (file for pair in self.pairs for file in pair)
        super().__init__(root, len(self.pairs), files, pipeline, seed, max_unreadable)

    def parts(self, index: int, draw: int) -> tuple[Path, ...]:
        """The file of both halves, or the files of source and target."""
        return self.pairs[index]

    def compose(self, index: int, pictures: Sequence[Picture]) -> dict[str, Picture]:
        """Source and target, registered pixel for pixel.

        Raises:
            DataError: the file is no pair, or the two differ in size.
            UnusablePicture: the target has no colour and needs it.
        """
        files = self.pairs[index]
        first, second = self._halves(pictures[0], files[0]) if self.is_side_by_side else _same_size(pictures, files)
        if self.source_side == "right":
            first, second = second, first
        source, target = (second, first) if self.swap else (first, second)
        if self.needs_color and is_gray(target):
            raise UnusablePicture(
                f"{files[-1]}: the target has no colour; remove the file, or set "
                "train_dataloader.dataset.needs_color=False"
            )
        return {"source": Picture(source), "target": Picture(target)}

    @property
    def source_half(self) -> dict[str, Any] | None:
        """See `FileDataset.source_half`."""
        if not self.is_side_by_side:
            return None
        is_left = (self.source_side == "left") != self.swap
        return {"side": "left" if is_left else "right", "ratio": self.side_ratio}

    def record(self) -> dict[str, Any]:
        """What `source_side='auto'` found."""
        return {"source_side": self.source_side, "found": self.side_report} if self.side_report else {}

    def _halves(self, picture: Picture, file: Path) -> tuple[Picture, Picture]:
        height, width = picture.shape[-2:]
        if width % 2 or (self.side_ratio and abs(width / 2 / height - self.side_ratio) > 0.02):
            shape = f"{width / height / self.side_ratio:.3g} pictures of" if self.side_ratio else "an odd width and"
            raise DataError(
                f"{file} is {width}x{height}, {shape} side_ratio={self.side_ratio}: a pair is two equal halves side by "
                "side; cut the file, or set side_ratio to the width over height of one half (None: any)"
            )
        return picture[..., : width // 2], picture[..., width // 2 :]

    def _find_side(self, source_side: str) -> str:
        if source_side != "auto":
            return source_side
        report = find_source_side([pair[0] for pair in self.pairs])
        self.side_report = report.summary
        return report.side


def two_folders(root: Path, split: str | None, names: Sequence[str] = ("A", "B")) -> tuple[Path, Path] | None:
    """The folders of sources and targets, in whichever of the layouts they exist; None where they do not."""
    first, second = names
    inside = root / split if split else root
    below, beside = (
        (root / first / (split or ""), root / second / (split or "")),
        (f"{split}{first}", f"{split}{second}"),
    )
    for a, b in ((inside / first, inside / second), below, (root / beside[0], root / beside[1])):
        if a.is_dir() and b.is_dir():
            return a, b
    return None


def _require_both(
    both: tuple[Path, Path] | None, root: Path, split: str | None, names: Sequence[str]
) -> tuple[Path, Path]:
    if both is None:
        first, second = names
        place = root / (split or "")
        raise DataError(f"{place} has no folders {first} and {second}: name them with folders=('A', 'B')")
    return both


def _match(first: Path, second: Path) -> list[tuple[Path, ...]]:
    """The pairs of one name, as (source, target); every name must have both."""
    sides = [_by_name(folder) for folder in (first, second)]
    if not any(sides):
        raise DataError(f"no picture in {first}: check the path")
    alone = {second: sorted(sides[0].keys() - sides[1].keys()), first: sorted(sides[1].keys() - sides[0].keys())}
    words = [
        f"{folder} has no picture named {first_few(names)} ({len(names)} in all)"
        for folder, names in alone.items()
        if names
    ]
    if words:
        raise DataError(f"{'; '.join(words)} to pair with: add or remove, or train on them unpaired")
    return [(sides[0][name], sides[1][name]) for name in sorted(sides[0])]


def _by_name(folder: Path) -> dict[str, Path]:
    """The pictures by the name that pairs them, in Unicode's composed form."""
    found: dict[str, Path] = {}
    twice = []
    for file in pictures_in(folder, by_name=True):
        name = canonical(without_ending(file.relative_to(folder).as_posix()))
        if name in found:
            twice.append(f"{found[name]} and {file.name}")
        found[name] = file
    if twice:
        raise DataError(f"{first_few(twice, '; ')} have one name: which one is meant? Remove the other")
    return found


def _share_names(first: Path, second: Path) -> bool:
    """Whether at least half of the smaller folder's names are in the other."""
    names, others = (
        {canonical(without_ending(file.relative_to(folder).as_posix())) for file in pictures_in(folder, by_name=True)}
        for folder in (first, second)
    )
    return 2 * len(names & others) >= max(1, min(len(names), len(others)))


def _side_in(dataset: PairsDataset) -> dict[str, str]:
    """The key that says on which side the sketches lie; none where that cannot be told, or does not matter."""
    if not dataset.is_side_by_side:
        return {}
    try:
        return {"source_side": find_source_side([pair[0] for pair in dataset.pairs]).side}
    except DataError:
        return {}


def _parts(root: Path, options: Mapping[str, Any]) -> list[str | None]:
    """The folders that divide the set."""
    if "split_file" in options:
        return [*read_split(options["split_file"])]
    names = options.get("folders", ("A", "B"))
    return [part for part in PARTS if two_folders(root, part, names)] or [
        part for part in PARTS if (root / part).is_dir() and not two_folders(root, None, names)
    ]


def _same_size(pictures: Sequence[Picture], files: Sequence[Path]) -> Sequence[Picture]:
    (height, width), (other_height, other_width) = (picture.shape[-2:] for picture in pictures)
    if (height, width) != (other_height, other_width):
        raise DataError(
            f"{files[0]} is {width}x{height} and {files[1]} is {other_width}x{other_height}: a pair must register "
            "pixel for pixel, bring both to one size"
        )
    return pictures
