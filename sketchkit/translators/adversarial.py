"""What translators share that play a generator against discriminators."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sketchkit.errors import ConfigError
from sketchkit.options import whole_number
from sketchkit.registry import MODELS, HeadOutput
from sketchkit.translators.base import Translator
from sketchkit.translators.objective import Objective
from sketchkit.translators.protocol import TestNorm

Config = Mapping[str, Any]
Terms = Mapping[str, Config | None]


class AdversarialTranslator(Translator):
    """A translator with heads, an objective for each side, gradient accumulation, and perhaps an average.

    Args:
        data_preprocessor: config; default `TranslationPreprocessor`.
        accumulate: parts that a batch is split into; their gradients add up to the whole batch's.
        test_norm, test_dropout: see `Translator`.
    """

    generator_objective: Objective
    discriminator_objective: Objective
    ema: Any

    def __init__(
        self,
        data_preprocessor: Config | None = None,
        accumulate: int = 1,
        test_norm: TestNorm = "running",
        test_dropout: bool = False,
    ) -> None:
        preprocessor = MODELS.build(data_preprocessor or dict(type="TranslationPreprocessor"))
        super().__init__(preprocessor, test_norm, test_dropout)
        whole_number("accumulate", accumulate, 1)
        self.accumulate = accumulate
        self.ema = None

    def build_objectives(
        self, given: Collection[str], on_request: Collection[str], heads: Collection[str], generator: Terms | None,
        discriminator: Terms | None,
    ) -> None:  # fmt: skip
        """Build the objectives of both sides.

        Args:
            given: loss inputs that both sides have at hand, besides what the heads say.
            on_request: loss inputs that the generator's side computes when a term asks for them.
            heads: their names.
            generator, discriminator: name -> loss config; see `Objective`.
        """
        judged, real = (("fake_output", "head", "fake_head"), ("real_output",)) if heads else ((), ())
        on_request = (*on_request, *real)
        self.generator_objective = Objective(generator or {}, "generator", (*given, *judged), on_request, heads)
        self.discriminator_objective = Objective(
            discriminator or {}, "discriminator", (*given, *real, *judged), (), heads
        )

    def objectives(self) -> dict[str, Objective]:
        """Both sides'."""
        return {"generator": self.generator_objective, "discriminator": self.discriminator_objective}

    @classmethod
    def inference_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Without heads and terms."""
        return {**config, "heads": {}, "generator_losses": {}, "discriminator_losses": {}}

    def two_groups(self, generator: nn.Module, discriminator: nn.Module) -> dict[str, nn.Module]:
        """The two sides as optimizer groups.

        Raises:
            ConfigError: no term trains the generator.
        """
        if not len(self.generator_objective):
            raise ConfigError("generator_losses names no term: there is nothing to train the generator with")
        return {"generator": generator, "discriminator": discriminator}

    def average(self, ema: Config | None, network: nn.Module) -> nn.Module | None:
        """The averaged model that a config asks for."""
        return MODELS.build({**ema, "model": network}) if ema else None

    def split(self, batch: Mapping[str, Any]) -> list[tuple[dict[str, Any], float]]:
        """The batch in `accumulate` parts, each with its share of the samples.

        Raises:
            ConfigError: there are fewer samples than parts.
        """
        count, parts = len(batch["source"]), self.accumulate
        if parts == 1:
            return [(dict(batch), 1.0)]
        if parts > count:
            raise ConfigError(f"accumulate={parts} splits a batch of {count}: use at most {count}")
        bounds = [count * i // parts for i in range(parts + 1)]
        return [(_cut(batch, a, b), (b - a) / count) for a, b in pairwise(bounds)]


def _cut(batch: Mapping[str, Any], start: int, end: int) -> dict[str, Any]:
    """The samples from `start` to `end`, those of a batch within the batch too."""
    return {
        key: _cut(value, start, end) if isinstance(value, Mapping) else value[start:end] for key, value in batch.items()
    }


def backward(total: Tensor | float, share: float, wrapper: OptimWrapper) -> None:
    """Add the gradients of an objective's value, times a part's share of the batch; of none where none is asked."""
    if isinstance(total, Tensor) and total.requires_grad:
        wrapper.backward(total * share)


def log_terms(logs: dict[str, Tensor], values: Mapping[str, Tensor], share: float, side: str, end: str = "") -> None:
    """Add a part's values, times its share of the batch, to what is logged of the whole as `side`/name`end`."""
    for name, value in values.items():
        whole = f"{side}/{name}{end}"
        logs[whole] = logs.get(whole, 0) + value.float() * share


def update(wrapper: OptimWrapper, *others: OptimWrapper) -> None:
    """One step of an optimizer by the gradients added up, which are then dropped.

    `others` step by the gradients of the same objective, which `wrapper` has scaled where there is a loss scale.
    """
    for other in others:
        other.step(scaler=wrapper.scaler)
    wrapper.step()
    for one in (wrapper, *others):
        one.zero_grad()


def in_float32(output: HeadOutput) -> HeadOutput:
    """The output with logits in float32, whatever autocast has made of them."""
    classes = output.class_logits
    logits = tuple(scale.float() for scale in output.scales)
    return output._replace(
        logits=logits if isinstance(output.logits, tuple) else logits[0],
        class_logits=None if classes is None else classes.float(),
    )


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
