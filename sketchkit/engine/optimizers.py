"""Optimisation: one optimiser a side, gradients averaged over ranks, mixed precision on any device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from mmengine.dist import all_reduce_params, get_world_size
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from sketchkit.declared import Choices, Positive
from sketchkit.engine.parameterwise import parameter_groups
from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean
from sketchkit.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


@OPTIM_WRAPPERS.register_module()
class SyncedOptimWrapper(OptimWrapper):
    """An optimiser whose `step` first averages the gradients of all ranks.

    Averaging here, and not in a wrapper around the model, holds for every way a translator calls its networks, double
    backward included.

    Args:
        optimizer: the optimiser.
        amp: None, 'bf16' or 'fp16' (with loss scaling), by torch.autocast.
        loss_scale: the first factor of the loss under fp16; halved at each overflow, whose step is left out.
        allow_slow_amp: take `amp` also on a CPU without native bf16, where convolutions are some 350 times slower.
        clip_grad: as in mmengine's OptimWrapper, such as dict(max_norm=1.0).
        clip_weights: after each step, keep every weight within plus and minus this (WGAN, Arjovsky et al. 2017: 0.01).

    Raises:
        ConfigError: an unknown `amp`, or one this machine runs far slower than float32.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        amp: Annotated[str, Choices(PRECISIONS)] | None = None,
        allow_slow_amp: bool = False,
        clip_grad: dict[str, Any] | None = None,
        clip_weights: Positive | None = None,
        loss_scale: Positive = 2.0**16,
    ) -> None:
        super().__init__(optimizer, clip_grad=clip_grad)
        if amp not in (None, *PRECISIONS):
            raise ConfigError(f"amp is '{amp}': None, {' or '.join(PRECISIONS)}")
        if clip_weights is not None and clip_weights <= 0:
            raise ConfigError(f"clip_weights={clip_weights} leaves no weight: give a positive bound, such as 0.01")
        self.amp, self.clip_weights = amp, clip_weights
        self.device_type = self._parameters()[0].device.type
        if amp and self.device_type == "cpu" and not allow_slow_amp and not _native_bf16():
            raise ConfigError(
                f"amp={amp} on this CPU is some 350 times slower than float32 (no native bf16): "
                "leave amp out, or insist with optim_wrapper.allow_slow_amp=True"
            )
        self.scaler = torch.amp.GradScaler(self.device_type, loss_scale, enabled=amp == "fp16")
        self._places = list(range(len(self._parameters())))

    def number_by(self, parameters: Iterable[nn.Parameter]) -> None:
        """Number the state in checkpoints by this order, the network's, whatever groups the parameters are in.

        A resumed run may then group them otherwise.
        """
        places = {id(parameter): place for place, parameter in enumerate(parameters)}
        self._places = [places[id(parameter)] for parameter in self._parameters()]

    def _parameters(self) -> list[nn.Parameter]:
        # mmengine's own `param_groups` has one more, of no parameter of the network, to keep the base rate in.
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, when `amp` asks for it."""
        autocast = torch.autocast(self.device_type, dtype=PRECISIONS.get(self.amp or ""), enabled=self.amp is not None)
        with super().optim_context(model), autocast:
            yield

    def backward(self, loss: Tensor, **options: Any) -> None:
        """Add the gradients of `loss`, scaled under fp16."""
        self.scaler.scale(loss).backward(**options)

    def step(self, scaler: torch.amp.GradScaler | None = None, **options: Any) -> None:
        """Average the gradients over ranks, clip them when asked to, update, and clip the weights when asked to.

        `scaler` is another wrapper's, whose `backward` made these gradients: that wrapper then steps after this one.
        """
        scales = scaler or self.scaler
        if get_world_size() > 1:
            parameters = [p for p in self._parameters() if p.requires_grad]
            for parameter in parameters:
                # Every rank must offer the same list, or the buckets would not match.
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            all_reduce_params([p.grad for p in parameters], coalesce=True, bucket_size_mb=25, op="mean")
        if self.clip_grad_kwargs:
            scales.unscale_(self.optimizer)
            # mmengine's own `_clip_grad` fetches the norm from the device every time.
            self.clip_func(self._parameters(), **self.clip_grad_kwargs)
        scales.step(self.optimizer, **options)
        if scaler is None:
            scales.update()
        if self.clip_weights is not None:
            with torch.no_grad():
                for parameter in self._parameters():
                    parameter.clamp_(-self.clip_weights, self.clip_weights)

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's per-parameter state and the loss scale; hyper-parameters stay the config's."""
        packed = self.optimizer.state_dict()["state"]
        state = {self._places[index]: one for index, one in packed.items()}
        return {"state": state, "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        groups = self.optimizer.state_dict()["param_groups"]
        indices = {place: index for index, place in enumerate(self._places)}
        state = {indices[place]: one for place, one in state_dict["state"].items()}
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        if state_dict["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(state_dict["scaler"])


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupOptimizers:
    """Builds an optimizer for each of a translator's `optimizer_groups`.

    Args:
        optim_wrapper_cfg: name of a group -> `dict(optimizer=...)` with what else `SyncedOptimWrapper` takes, and
            perhaps a `paramwise_cfg`, see `parameter_groups`; options beside the groups go to all of them.
        paramwise_cfg: not used; part of mmengine's interface.

    Raises:
        ConfigError: a group has no optimizer, the translator has no such group, or a `paramwise_cfg` has an option that
            changes nothing.
    """

    def __init__(self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: Any = None) -> None:
        cfg = {key: value for key, value in optim_wrapper_cfg.items() if key != "constructor"}
        self.groups = {key: value for key, value in cfg.items() if isinstance(value, Mapping) and "optimizer" in value}
        self.common = {key: value for key, value in cfg.items() if key not in self.groups}

    def __call__(self, model: Any) -> OptimWrapperDict:
        """Optimizers for the groups of `model` that have parameters."""
        groups = model.optimizer_groups()
        for name in self.groups:
            if name not in groups:
                raise ConfigError(f"optim_wrapper.{name} is no group of this translator: {did_you_mean(name, groups)}")
        parts = {name: part for name, part in groups.items() if any(True for _ in part.parameters())}
        missing = [name for name in parts if name not in self.groups]
        if missing:
            raise ConfigError(f"optim_wrapper has no '{missing[0]}': give it optim_wrapper.{missing[0]}.optimizer")
        return OptimWrapperDict(**{name: self._build(name, part) for name, part in parts.items()})

    def _build(self, name: str, part: nn.Module) -> OptimWrapper:
        options = {"type": "sketchkit.SyncedOptimWrapper", **self.common, **self.groups[name]}
        optimizer, paramwise = options.pop("optimizer"), options.pop("paramwise_cfg", None)
        try:
            params = parameter_groups(part, optimizer, paramwise) if paramwise else list(part.parameters())
            options["optimizer"] = OPTIMIZERS.build({**optimizer, "params": params})
            wrapper = OPTIM_WRAPPERS.build(options)
        except ConfigError as error:
            raise ConfigError(f"optim_wrapper.{name}: {error}") from error
        except (ValueError, TypeError) as error:
            raise ConfigError(f"optim_wrapper cannot be built: {' '.join(str(error).split())}") from error
        wrapper.number_by(part.parameters())
        return wrapper


def _native_bf16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
