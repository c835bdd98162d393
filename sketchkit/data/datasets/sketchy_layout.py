"""The folders of the Sketchy Database as a list of sketch-photo pairs.

    [256x256/]photo/tx_*/<class>/<id>.jpg        [256x256/]sketch/tx_*/<class>/<id>-<n>.png
    info/testset.txt (class/id.jpg a line)       info/invalid-{error,ambiguous,pose,context}.txt (id-n a line)

`info` lies in the root, in its 256x256, or beside the root. stats.csv is never read. Where photo and sketch have no
tx_* at all, their classes lie in them: photo/<class>, sketch/<class>. A sketch may have its photo's very name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sketchkit.data.listing import MADE_BY_SYSTEMS, list_pictures
from sketchkit.data.lists import Names, read_lines
from sketchkit.data.names import canonical
from sketchkit.data.randomness import stable_seed
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import did_you_mean
from sketchkit.problems import first_few

FLAGS = ("error", "ambiguous", "pose", "context")
ALIGNED = "tx_000000000000"
TEST_SET = "testset.txt"


@dataclass(frozen=True)
class Pair:
    """One sketch with the photo it was drawn from; `flags` out of FLAGS."""

    category: str
    sketch: Path
    photo: Path
    flags: frozenset[str]
    is_test: bool

    @property
    def key(self) -> str:
        """`class/id-n`."""
        return canonical(f"{self.category}/{self.sketch.stem}")


class SketchyFolder:
    """The folders of the chosen transformations and what `info` says; made by `open_folder`.

    Attributes:
        root, photos, sketches, info: the folders; `info` is None where there is none.
        files: the pictures by their folder, of photos and of sketches, and by their class.
        left_out: lines on what is in the folders and is not used.
        unknown: the lines of `info` that name nothing, by which they are, in words.
    """

    def __init__(self, root: Path, photos: Path, sketches: Path, info: Path | None) -> None:
        self.root, self.photos, self.sketches, self.info = root, photos, sketches, info
        self.left_out: list[str] = []
        self.unknown: dict[str, list[str]] = {}
        self.files = {folder: self._by_class(folder) for folder in (photos, sketches)}

    def categories(self) -> list[str]:
        """The class folders of photos and sketches, in alphabetical order."""
        folders = (*self.photos.iterdir(), *self.sketches.iterdir())
        names = {f.name for f in folders if f.is_dir() and not f.name.startswith(".")}
        return sorted(names - MADE_BY_SYSTEMS)

    def pairs(self, categories: Sequence[str], test_ratio: float | None = None) -> tuple[list[Pair], list[Path]]:
        """The pairs of these classes in order of name, and the sketches that have no photo.

        Args:
            categories: the classes.
            test_ratio: the share of each class's photos that are test; None takes those of info/testset.txt.

        Raises:
            DataError: classes have no pair at all, or two pictures of one name.
        """
        flagged = {flag: self.listed(f"invalid-{flag}.txt", self._sketch_names()) for flag in FLAGS}
        test = self.listed(TEST_SET, self._photo_names()) if test_ratio is None else self._share(categories, test_ratio)
        if empty := self.empty(categories):
            raise EmptyClasses(self.root, empty)
        pairs, orphans = list[Pair](), list[Path]()
        for category in categories:
            for stem, sketch, photo in self._matched(category):
                if photo is None:
                    orphans.append(sketch)
                    continue
                flags = frozenset(flag for flag in FLAGS if stem in flagged[flag])
                pairs.append(Pair(category, sketch, photo, flags, f"{category}/{canonical(photo.stem)}" in test))
        return pairs, orphans

    def empty(self, categories: Sequence[str]) -> list[str]:
        """Those of the classes that have no sketch with a photo."""
        return [name for name in categories if all(photo is None for _, _, photo in self._matched(name))]

    def listed(self, name: str, known: Iterable[str]) -> frozenset[str]:
        """Those of the known names that a file of `info` has; none when it is absent."""
        lines = self.lines(name)
        found, unknown = Names({one: one for one in known}).look_up(lines)
        if unknown:
            self.unknown[f"{len(unknown)} of {len(lines)} lines of {name}"] = [f"{line} ({name})" for line in unknown]
        return frozenset(found.values())

    def said(self) -> Iterator[str]:
        """Lines on what is there and not used."""
        yield from self.left_out
        if self.unknown:
            lines = [line for some in self.unknown.values() for line in some]
            yield f"{', '.join(self.unknown)} name nothing in {self.root}: {first_few(lines)}"

    def lines(self, name: str) -> list[str]:
        """The lines of a file of `info`; none when it is absent."""
        return read_lines(self.info / name) if self.info and (self.info / name).is_file() else []

    def lacks(self, name: str) -> str:
        """What is wrong with a file of `info`, in words; empty where it names something."""
        if self.info is None or not (self.info / name).is_file():
            return f"no info/{name} in {self.root}"
        known = self._photo_names() if name == TEST_SET else self._sketch_names()
        lines = self.lines(name)
        if not lines:
            return f"{self.info / name} is empty" if name == TEST_SET else ""
        found, _ = Names({one: one for one in known}).look_up(lines)
        return "" if found else f"none of the {len(lines)} lines of {self.info / name} names anything in {self.root}"

    def _photo_names(self) -> set[str]:
        photos = self.files[self.photos]
        return {f"{category}/{canonical(file.stem)}" for category, files in photos.items() for file in files}

    def _sketch_names(self) -> set[str]:
        return {canonical(file.stem) for files in self.files[self.sketches].values() for file in files}

    def _share(self, categories: Sequence[str], ratio: float) -> set[str]:
        """Of each class so many photos, and at least one of several, chosen by their names alone."""
        chosen = set()
        for category in categories:
            names = [f"{category}/{stem}" for stem in self._by_stem(self.photos, category)]
            count = max(round(ratio * len(names)), 1) if len(names) > 1 else 0
            chosen.update(sorted(names, key=lambda name: (stable_seed(0, name), name))[:count])
        return chosen

    def _matched(self, category: str) -> Iterator[tuple[str, Path, Path | None]]:
        """The sketches of a class, by their stems, each with its photo."""
        photos = self._by_stem(self.photos, category)
        for stem, sketch in self._by_stem(self.sketches, category).items():
            yield stem, sketch, photos.get(stem) or photos.get(stem.rpartition("-")[0])

    def _by_stem(self, folder: Path, category: str) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for file in self.files[folder].get(category, ()):
            other = found.setdefault(canonical(file.stem), file)
            if other is not file:
                raise DataError(f"{other} and {file} have one name: which one is meant? Remove the other")
        return found

    def _by_class(self, folder: Path) -> dict[str, list[Path]]:
        listing = list_pictures(folder, by_name=True)
        if said := listing.said(folder):
            self.left_out.append(said)
        found: dict[str, list[Path]] = {}
        for file in listing.files:
            found.setdefault(file.relative_to(folder).parts[0], []).append(file)
        return found


class EmptyClasses(DataError):
    """Classes have no sketch with a photo."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        them = f"class '{names[0]}' of {root} has" if len(names) == 1 else f"{len(names)} classes of {root} have"
        which = "" if len(names) == 1 else f" ({first_few(names)})"
        super().__init__(
            f"{them} no sketch with a photo{which}: remove the folders, or name the classes to use with "
            "categories=[...]"
        )


