"""The runner: mmengine's, with checkpoints that are safe, resumes that are exact, and ranks that agree."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.device import get_device
from mmengine.dist import all_gather_object, broadcast, get_rank, get_world_size, is_main_process
from mmengine.model import BaseAveragedModel
from mmengine.optim import ReduceOnPlateauParamScheduler
from mmengine.runner import Runner
from torch import nn

from sketchkit.atomic import write_whole
from sketchkit.config.leaves import differences
from sketchkit.engine import checkpoints
from sketchkit.engine.checkpoint_content import KEPT, is_finite
from sketchkit.engine.schedules import count_iterations, plateau_state, restore_plateau
from sketchkit.errors import CheckpointError, ConfigError
from sketchkit.files import parse_json
from sketchkit.registry import FUNCTIONS, RUNNERS

CALL_KEYS = ("model", "work_dir", "resume", "launcher", "experiment_name", "default_scope")


@RUNNERS.register_module()
class TranslationRunner(Runner):
    """Builds and runs a resolved config; see `sketchkit.engine.train`."""

    _random_state: dict[str, Any] | None = None

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.work_dir)

    def build_logger(self, *args: Any, **kwargs: Any) -> Any:
        """mmengine's logger: everything to the run's log file, warnings to the screen."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.setLevel(logging.WARNING)
                # mmengine's checkpoint hook warns of mmengine's own older interfaces.
                handler.addFilter(lambda record: "deprecated in future" not in record.getMessage())
        return logger

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """The model on its device, the same on every rank; gradients are averaged by the optimiser wrapper."""
        model = on_device(model, get_device())
        if get_world_size() > 1:
            for tensor in (*model.parameters(), *model.buffers()):
                broadcast(tensor.data, src=0)
        return model

    @staticmethod
    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> Any:
        """mmengine's; where there is a GPU, batches lie in page-locked memory, from which they are copied unawaited.

        Raises:
            ConfigError: a function that nobody has registered; mmengine would import whatever its name could mean.
        """
        if isinstance(dataloader, Mapping):
            for function in (dataloader.get("collate_fn"), dataloader.get("worker_init_fn")):
                if isinstance(function, Mapping):
                    FUNCTIONS.get(str(function.get("type")))
            dataloader = ConfigDict({"pin_memory": torch.cuda.is_available(), **dataloader})
        return Runner.build_dataloader(dataloader, *args, **kwargs)

    def dump_config(self) -> None:
        """Write the resolved config as JSON, which `sketchkit` reads back without running it."""
        if is_main_process():
            write_whole(self.folder / "config.json", self._config_text(indent=2) + "\n")

    def save_checkpoint(
        self, out_dir: str, filename: str, *args: Any, meta: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Write a checkpoint for mmengine's hook, whose `meta` counts the iterations done; every rank takes part."""
        self.write_checkpoint(Path(out_dir) / filename, (meta or {}).get("iter", self.iter))

    def save_between_iterations(self, reason: str) -> None:
        """Save what is done when the run has to end early, and say how to go on."""
        path = self.folder / checkpoints.numbered_name(self.iter)
        kept = self.message_hub.runtime_info.get(KEPT, [])
        self.message_hub.update_info(KEPT, [*(one for one in kept if one != self.iter), self.iter])
        if self.write_checkpoint(path, self.iter) and is_main_process():
            print(f"{reason}: saved {path}; go on with the same command and --resume", flush=True)

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Load a checkpoint's weights strictly and return it.

        Raises:
            CheckpointError: it is damaged, unsafe, or of another architecture.
        """
        content = checkpoints.read_checkpoint(filename)
        self._take_weights(content, filename)
        return content

    def _take_weights(self, content: dict[str, Any], origin: str | Path) -> None:
        self.call_hook("after_load_checkpoint", checkpoint=content)
        checkpoints.load_strictly(self.model, content["model"], origin)
        self._has_loaded = True

    def load_or_resume(self) -> None:
        """Resume from the run folder's latest good checkpoint, else from `load_from`; or only take over its weights.

        Raises:
            CheckpointError: a resume is asked for and there is nothing to resume from.
        """
        if not self._resume:
            if self._load_from:
                self.load_checkpoint(self._load_from)
            return
        if checkpoints.latest_checkpoint(self.work_dir):
            self._take_over(*self._latest())
        elif self._load_from:
            self.resume(self._load_from)
        else:
            raise CheckpointError(f"nothing to resume in {self.work_dir}: start without --resume")

    def _latest(self) -> tuple[Path, dict[str, Any]]:
        return checkpoints.read_latest(self.folder, resuming=True)

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Restore weights, optimisers, schedules and the counters; the random state follows when training starts.

        A schedule is replayed to the iteration reached, not restored: with a larger `max_iters`, or a new learning
        rate, the run follows its new schedule. A plateau schedule depends on what was measured, and is restored, with
        the rates it has come to.
        """
        self._take_over(Path(filename), checkpoints.read_checkpoint(filename, resuming=True))

    def _take_over(self, path: Path, content: dict[str, Any]) -> None:
        states = content["random_states"]
        if len(states) != get_world_size():
            raise CheckpointError(f"{path} was saved by {len(states)} processes; resume with as many")
        if content["iter"] >= self.max_iters and is_main_process():
            print(
                f"{self.folder} is trained to iteration {content['iter']} already: raise train_cfg.max_iters to go on"
            )
        self._say_what_differs(path, content)
        self._take_weights(content, path)
        self.train_loop._iter, self.train_loop.validated = content["iter"], content["validated"]
        for key, value in content["runtime_info"].items():
            self.message_hub.update_info(key, value)
        self._take_optimizers(content, path)
        self._replay_schedules(content["iter"], content["schedulers"])
        self._random_state = states[get_rank()]
        self.call_hook("after_load_own_state", state=states[get_rank()]["hooks"])

    def _take_optimizers(self, content: dict[str, Any], path: Path) -> None:
        for side, wrapper in self.optim_wrapper.items():
            try:
                wrapper.load_state_dict(content["optimizers"][side])
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise CheckpointError(f"{path} has no such optimizers as this config ({side}: {error})") from error

    def _say_what_differs(self, path: Path, content: dict[str, Any]) -> None:
        changed = differences(parse_json(content["config"], path), parse_json(self._config_text(), "the config"))
        if changed and is_main_process():
            print(f"note: the config has changed since {path.name}: {changed}", flush=True)

    def restore_randomness(self) -> None:
        """Take over the resumed random state; the training loop calls it last before its first iteration."""
        if self._random_state is not None:
            checkpoints.restore_random_state(self._random_state)
            self.model.load_local_state(self._random_state["model"])
            self._random_state = None

    def roll_back(self) -> Path:
        """Put weights, optimisers and image pools back to the latest checkpoint; the iteration and the data go on.

        Raises:
            CheckpointError: there is no checkpoint yet.
        """
        if checkpoints.latest_checkpoint(self.folder) is None:
            raise CheckpointError(f"no checkpoint in {self.work_dir} to roll back to")
        path, content = self._latest()
        self._take_weights(content, path)
        self._take_optimizers(content, path)
        self.model.load_local_state(content["random_states"][get_rank()]["model"])
        return path

    def _config_text(self, indent: int | None = None) -> str:
        """The resolved config, without what belongs to this call or is put together from it."""
        config = {key: value for key, value in self.cfg.to_dict().items() if key not in CALL_KEYS}
        return json.dumps(config, indent=indent, default=str)

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """mmengine's schedules; a fraction in `begin`, `end` and other counts is one of `max_iters`.

        Raises:
            ConfigError: one that counts epochs, of which a run by iterations has none: it would never move; a count
                that is neither whole nor a fraction; or one that mmengine refuses, such as an end before its begin.
        """
        counted = count_iterations(scheduler, self.max_iters)
        try:
            built = super().build_param_scheduler(counted)
        except (ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"param_scheduler, in a run of {self.max_iters} iterations: {reason}") from error
        for one in (one for schedulers in built.values() for one in schedulers):
            if one.by_epoch and not isinstance(one, ReduceOnPlateauParamScheduler):
                raise ConfigError(f"param_scheduler {type(one).__name__} counts epochs: give it by_epoch=False")
        return built

    def _replay_schedules(self, iterations: int, kept: dict[str, list]) -> None:
        for side, schedulers in (self.param_schedulers or {}).items():
            replayed = [s for s in schedulers if not isinstance(s, ReduceOnPlateauParamScheduler)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the optimiser has not stepped yet: it has, before the resume
                for _ in range(iterations):
                    for scheduler in replayed:
                        scheduler.step()
            # Last, as the rates it has come to hold what the others did to them.
            for scheduler, state in zip(schedulers, kept.get(side, []), strict=False):
                if isinstance(scheduler, ReduceOnPlateauParamScheduler) and state:
                    restore_plateau(scheduler, state)

    def write_checkpoint(self, path: Path, iterations: int) -> bool:
        """Write a checkpoint of `iterations` done, unless its weights are not finite; returns whether it was."""
        hooks: dict[str, Any] = {}
        self.call_hook("before_save_own_state", state=hooks)
        states: list[Any] = [{**checkpoints.random_state(), "model": self.model.local_state(), "hooks": hooks}]
        if get_world_size() > 1:
            states = all_gather_object(states[0])
        weights = self.model.state_dict()
        if not is_finite(weights):
            self.logger.warning(f"{path} is not written: the weights are not finite")
            return False
        if not is_main_process():
            return True
        content = {
            "format": checkpoints.FORMAT,
            "iter": iterations,
            "validated": self.train_loop.validated,
            "config": self._config_text(),
            "classes": list(getattr(self.train_dataloader.dataset, "classes", [])),
            "model": weights,
            "optimizers": {side: wrapper.state_dict() for side, wrapper in self.optim_wrapper.items()},
            "schedulers": {
                side: [plateau_state(s) for s in all_] for side, all_ in (self.param_schedulers or {}).items()
            },
            "runtime_info": checkpoints.plain_info(self.message_hub.runtime_info),
            "random_states": states,
            "versions": checkpoints.versions(),
        }
        self.call_hook("before_save_checkpoint", checkpoint=content)
        checkpoints.write_checkpoint(path, content)
        return True


def on_device(model: nn.Module, device: str | torch.device) -> nn.Module:
    """The model on a device, but for the counts of its averages: mmengine reads them every iteration."""
    counts = {module: module.steps for module in model.modules() if isinstance(module, BaseAveragedModel)}
    model = model.to(device)
    for module, steps in counts.items():
        module.steps = steps
    return model
