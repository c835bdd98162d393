"""A trained run as something to call with a picture: any size in, the same size out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor
from torch.nn import functional as F

from sketchkit.config.load import config_of
from sketchkit.config.parts import model_config
from sketchkit.config.plugins import load_kept
from sketchkit.config.validation import validate
from sketchkit.engine.checkpoints import load_strictly, read_checkpoint, read_latest, refuse_other_sizes
from sketchkit.engine.trial import try_networks, try_protocol
from sketchkit.errors import CheckpointError, ConfigError, DataError
from sketchkit.files import parse_json
from sketchkit.options import check_options, did_you_mean, one_of
from sketchkit.registry import MODELS, translator_names
from sketchkit.translators.padding import PaddedGenerator, hint_channels, takes
from sketchkit.translators.pictures import IMAGES, to_bytes
from sketchkit.translators.protocol import InferenceProtocol, has_dropout

if TYPE_CHECKING:
    from sketchkit.inference.preparation import Preparation
    from sketchkit.translators.base import Translator

DIRECTIONS = ("AtoB", "BtoA")


class TrainedTranslator:
    """The generators of a run, with the preparation of pictures that its config names.

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
        self.path, content = _find(Path(run))
        if config is None:
            config = _kept_config(content["config"], self.path)
            load_kept(config, plugin_files, self.path, trust_code)
        _check(config, self.path)
        self.config = _tested_by({"test_norm": test_norm, "test_dropout": test_dropout}, config)
        self.classes: list[str] = content["classes"]
        self.iteration: int = content["iter"]
        whole = model_config(self.config)
        one_of(f"{self.path}: translator", whole["type"], translator_names())
        kind: Any = MODELS.get(whole["type"])
        parts = kind.inference_config(whole)
        refuse_other_sizes(lambda: MODELS.build(parts), content["model"], self.path)
        self.model: Translator = MODELS.build(parts)
        load_strictly(self.model, _for_inference(content["model"], self.model), self.path)
        self.device = usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model.to(self.device).eval()
        self.networks: Mapping[str, Any] = self.model.networks()
        # What is for use is the same in both; a run may go without a validation.
        loader = self.config.get("val_dataloader") or self.config["train_dataloader"]
        self.preparation = _preparation(loader["dataset"].get("pipeline", []))

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

    def __call__(
        self,
        picture: np.ndarray,
        *,
        hint: Tensor | None = None,
        label: str | None = None,
        direction: str = "AtoB",
        size: int | None = None,
        name: str = "",
        draw: int = 0,
    ) -> np.ndarray:
        """Translate one picture.

        Args:
            picture: (H, W, 3) uint8 RGB; a grey one has three equal channels.
            hint: colour strokes (4, H, W) uint8 RGBA, for a run that was trained with hints.
            label: the class, for a run whose network draws classes.
            direction: 'AtoB' (source to target), or 'BtoA' where the run learnt it (CycleGAN).
            size: the short side at which the network works, where it is not to be the picture's own; the result has
                the picture's size in any case.
            name, draw: noise, and what dropout drops, is a function of these two, where there is any.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            ConfigError: the run knows no such direction or class, or takes no hints.
            DataError: the hint is of another size than the picture, or the picture is too small for the network.
        """
        one_of("direction", direction, DIRECTIONS)
        if direction not in self.model.directions:
            raise ConfigError(f"{self.path} learnt {self.model.directions[0]} only: leave out --direction {direction}")
        network = self.networks[direction]
        self._check_hint(network, hint, picture)
        number = self._number(network, label)
        start, end = IMAGES if direction == "AtoB" else reversed(IMAGES)
        whole = self._prepare(picture, start, hint)
        with torch.inference_mode():
            batch = self._scale(whole, start)
            # Lab takes the lightness from the whole picture; other ranges have nothing to take.
            full = batch["source"]
            if size:
                # As the pictures of the training were brought to their size.
                small = {start: _resize(whole[start], size, self.config.get("interpolation", "bilinear"))}
                # The hint only now, its colours times alpha: else the ground of the strokes would tinge their borders.
                # Always bilinear: a hint must not leave its range, and another way overshoots.
                hints = {"hint": _resize(batch["hint"], size)} if "hint" in batch else {}
                batch = {**self._scale(small, start), **hints}
            if number is not None:
                batch["label"] = torch.tensor([number], device=self.device)
            image = PaddedGenerator(network, batch, self.protocol).picture_of([name], draw)
            shown = self.model.data_preprocessor.to_picture(image, end, full)
            if shown.shape[-2:] != picture.shape[:2]:
                shown = F.interpolate(shown, picture.shape[:2], mode="bicubic", align_corners=False, antialias=True)
        return to_bytes(shown)[0].permute(1, 2, 0).numpy()

    def _prepare(self, picture: np.ndarray, kind: str, hint: Tensor | None) -> dict[str, Any]:
        planes = torch.from_numpy(picture.transpose(2, 0, 1).copy())
        batch = {kind: (self.preparation(planes, kind) if self.preparation else planes)[None]}
        return batch if hint is None else {**batch, "hint": hint[None]}

    def _scale(self, data: dict[str, Any], kind: str) -> dict[str, Any]:
        """The batch in the range of its kind; on the way back a target is what goes in."""
        batch = self.model.data_preprocessor(data)
        return {**batch, "source": batch[kind]}

    def _check_hint(self, network: Any, hint: Tensor | None, picture: np.ndarray) -> None:
        if hint is None:
            return
        if not hint_channels(network):
            raise ConfigError(
                f"{self.path} was trained without hints: train with backbone.hint_channels=4 and ColorHints"
            )
        if tuple(hint.shape[-2:]) != picture.shape[:2]:
            sizes = [f"{width}x{height}" for height, width in (hint.shape[-2:], picture.shape[:2])]
            raise DataError(f"the hint is {sizes[0]} and the picture {sizes[1]}: draw the hint on the picture itself")

    def _number(self, network: Any, label: str | None) -> int | None:
        if not self.classes or not takes(network, "label"):
            if label is not None:
                raise ConfigError(f"{self.path} draws no classes: leave out --label {label}")
            return None
        if label is None:
            raise ConfigError(f"this run draws classes: name one of {', '.join(self.classes)} with --label")
        if label not in self.classes:
            raise ConfigError(f"this run has no class '{label}': {did_you_mean(label, self.classes)}")
        return self.classes.index(label)