def open_folder(root: str | Path, photo_tx: str = ALIGNED, sketch_tx: str = ALIGNED) -> SketchyFolder:
    """Find the folders of these transformations under `root`.

    Raises:
        DataError: there is no such root, it is laid out otherwise, or has not these transformations.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(
            f"no data at {root}: write a sample set with `sketchkit data sample {root}`, or point to your copy with "
            "--cfg-options data_root=PATH"
        )
    base = base_of(root)
    photos, sketches = _transformed(base, "photo", photo_tx), _transformed(base, "sketch", sketch_tx)
    info = next((f for f in (root / "info", base / "info", root.parent / "info") if f.is_dir()), None)
    return SketchyFolder(root, photos, sketches, info)


def choose_categories(known: Sequence[str], wanted: int | Sequence[str] | None, root: Path) -> list[str]:
    """The first `wanted` classes, those named, or all.

    Raises:
        DataError: there are fewer than asked for.
        ConfigError: a name that is not there, or a count below one.
    """
    if not known:
        raise DataError(f"{root} has no class folder under photo and sketch: is it the right folder?")
    if wanted is None:
        return list(known)
    if isinstance(wanted, int):
        return _first_categories(known, wanted, root)
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in known:
            raise ConfigError(f"{root} has no class '{name}': {did_you_mean(name, known)}")
    return sorted(set(names))


def _first_categories(known: Sequence[str], count: int, root: Path) -> list[str]:
    if count < 1:
        raise ConfigError(f"categories={count} leaves no class: give 1 to {len(known)}")
    if count > len(known):
        raise DataError(
            f"{root} has {len(known)} classes, {count} were asked for: use --cfg-options categories={len(known)}"
        )
    return list(known[:count])


def transformations(base: Path, kind: str) -> list[str]:
    """The transformations that there are of photos or sketches."""
    return sorted(f.name for f in (base / kind).glob("tx_*") if f.is_dir())


def base_of(root: Path) -> Path:
    """The folder that holds photo and sketch."""
    return root / "256x256" if (root / "256x256").is_dir() else root


def _transformed(base: Path, kind: str, tx: str) -> Path:
    folder = base / kind / tx
    if folder.is_dir():
        return folder
    there = transformations(base, kind)
    if there:
        raise DataError(f"{base} has no {kind}/{tx}: there are {', '.join(there)}; choose one with {kind}_tx=")
    if not any(f.is_dir() for f in (base / kind).glob("*")):
        raise DataError(
            f"{base} has no {kind}/CLASS or {kind}/tx_*/CLASS folder: data_root is the folder that holds photo and "
            "sketch"
        )
    return base / kind
