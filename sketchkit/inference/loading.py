"""A run folder or a checkpoint -> its config, its networks with their weights, and what it remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from mmengine.config import Config

from sketchkit.config.load import config_of
from sketchkit.config.parts import model_config
from sketchkit.config.plugins import load_kept
from sketchkit.config.validation import validate
from sketchkit.engine.checkpoints import load_strictly, read_checkpoint, read_latest, refuse_other_sizes
from sketchkit.engine.trial import try_networks, try_protocol
from sketchkit.engine.uninitialized import undrawn
from sketchkit.errors import CheckpointError, ConfigError
from sketchkit.files import parse_json
from sketchkit.inference.preparation import Preparation
from sketchkit.options import check_options, one_of
from sketchkit.registry import MODELS, translator_names

if TYPE_CHECKING:
    from sketchkit.translators.base import Translator


USED = ("translator", "backbone", "heads", "inference")
# Registries that another thread is just filling have no names yet, and seem to be full.
_ONE_AT_A_TIME = RLock()


class Loaded(NamedTuple):
    """A checkpoint's path and content, its config, the translator in eval mode on its device, what prepares for it."""

    path: Path
    content: dict[str, Any]
    config: Config
    model: Translator
    preparation: Preparation


def load_run(
    run: str | Path,
    device: torch.device,
    config: Config | None = None,
    plugin_files: Sequence[str | Path] = (),
    trust_code: bool = False,
    **protocol: Any,
) -> Loaded:
    """Load what a run is used with; for options and errors see `TrainedTranslator`."""
    with _ONE_AT_A_TIME:
        return _load(run, device, config, plugin_files, trust_code, protocol)


def _load(
    run: str | Path,
    device: torch.device,
    config: Config | None,
    plugin_files: Sequence[str | Path],
    trust_code: bool,
    protocol: Mapping[str, Any],
) -> Loaded:
    path, content = _find(Path(run))
    if config is None:
        config = _kept_config(content["config"], path)
        load_kept(config, plugin_files, path, trust_code)
    _check(config, path)
    config = _tested_by(protocol, config)
    whole = model_config(config)
    one_of(f"{path}: translator", whole["type"], translator_names())
    kind: Any = MODELS.get(whole["type"])
    parts = kind.inference_config(whole)
    refuse_other_sizes(lambda: MODELS.build(parts), content["model"], path)
    with undrawn():
        model: Translator = MODELS.build(parts)
    load_strictly(model, _for_inference(content["model"], model), path)
    return Loaded(path, content, config, model.to(device).eval(), _preparation(config, path))


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


def _kept_config(text: str, path: Path) -> Config:
    try:
        return config_of(parse_json(text, path), path)
    except ConfigError as error:
        raise CheckpointError(str(error)) from error


def _check(config: Config, path: Path) -> None:
    """Refuse a config of which what is used here cannot be built; to know all of the rest may take long."""
    try:
        validate({key: value for key, value in config.to_dict().items() if key in USED})
        for key in ("translator", "backbone"):
            if not config.get(key):
                raise ConfigError(f"there is no {key}")
        loader = config.get("val_dataloader") or config.get("train_dataloader")
        if not isinstance(loader, Mapping) or not isinstance(loader.get("dataset"), Mapping):
            raise ConfigError("there is no train_dataloader with a dataset")
        try_networks({"backbone": config["backbone"]}, copies=1)
    except ConfigError as error:
        raise CheckpointError(f"{path} holds a config that nothing can be built of: {error}") from error


def _preparation(config: Config, path: Path) -> Preparation:
    # What is for use is the same in both; a run may go without a validation.
    loader = config.get("val_dataloader") or config["train_dataloader"]
    try:
        return Preparation(loader["dataset"].get("pipeline") or [])
    except ConfigError as error:
        raise CheckpointError(f"{path} holds a config by which no picture can be prepared: {error}") from error


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