def _kept_config(text: str, path: Path) -> Config:
    try:
        return config_of(parse_json(text, path), path)
    except ConfigError as error:
        raise CheckpointError(str(error)) from error


def _check(config: Config, path: Path) -> None:
    try:
        validate(config.to_dict())
        for key in ("translator", "backbone"):
            if not config.get(key):
                raise ConfigError(f"there is no {key}")
        try_networks({"backbone": config["backbone"]}, copies=1)
    except ConfigError as error:
        raise CheckpointError(f"{path} holds a config that nothing can be built of: {error}") from error


def _tested_by(options: Mapping[str, Any], config: Config) -> Config:
    """The config with those of the translator's options that are not None."""
    changes = {name: value for name, value in options.items() if value is not None}
    if not changes:
        return config
    parts = model_config(config)
    check_options(MODELS.get(parts.pop("type")), {**parts, **changes})
    changed = deepcopy(config)
    changed["translator"].update(changes)
    try_protocol(changed)
    return changed


def _for_inference(state: Mapping[str, Any], model: Translator) -> dict[str, Any]:
    """The state without the parts that training alone has: those of which the model has nothing at all."""
    parts = {key.partition(".")[0] for key in model.state_dict()}
    return {key: value for key, value in state.items() if key.partition(".")[0] in parts}


def usable_device(device: str | torch.device) -> torch.device:
    """The device of that name.

    Raises:
        ConfigError: it cannot be computed on.
    """
    try:
        # 'meta' is a device too, of which nothing comes back.
        return torch.zeros(1, device=device).cpu().new_empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"device={device} cannot be used: {str(error).splitlines()[0]}") from error


def _find(run: Path) -> tuple[Path, dict[str, Any]]:
    """The checkpoint that is meant, and its content; a file that is named is the one that is meant."""
    if run.is_dir():
        return read_latest(run)
    if not run.exists():
        raise CheckpointError(f"no run at {run}: name a run folder or a checkpoint")
    return run, read_checkpoint(run)


def _preparation(pipeline: Sequence[Mapping[str, Any]]) -> Preparation | None:
    """What a pipeline does to a picture; torchvision takes long to import, and none is needed without a pipeline."""
    if not pipeline:
        return None
    from sketchkit.inference.preparation import Preparation

    return Preparation(pipeline)


def _resize(image: Tensor, short_side: int, interpolation: str = "bilinear") -> Tensor:
    from torchvision.transforms import v2

    return v2.functional.resize(image, [short_side], v2.InterpolationMode(interpolation), antialias=True)
