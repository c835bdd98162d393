"""A trained run as something to call with pictures: any size in, the same size out."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from sketchkit.config.inference import Detail, inference_options
from sketchkit.data.drawings import DrawingProfile
from sketchkit.data.pixels import on_white
from sketchkit.data.transforms.scale import LONGEST
from sketchkit.errors import CheckpointError, ConfigError, DataError
from sketchkit.inference.detail import bring_to_size
from sketchkit.inference.loading import load_run, usable_device
from sketchkit.inference.reading import PictureReader, Prepared
from sketchkit.inference.request import Request, Source, Translation
from sketchkit.inference.source import code_record
from sketchkit.options import did_you_mean
from sketchkit.translators.padding import PaddedGenerator, hint_channels, takes
from sketchkit.translators.pictures import IMAGES, to_bytes
from sketchkit.translators.protocol import InferenceProtocol, has_dropout
from sketchkit.translators.tiling import TiledGenerator, exactly_tiled


class TrainedTranslator:
    """The generators of a run, with the preparation of pictures that its config names; threads may share it.

    Args:
        run: a run folder, of which the latest checkpoint is taken, or a checkpoint.
        device: where to compute; default: a GPU when there is one.
        config: a resolved config to build the networks by; default: the one in the checkpoint.
        plugin_files: Python files that register plugins, in place of the run's own.
        trust_code: whether code of the run may run that was not trained with here; see docs/security.md.
        test_norm, test_dropout: how to translate, in place of what the run's config says; see `InferenceProtocol`.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged, unsafe or of another architecture.
        PluginError: a plugin that the run was trained with may not run, is gone, or fails.
        ConfigError: there is no such device, or the run cannot be translated with as asked.
    """

    def __init__(
        self,
        run: str | Path,
        device: str | torch.device | None = None,
        config: Config | None = None,
        plugin_files: Sequence[str | Path] = (),
        trust_code: bool = False,
        test_norm: str | None = None,
        test_dropout: bool | None = None,
    ) -> None:
        self.device = usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        protocol = {"test_norm": test_norm, "test_dropout": test_dropout}
        loaded = load_run(run, self.device, config, plugin_files, trust_code, **protocol)
        self.path, self.config, self.model = loaded.path, loaded.config, loaded.model
        self.classes: list[str] = loaded.content["classes"]
        self.iteration: int = loaded.content["iter"]
        self.digest: str = loaded.content["digest"]
        self.networks: Mapping[str, Any] = self.model.networks()
        self.options = inference_options(self.config)
        self.half = _half(loaded.content.get("source_half"), self.path)
        drawings = _profile(loaded.content.get("drawings"), self.path)
        self.reader = PictureReader(loaded.preparation, self.options, drawings)

    @cached_property
    def code(self) -> str:
        """SHA-256, in hex, of the code that makes its pictures; see `code_record`."""
        record = code_record(self.config, self.networks.values())
        return sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    @property
    def directions(self) -> tuple[str, ...]:
        """'AtoB', and 'BtoA' where it learnt both."""
        return self.model.directions

    @property
    def protocol(self) -> InferenceProtocol:
        """What norms and dropout do."""
        return self.model.protocol

    @property
    def takes_noise(self) -> bool:
        """Whether the network takes noise."""
        return takes(self.networks["AtoB"], "noise")

    @property
    def has_dropout(self) -> bool:
        """Whether the network has dropout, on or off."""
        return has_dropout(self.networks["AtoB"])

    @property
    def drops(self) -> bool:
        """Whether the network has dropout, and the protocol has it drop."""
        return self.protocol.drops_in(self.networks["AtoB"])

    @property
    def varies(self) -> bool:
        """Whether a picture has more than one translation."""
        return self.takes_noise or self.drops

    @property
    def draws_classes(self) -> bool:
        """Whether its network is told a class."""
        return bool(self.classes) and takes(self.networks["AtoB"], "label")

    def __call__(
        self,
        picture: np.ndarray,
        *,
        label: str | None = None,
        hint: Tensor | None = None,
        name: str = "",
        **request: Any,
    ) -> np.ndarray:
        """Translate one picture.

        Args:
            picture: (H, W, 3) uint8 RGB, or (H, W, 4) straight RGBA; a grey one has three equal channels.
            label, hint, name: see `Source`.
            request: see `Request`.

        Returns:
            (H, W, 3) uint8 RGB, for the first noise.

        Raises:
            ConfigError, DataError: as `prepare` and `paint`.
        """
        asked = Request(**request)
        return self.paint([self.prepare(Source(picture, label, hint, name), asked)], asked)[0].pictures[0]

    def half_of_pair(self, pixels: np.ndarray) -> str | None:
        """Which half is the source, where (H, W, C) looks like source and target side by side, as in the training."""
        height, width = pixels.shape[:2]
        if self.half is None or width % 2:
            return None
        side, ratio = self.half
        if ratio is not None:
            return side if abs(width / 2 / height - ratio) < 0.02 else None
        from sketchkit.data.prepare.sides import sketch_side

        found = sketch_side(torch.from_numpy(on_white(pixels)).permute(2, 0, 1)) if self.options.is_drawing else None
        return side if found == side else None

    def prepare(self, source: Source, request: Request) -> Prepared:
        """A picture as the networks take it, by the look and at the scale of the training's.

        Raises:
            ConfigError: the run knows no such direction or class, or takes no hints.
            DataError: the hint is of another size than the picture.
        """
        self.check(request)
        self._check_hint(self.networks[request.direction], source)
        return self.reader(source, self.number_of(source.label, request.direction), request)

    def paint(self, prepared: Sequence[Prepared], request: Request) -> list[Translation]:
        """The translations of pictures; those of one size at work are computed together.

        Raises:
            DataError: a picture is too small for the network.
            ConfigError: it is too large for one tile, and tiles would not be exact.
        """
        groups: dict[Any, list[int]] = {}
        for place, one in enumerate(prepared):
            groups.setdefault((one.entry.shape, one.hint is None), []).append(place)
        done: dict[int, Translation] = {}
        for places in groups.values():
            together = [prepared[place] for place in places]
            done.update(zip(places, self._painted(together, request), strict=True))
        return [done[place] for place in range(len(prepared))]

    def check(self, request: Request) -> None:
        """Refuse what the run cannot do.

        Raises:
            ConfigError: says what, and the mend.
        """
        if request.direction not in self.directions:
            only = self.directions[0]
            raise ConfigError(f"{self.path} learnt {only} only: leave out --direction {request.direction}")
        if request.samples > 1 and not self.varies:
            mend = ", or add --test-dropout on" if self.has_dropout and not self.drops else ""
            raise ConfigError(f"{self.path} takes no noise, its samples would all be alike: leave out --samples{mend}")
        if request.fit and not self.reader.reads_drawings(request):
            raise ConfigError(
                f"{self.path} was not trained on drawings, or does not begin with them here: leave out --fit"
            )
        if request.detail == "ink" and not (self.options.is_drawing and request.direction == "AtoB"):
            raise ConfigError(f"{self.path} was not trained on drawings, which alone have ink: leave out --detail ink")

    def detail_of(self, request: Request) -> Detail:
        """How outputs get their size: as asked, else as the config says; the way back begins with no drawing."""
        own: Detail = "none" if request.direction == "BtoA" and self.options.detail == "ink" else self.options.detail
        return request.detail or own

    def _painted(self, together: Sequence[Prepared], request: Request) -> list[Translation]:
        start, end = IMAGES if request.direction == "AtoB" else reversed(IMAGES)
        with torch.inference_mode():
            batch = self._batch(together, start)
            generator = self._generator(batch, request)
            names = [one.name for one in together]
            images = [generator.picture_of(names, noise) for noise in (request.noises if self.varies else [0])]
            size = batch["source"].shape[-2:]
            translations = []
            for place, one in enumerate(together):
                source = self._source_of(one, batch["source"][place, None], start)
                made = [self._finished(image[place, None], one, source, end, request) for image in images]
                translations.append(Translation(made, (size[0], size[1]), one.notes))
            return translations

    def _batch(self, together: Sequence[Prepared], kind: str) -> dict[str, Any]:
        batch = self.model.data_preprocessor({kind: torch.cat([one.entry for one in together])})
        batch = {**batch, "source": batch[kind]}  # on the way back a target is what goes in
        if together[0].hint is not None:
            batch["hint"] = torch.cat([one.hint for one in together if one.hint is not None]).to(self.device)
        if together[0].number is not None:
            batch["label"] = torch.tensor([one.number for one in together], device=self.device)
        return batch

    def _generator(self, batch: dict[str, Any], request: Request) -> PaddedGenerator:
        network = self.networks[request.direction]
        if max(batch["source"].shape[-2:]) <= request.tile:
            return PaddedGenerator(network, batch, self.protocol)
        if request.insist and (reason := exactly_tiled(network, self.protocol)):
            warnings.warn(f"tiles do not make the picture that the whole would be: {reason}", stacklevel=2)
        return TiledGenerator(network, batch, self.protocol, tile=request.tile, insist=request.insist)

    def _source_of(self, one: Prepared, seen: Tensor, kind: str) -> Tensor:
        """What networks saw, (1, C, h, w), or would have seen of the whole, where that gives back detail."""
        preprocessor = self.model.data_preprocessor
        if not getattr(preprocessor, "keeps_detail", False) or seen.shape[-2:] == one.pixels.shape[-2:]:
            return seen
        return preprocessor({kind: self.reader.at_its_own_size(one, kind)})[kind]

    def _finished(self, image: Tensor, one: Prepared, source: Tensor, kind: str, request: Request) -> np.ndarray:
        """An output (1, C, h, w) of the network as pixels of its source's size."""
        shown = self.model.data_preprocessor.to_picture(image, kind, source)
        whole = to_bytes(bring_to_size(shown, self.reader.guide(one), self.detail_of(request)))
        return whole[0].permute(1, 2, 0).numpy()

    def _check_hint(self, network: Any, source: Source) -> None:
        if source.hint is None:
            return
        if not hint_channels(network):
            raise ConfigError(
                f"{self.path} was trained without hints: train with backbone.hint_channels=4 and ColorHints"
            )
        if tuple(source.hint.shape[-2:]) != source.pixels.shape[:2]:
            both = (source.hint.shape[-2:], source.pixels.shape[:2])
            sizes = [f"{width}x{height}" for height, width in both]
            raise DataError(f"the hint is {sizes[0]} and the picture {sizes[1]}: draw the hint on the picture itself")

    def number_of(self, label: str | None, direction: str = "AtoB") -> int | None:
        """The number of a class; None where the network is told none.

        Raises:
            ConfigError: the run has no such class, or draws classes and none is named, or draws none and one is.
        """
        if not self.classes or not takes(self.networks[direction], "label"):
            if label is not None:
                raise ConfigError(f"{self.path} draws no classes: leave out --label {label}")
            return None
        if label is None:
            raise ConfigError(f"this run draws classes: name one of {', '.join(self.classes)} with --label")
        if label not in self.classes:
            raise ConfigError(f"this run has no class '{label}': {did_you_mean(str(label), self.classes)}")
        return self.classes.index(label)


def _profile(kept: Any, path: Path) -> DrawingProfile | None:
    try:
        return None if kept is None else DrawingProfile.from_dict(kept)
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: its 'drawings' are none: {error}") from error


def _half(kept: Any, path: Path) -> tuple[str, float | None] | None:
    if kept is None:
        return None
    side, ratio = (kept.get("side"), kept.get("ratio")) if isinstance(kept, Mapping) else (None, None)
    is_ratio = ratio is None or (isinstance(ratio, int | float) and 0 < ratio <= LONGEST)
    if side not in ("left", "right") or not is_ratio:
        raise CheckpointError(f"{path} is damaged: its 'source_half' is {kept!r:.60}")
    return str(side), ratio
