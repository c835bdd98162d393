"""A trained run -> the pictures it is judged by: its held-out sources translated, and their truth, as files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from sketchkit.data.base import FileDataset, collate_pictures
from sketchkit.data.image_io import write_image
from sketchkit.errors import ConfigError, DataError
from sketchkit.evaluation.features.extraction import Item
from sketchkit.evaluation.images.image_set import FAIL, PictureSet, Progress, read_set, refusal
from sketchkit.evaluation.metric import PictureMetric
from sketchkit.files import first_link
from sketchkit.inference import TrainedTranslator
from sketchkit.inference.source import code_record
from sketchkit.options import options_of
from sketchkit.pretrained.weights import file_digest
from sketchkit.registry import DATASETS
from sketchkit.translators.pictures import to_bytes

REAL, FAKE = "real", "fake"


@dataclass(frozen=True)
class RunPictures:
    """A run's pictures, what belongs together in them, what made them, and files of the data that cannot be used."""

    real: PictureSet
    fake: PictureSet
    items: list[Item]
    about: dict[str, Any]
    unusable: list[Path]


class RunImages:
    """Translates the held-out split of a run into `RUN/eval/<checkpoint>_<digest>/`: `real`, `fake`, `fake_2`, ...

    The digest is of the checkpoint, its network, the code and the data, so that pictures made before are used again
    only where they are the same; a call that was stopped goes on. Pictures are PNG: what metrics see is what a
    validation during training sees.

    Args:
        translator: the trained run.
        split: the part of the data; default: `test_split` of the run's config, else that of its validation.
        data: the data's folder, where it is not where it was.
        draws: noises a source, where the run takes noise.

    Raises:
        ConfigError: the data set has no splits.
        DataError: the data are not there.
    """

    def __init__(
        self,
        translator: TrainedTranslator,
        split: str | None = None,
        data: Path | None = None,
        draws: int = 2,
    ) -> None:
        config = translator.config
        self.translator = translator
        self.loader = dict(config.get("val_dataloader") or config["train_dataloader"])
        options = dict(self.loader["dataset"])
        split = split or config.get("test_split")
        if split is not None:
            if "split" not in options_of(DATASETS.get(options["type"]))[0]:
                raise ConfigError(f"{options['type']} has no splits: leave out --split {split}")
            options["split"] = split
        if data is not None:
            options["data_root"] = str(data)
        root = Path(options.get("data_root", "."))
        if not root.is_dir():
            mend = "check --data" if data is not None else "say where with --data PATH"
            raise DataError(f"the data of {translator.path} are not at {root}: {mend}")
        self.options = options
        self.dataset: FileDataset = DATASETS.build(options)
        # Where there is no truth of its own, one output a source is judged.
        self.draws = draws if translator.varies and self.is_paired else 1
        # With a config of the caller's own, the same weights may make other pictures.
        model = [config.get(part) for part in ("translator", "backbone")]
        changed = [file.stat().st_mtime_ns for file in self.dataset.files()]
        path = translator.path
        self.origin = {"checkpoint": path.name, "sha256": file_digest(path), "data": self.dataset.fingerprint()}
        self.code = code_record(config, translator.networks.values())
        known = [self.origin, options, model, changed, self.code]
        digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode())
        if link := first_link(path.parent / "eval"):
            raise DataError(f"{link} is a link, and what is written would go elsewhere: remove it")
        self.folder = path.parent / "eval" / f"{path.stem}_{digest.hexdigest()[:12]}"

    @property
    def is_paired(self) -> bool:
        """Whether outputs have a truth of their own."""
        return self.dataset.is_paired

    def check(self, metrics: Mapping[str, PictureMetric]) -> None:
        """Refuse metrics of what this run does not make.

        Raises:
            ConfigError: names the metric.
        """
        for name, metric in metrics.items():
            if "pair" in metric.needs and not self.is_paired:
                raise ConfigError(f"{name} compares pairs, and this run learnt from unpaired pictures: leave it out")
            if "draws" in metric.needs and self.draws < 2:
                raise ConfigError(
                    f"{name} needs several outputs a source: this run takes no noise and drops nothing, or --draws is 1"
                )

    def translate(self, workers: int = 2, on_error: str = FAIL, progress: Progress | None = None) -> RunPictures:
        """Make the pictures that are missing, and look through them all.

        Raises:
            DataError: files of the split cannot be used, and `on_error` is 'fail'.
        """
        batches = [batch for batch in self._batches() if not all(map(Path.is_file, self._files(batch)))]
        loader = DataLoader(
            self.dataset, batch_sampler=batches, num_workers=min(workers, len(batches)), collate_fn=collate_pictures
        )
        total, done = sum(map(len, batches)), 0
        for data in loader if batches else ():
            self._write(self.translator.model.val_step(data, draws=self.draws)[0])
            done += len(data["key"])
            if progress:
                progress(done, total)
        bad = self.dataset.unreadable()
        if bad and on_error == FAIL:
            raise DataError(refusal(map(str, bad)))
        return self._pictures(bad)

    def _batches(self) -> list[list[int]]:
        """The batches of a validation, so that even rounding is the same."""
        size = self.loader["batch_size"]
        return [list(range(len(self.dataset)))[start : start + size] for start in range(0, len(self.dataset), size)]

    def _files(self, batch: Sequence[int]) -> Iterator[Path]:
        for index in batch:
            names = self._told(index)
            yield self._place(REAL, names.get("target_key", names["key"]))
            yield from (self._place(fake, names["key"]) for fake in self._fakes())

    def _fakes(self) -> list[str]:
        return [FAKE, *(f"{FAKE}_{number}" for number in range(2, self.draws + 1))]

    def _place(self, kind: str, name: str) -> Path:
        return self.folder / kind / f"{name}.png"

    def _write(self, shown: Mapping[str, Any]) -> None:
        names = shown.get("target_key", shown["key"])
        self._write_all(REAL, names, shown["target"])
        for kind, images in zip(self._fakes(), shown.get("draws", [shown["fake"]]), strict=True):
            self._write_all(kind, shown["key"], images)

    def _write_all(self, kind: str, names: Sequence[str], images: Tensor) -> None:
        for name, image in zip(names, to_bytes(images), strict=True):
            place = self._place(kind, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            write_image(place, image.permute(1, 2, 0).contiguous().numpy())

    def _pictures(self, unusable: list[Path]) -> RunPictures:
        real, *fakes = (read_set(self.folder / kind) for kind in (REAL, *self._fakes()))
        if self.is_paired:
            labels = self._labels()
            items = [
                Item(name, real.pictures[name], (fake,), tuple(f.pictures[name] for f in fakes), labels.get(fake.file))
                for name, fake in fakes[0].pictures.items()
            ]
        else:
            items = [Item(name, real=picture) for name, picture in real.pictures.items()]
            items += [Item(name, fakes=(picture,)) for name, picture in fakes[0].pictures.items()]
        return RunPictures(real, fakes[0], items, self._about(), unusable)

    def _labels(self) -> dict[Path, str]:
        """The class of each output, where the data have classes."""
        classes, samples = self.dataset.classes, range(len(self.dataset) if self.dataset.classes else 0)
        return {self._place(FAKE, about["key"]): classes[about["label"]] for about in map(self._told, samples)}

    def _told(self, index: int) -> dict[str, Any]:
        """What the data set tells of a sample without reading it."""
        return self.dataset.about(index, self.dataset.parts(index, 0))

    def _about(self) -> dict[str, Any]:
        model = self.translator.model
        weights = "average" if getattr(model, "ema", None) is not None else "last"
        kinds = {"standard normal": self.translator.takes_noise, "dropout": self.translator.drops}
        drawn = " and ".join(kind for kind, is_there in kinds.items() if is_there)
        return {
            **self.origin,
            "iteration": self.translator.iteration,
            **self.translator.protocol.about(),
            "weights": weights,
            "noise": f"{drawn}, a function of the sample's name" if drawn else "none",
            "draws": self.draws,
            "split": self.options.get("split"),
            "code": self.code,
        }
