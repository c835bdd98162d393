"""The contract of every trained translator, whatever it translates: how a batch becomes pictures and losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

from mmengine.model import BaseModel
from torch import Tensor, nn

from sketchkit.translators.objective import Objective
from sketchkit.translators.padding import PaddedGenerator
from sketchkit.translators.protocol import InferenceProtocol, TestNorm


class Translator(BaseModel, ABC):
    """A model with generators and objectives; the engine trains, saves, watches and shows it by these names.

    A subclass gives `train_step(data, optim_wrapper) -> name -> value`, where `optim_wrapper[group]` is the wrapper of
    each of its `optimizer_groups`, and `val_step(data, draws=2) -> [shown]`. What `val_step` shows is a dict with
    `key`, the samples' names (and `target_key`, where targets have names of their own); source, target and fake
    (B,C,H,W) in [-1, 1]; draws, that many fakes, where `generation` varies; and, as far as they exist, label, hint,
    fake_alt (the second of the draws), fake_A, rec_A and rec_B.

    Args:
        data_preprocessor: a batch -> what the networks see.
        test_norm, test_dropout: how pictures are translated outside of training; see `InferenceProtocol`. A subclass
            with these options makes all that `val_step` shows by `generation(...).picture_of`.

    Attributes:
        is_translator: what it is listed by, among all that is registered in MODELS.
        directions: 'AtoB' (source to target), and 'BtoA' of one that goes both ways.
        offers: loss inputs beyond those of `sketchkit.translators.objective.INPUTS`, each with a line of what it is.
        captions: what a grid shows of `val_step`'s pictures, in order, and what it calls them.
        iteration: iterations done, set by the loop.
    """

    is_translator: ClassVar[bool] = True
    directions: ClassVar[tuple[str, ...]] = ("AtoB",)
    offers: ClassVar[Mapping[str, str]] = {}
    captions: ClassVar[Mapping[str, str]] = {"source": "source", "target": "target", "fake": "output"}

    def __init__(
        self, data_preprocessor: nn.Module, test_norm: TestNorm = "running", test_dropout: bool = False
    ) -> None:
        super().__init__(data_preprocessor)
        self.protocol = InferenceProtocol(test_norm, test_dropout)
        self.iteration = 0
        self._last: tuple[Mapping[str, Any], dict[str, Tensor]] | None = None

    @property
    def last_batch(self) -> dict[str, Tensor]:
        """The pictures of the last step, in [-1, 1], as people see them.

        source, target, fake; and of a translator that goes both ways fake_A, which is like a source.
        """
        if self._last is None:
            return {}
        batch, fakes = self._last
        picture, source = self.data_preprocessor.to_picture, batch["source"]
        shown = {kind: picture(batch[kind], kind, source) for kind in ("source", "target")}
        kinds = {"fake": "target", "fake_A": "source"}
        return {**shown, **{name: picture(fake, kinds[name], source) for name, fake in fakes.items()}}

    def forward(self, source: Tensor, direction: str = "AtoB", **conditions: Any) -> Tensor:
        """Translate pictures in the networks' range (B,Cs,H,W), with `label`, `hint` and `noise` where they apply."""
        generator = self.generation({"source": source, **conditions}, direction)
        noise = conditions.get("noise")
        noise = generator.draw_noise() if noise is None else noise
        return generator(noise) if self.training else generator.tested(noise)

    def generation(self, batch: Mapping[str, Any], direction: str = "AtoB") -> PaddedGenerator:
        """What translates a batch as outside of training: the network of a direction, by the protocol."""
        return PaddedGenerator(self.networks()[direction], batch, self.protocol)

    @abstractmethod
    def optimizer_groups(self) -> dict[str, nn.Module]:
        """What is trained, by the names that `optim_wrapper` has in a config; any number, each with its own optimizer.

        Raises:
            ConfigError: there is nothing to train it with.
        """

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """The generator of each of its `directions`, or its average where there is one."""

    @abstractmethod
    def objectives(self) -> dict[str, Objective]:
        """The objective of each side, 'generator' and perhaps 'discriminator'."""

    @classmethod
    def inference_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The model's config without what only training needs; what it then has no keys for is left in checkpoints."""
        return dict(config)

    @classmethod
    def example_inputs(cls) -> dict[str, Any]:
        """A small example of each of the loss inputs that it `offers`: contract tests call losses with them."""
        return {}

    def local_state(self) -> dict[str, Any]:
        """What this process alone remembers between iterations, as tensors and plain values."""
        return {}

    def load_local_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `local_state` returned."""

    def keep_batch(self, batch: Mapping[str, Any], **fakes: Tensor) -> None:
        """Keep a step's pictures, `fake` and perhaps `fake_A`, for whoever asks for `last_batch`."""
        self._last = batch, {name: fake.detach() for name, fake in fakes.items()}


class Stroke(NamedTuple):
    """One iteration of a painting.

    values: each term's, weighted, so that they add up; picture(): what there is to see by now (1, 3, H, W), in [-1, 1].
    """

    iteration: int
    iterations: int
    values: dict[str, float]
    picture: Callable[[], Tensor]


class Painter(nn.Module, ABC):
    """What `sketchkit stylize` calls: no data set and no training, a picture is optimized."""

    is_translator: ClassVar[bool] = True

    @abstractmethod
    def paint(
        self, content: Tensor, styles: Sequence[Tensor], style_weights: Sequence[float] | None = None, seed: int = 0
    ) -> Iterator[Stroke]:
        """Paint content (1, 3, H, W) in [-1, 1] in the style of `styles`, of any sizes, an iteration at a time."""


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
