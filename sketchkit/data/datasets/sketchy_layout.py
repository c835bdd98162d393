"""The folders of the Sketchy Database as a list of sketch-photo pairs.

    [256x256/]photo/tx_*/<class>/<id>.jpg        [256x256/]sketch/tx_*/<class>/<id>-<n>.png
    info/testset.txt (class/id.jpg a line)       info/invalid-{error,ambiguous,pose,context}.txt (id-n a line)

`info` lies in the root, in its 256x256, or beside the root. stats.csv is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sketchkit.data.formats import SUFFIXES
from sketchkit.errors import ConfigError, DataError
from sketchkit.options import did_you_mean

FLAGS = ("error", "ambiguous", "pose", "context")
ALIGNED = "tx_000000000000"


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
        return f"{self.category}/{self.sketch.stem}"


@dataclass(frozen=True)
class SketchyFolder:
    """The chosen transformations' folders and what `info` says; made by `open_folder`."""

    root: Path
    photos: Path
    sketches: Path
    info: Path | None

    def categories(self) -> list[str]:
        """The class folders of photos and sketches, in alphabetical order."""
        folders = (*self.photos.iterdir(), *self.sketches.iterdir())
        return sorted({f.name for f in folders if f.is_dir() and not f.name.startswith(".")})

    def pairs(self, categories: Sequence[str]) -> tuple[list[Pair], list[Path]]:
        """The pairs of these classes in order of name, and the sketches that have no photo.

        Raises:
            DataError: a class has no pair at all.
        """
        flagged = {flag: self.listed(f"invalid-{flag}.txt") for flag in FLAGS}
        test = {line.rpartition(".")[0] for line in self.listed("testset.txt")}
        pairs, orphans = list[Pair](), list[Path]()
        for category in categories:
            photos = {file.stem: file for file in _images(self.photos / category)}
            found = 0
            for sketch in _images(self.sketches / category):
                photo = photos.get(sketch.stem.rpartition("-")[0])
                if photo is None:
                    orphans.append(sketch)
                    continue
                flags = frozenset(flag for flag in FLAGS if sketch.stem in flagged[flag])
                pairs.append(Pair(category, sketch, photo, flags, f"{category}/{photo.stem}" in test))
                found += 1
            if not found:
                raise DataError(
                    f"class '{category}' of {self.root} has no sketch with a photo: remove its folders, or name the "
                    "classes to use with categories=[...]"
                )
        return pairs, orphans

    def listed(self, name: str) -> frozenset[str]:
        """The lines of a file of `info`; none when it is absent."""
        file = self.info / name if self.info else None
        if file is None or not file.is_file():
            return frozenset()
        return frozenset(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())

    def require(self, name: str, mend: str) -> None:
        """Check that `info` has the file `name`.

        Raises:
            DataError: it has not; says how to do without it.
        """
        if self.info is None or not (self.info / name).is_file():
            raise DataError(f"no info/{name} in {self.root}: copy the database's info folder there, or {mend}")


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
    base = root / "256x256" if (root / "256x256").is_dir() else root
    photos, sketches = _transformed(base, "photo", photo_tx), _transformed(base, "sketch", sketch_tx)
    info = next((f for f in (root / "info", base / "info", root.parent / "info") if f.is_dir()), None)
    return SketchyFolder(root, photos, sketches, info)


def choose_categories(known: Sequence[str], wanted: int | Sequence[str] | None, root: Path) -> list[str]:
    """The first `wanted` classes, those named, or all.

    Raises:
        DataError: there are fewer than asked for.
        ConfigError: a name that is not there, none at all, or a count below one.
    """
    if not known:
        raise DataError(f"{root} has no class folder under photo/tx_* and sketch/tx_*: is it the right folder?")
    if wanted is None:
        return list(known)
    if isinstance(wanted, int):
        return _first_categories(known, wanted, root)
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in known:
            raise ConfigError(f"{root} has no class '{name}': {did_you_mean(name, known)}")
    if not names:
        raise ConfigError("categories=[] leaves no class: name some, or leave the option out for all")
    return sorted(set(names))


def _first_categories(known: Sequence[str], count: int, root: Path) -> list[str]:
    if count < 1:
        raise ConfigError(f"categories={count} leaves no class: give 1 to {len(known)}")
    if count > len(known):
        raise DataError(
            f"{root} has {len(known)} classes, {count} were asked for: use --cfg-options categories={len(known)}"
        )
    return list(known[:count])


def _transformed(base: Path, kind: str, tx: str) -> Path:
    folder = base / kind / tx
    if folder.is_dir():
        return folder
    there = sorted(f.name for f in (base / kind).glob("*") if f.is_dir())
    if not there:
        raise DataError(f"{base} has no {kind}/tx_* folder: data_root is the folder that holds photo, sketch and info")
    raise DataError(f"{base} has no {kind}/{tx}: there are {', '.join(there)}; choose one with {kind}_tx=")


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))
