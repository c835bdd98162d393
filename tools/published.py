"""The published figures of each system, as read in the source that each names, and what keeps ours from theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    """What a family of configs is called, and its page in `docs/`."""

    name: str
    page: str


@dataclass(frozen=True)
class Published:
    """What was measured of one training.

    Attributes:
        system: as `SYSTEMS` calls it.
        task: data and direction.
        by: whose training it is, and who measured it where that is somebody else.
        figures: metric, as `sketchkit eval` calls it where it has it, -> value as printed there.
        protocol: how it was measured, as far as the source says.
        source: a key of `SOURCES`.
        apart: what keeps it from being compared with ours, whatever our run is.
        config: the shipped config of the same task, where there is one.
        size, pictures, iterations: pixels a side, fakes measured, length of the training; a run of ours needs the same.
        test_norm, test_dropout: of the test, likewise; None where it is not said.
    """

    system: str
    task: str
    by: str
    figures: Mapping[str, float]
    protocol: str
    source: str
    apart: str
    config: str | None = None
    size: int | None = None
    pictures: int | None = None
    iterations: int | None = None
    test_norm: str | None = None
    test_dropout: bool | None = None


# The first word of a config's name -> what it is of.
SYSTEMS = {
    "autopainter": System("Auto-Painter", "autopainter.md"),
    "cut": System("CUT", "pix2pix_cyclegan.md"),
    "cyclegan": System("CycleGAN", "pix2pix_cyclegan.md"),
    "fastcut": System("FastCUT", "pix2pix_cyclegan.md"),
    "pix2pix": System("pix2pix", "pix2pix_cyclegan.md"),
    "recolor": System("Lab recolouring", "recolor.md"),
    "sketch2img": System("Sketch2Img", "sketchygan.md"),
    "sketchygan": System("SketchyGAN", "sketchygan.md"),
    "style": System("Style transfer", "style_transfer.md"),
}

_MMGEN = "https://github.com/open-mmlab/mmgeneration/blob/ccd1f56c107886bb411e0fdf3a92aa6f1cf7024e/configs"
_CLEAN = "https://github.com/GaParmar/clean-fid/blob/e88c4d6269a4bbf04c04deeb578475b57719acee"
SOURCES = {
    "MMGeneration, pix2pix": f"{_MMGEN}/pix2pix/README.md",
    "MMGeneration, CycleGAN": f"{_MMGEN}/cyclegan/README.md",
    "clean-fid": f"{_CLEAN}/README.md",
    "Papers with Code": "https://paperswithcode.com/paper/image-to-image-translation-with-conditio2",
}

# Figures that are known to exist, or are looked for, and could not be read where they stand: none is given.
UNREAD = {
    "Auto-Painter": "the paper's user study could not be read at its source; no figure is given",
    "Lab recolouring": "the report it is made after could not be read as text; no figure is given",
    "Sketch2Img": "its report judges pictures by looking at them and gives no number of their quality",
    "SketchyGAN": "the paper's table of Inception Scores could not be read at its source; no figure is given",
    "Style transfer": "nothing of it is measured by a number here or in its papers",
}

_OFFICIAL, _THEIRS = "official, as MMGeneration measured it", "MMGeneration"
_INCEPTION = "FID by pytorch-fid's Inception, ours resizes as TensorFlow by default; IS by torchvision's, ours by FID's"
_OTHER_DATA = "other data: our unpaired configs learn apple2orange and sketch2color, of which no figure was found"


def _pix2pix(task: str, config: str, by: str, pictures: int, iterations: int, fid: float, score: float) -> Published:
    return Published(
        system="pix2pix",
        task=task,
        by=by,
        figures={"fid": fid, "is": score},
        protocol=f"{pictures} pictures of 256 x 256, dropout on, norms by the statistics of the test batch",
        source="MMGeneration, pix2pix",
        apart=_INCEPTION,
        config=config,
        size=256,
        pictures=pictures,
        iterations=iterations,
        test_norm="batch",
        test_dropout=True,
    )


def _cyclegan(task: str, by: str, pictures: int, fid: float, score: float) -> Published:
    protocol = f"{pictures} pictures of 256 x 256"
    return Published("CycleGAN", task, by, {"fid": fid, "is": score}, protocol, "MMGeneration, CycleGAN", _OTHER_DATA)


def _horse2zebra(system: str, fid: float, clean: float) -> Published:
    return Published(
        system,
        "horse2zebra",
        "the paper of CUT",
        {"fid": fid, "fid, clean": clean},
        "120 fakes against 140 pictures of 256 x 256; `clean` is clean-fid's resizing of the same fakes",
        "clean-fid",
        _OTHER_DATA,
    )


_FACADES = ("facades, labels to photos", "pix2pix_facades")
_SHOES = ("edges2shoes", "pix2pix_edges2shoes")
PUBLISHED = [
    _pix2pix(*_FACADES, _OFFICIAL, 106, 80_000, 119.135, 1.650),
    _pix2pix(*_FACADES, _THEIRS, 106, 80_000, 124.9773, 1.620),
    _pix2pix(*_SHOES, _OFFICIAL, 200, 186_840, 75.774, 2.766),
    _pix2pix(*_SHOES, _THEIRS, 200, 186_840, 84.3750, 2.815),
    Published(
        "pix2pix",
        "Cityscapes, labels to photos",
        "the paper",
        {"class IoU": 0.18},
        "what a segmentation network reads in the pictures",
        "Papers with Code",
        "other data, and no such metric here",
    ),
    _cyclegan("facades, unpaired, with identity", _OFFICIAL, 106, 123.626, 1.638),
    _cyclegan("facades, unpaired, with identity", _THEIRS, 106, 124.8033, 1.792),
    _cyclegan("horse2zebra, with identity", _OFFICIAL, 140, 62.111, 1.375),
    _cyclegan("horse2zebra, with identity", _THEIRS, 140, 64.5225, 1.418),
    _cyclegan("horse2zebra, without identity", _OFFICIAL, 140, 77.202, 1.584),
    _cyclegan("horse2zebra, without identity", _THEIRS, 140, 74.7770, 1.542),
    _horse2zebra("CycleGAN", 77.2, 75.17),
    _horse2zebra("CUT", 45.5, 43.71),
    _horse2zebra("FastCUT", 73.4, 72.53),
]
