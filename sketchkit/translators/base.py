"""What every trained translator offers the engine, whatever it translates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sketchkit.errors import ConfigError
from sketchkit.registry import HeadOutput
from sketchkit.translators.objective import Objective


class Translator(BaseModel, ABC):
    """A model with generators, heads and objectives; the engine trains, saves, watches and shows it by these names.

    Attributes:
        captions: what a grid shows of `val_step`'s pictures, in order, and what it calls them.
        iteration: iterations done, set by the loop.
    """

    captions: ClassVar[Mapping[str, str]] = {}

    def __init__(self, data_preprocessor: nn.Module) -> None:
        super().__init__(data_preprocessor)
        self.iteration = 0
        self._last: tuple[Mapping[str, Any], dict[str, Tensor]] | None = None

    @property
    def last_batch(self) -> dict[str, Tensor]:
        """The pictures of the last step, in [-1, 1], as people see them.

        source, target, fake; and of a translator that goes both ways fake_back, which is like a source.
        """
        if self._last is None:
            return {}
        batch, fakes = self._last
        picture, source = self.data_preprocessor.to_picture, batch["source"]
        shown = {kind: picture(batch[kind], kind, source) for kind in ("source", "target")}
        kinds = {"fake": "target", "fake_back": "source"}
        return {**shown, **{name: picture(fake, kinds[name], source) for name, fake in fakes.items()}}

    @abstractmethod
    def sides(self) -> dict[str, nn.Module]:
        """What each optimiser trains: `generator` and `discriminator`."""

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """The generator of each direction (`there`, perhaps `back`), or its average where there is one."""

    def local_state(self) -> dict[str, Any]:
        """What this process alone remembers between iterations, as tensors and plain values."""
        return {}

    def load_local_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `local_state` returned."""

    def keep(self, batch: Mapping[str, Any], **fakes: Tensor) -> None:
        """Keep a step's pictures for whoever asks for `last_batch`."""
        self._last = batch, {name: fake.detach() for name, fake in fakes.items()}


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """No gradients for the module's parameters: the generator's step flows through the heads, not into them."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def in_float32(output: HeadOutput) -> HeadOutput:
    """The output with logits in float32, whatever autocast has made of them."""
    classes = output.class_logits
    return output._replace(logits=output.logits.float(), class_logits=None if classes is None else classes.float())


def refuse_mixing(objective: Objective, heads: Any) -> None:
    """Refuse a penalty on each sample's own gradient where a head mixes the samples of a batch.

    Raises:
        ConfigError: names the term and the head.
    """
    for name, loss in objective.losses.items():
        head = objective.heads[name]
        if head is None or not getattr(loss, "needs_independent_samples", False):
            continue
        if any(isinstance(module, _BatchNorm) for module in heads[head].modules()):
            raise ConfigError(
                f"discriminator_losses.{name}: a gradient penalty takes each sample's own gradient, and batch norm in "
                f"heads.{head} mixes them: set heads.{head}.norm=None"
            )
