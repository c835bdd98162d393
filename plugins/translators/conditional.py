"""The conditional translator: paired source and target, one backbone, any number of heads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from sketchkit.errors import ConfigError
from sketchkit.registry import BACKBONES, HEADS, MODELS, HeadOutput
from sketchkit.translators.base import Translator, frozen, in_float32, refuse_mixing
from sketchkit.translators.objective import Objective, StepInputs
from sketchkit.translators.padding import Generation

GIVEN = ("source", "target", "label", "hint", "noise", "fake")


@MODELS.register_module()
class ConditionalTranslator(Translator):
    """Trains a backbone against heads on paired pictures; every loss is named by the config.

    An iteration is a step of the discriminators and, every `discriminator_steps`-th time, one of the generator, both on
    one generator pass. `accumulate` splits the batch into that many parts whose gradients add up to the whole batch's;
    the generator's pass is then made again for its own step, which is the price of the memory saved.

    Args:
        backbone, heads: configs; `heads` is name -> config.
        generator_losses, discriminator_losses: name -> loss config; see `Objective`.
        data_preprocessor: config; default `TranslationPreprocessor`.
        ema: config of an averaged model of mmengine for the generator, or None; evaluation uses the average.
        discriminator_steps: discriminator steps for each step of the generator.
        accumulate: parts that a batch is split into.

    Raises:
        ConfigError: a gradient penalty meets batch norm in a head, or a term asks for what does not exist.
    """

    captions = {"source": "source", "hint": "hint", "target": "target", "fake": "output", "fake_alt": "second noise"}

    def __init__(
        self,
        backbone: Mapping[str, Any],
        heads: Mapping[str, Mapping[str, Any]] | None = None,
        generator_losses: Mapping[str, Mapping[str, Any] | None] | None = None,
        discriminator_losses: Mapping[str, Mapping[str, Any] | None] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        ema: Mapping[str, Any] | None = None,
        discriminator_steps: int = 1,
        accumulate: int = 1,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor or dict(type="TranslationPreprocessor")))
        self.backbone = BACKBONES.build(backbone)
        self.heads = nn.ModuleDict({name: HEADS.build(cfg) for name, cfg in (heads or {}).items()})
        names = list(self.heads)
        judged = ("fake_output", "head") if names else ()
        second = ("fake_alt", "noise_alt") if hasattr(self.backbone, "decode") else ()
        on_request = (*second, *(("real_output",) if names else ()))
        self.generator_objective = Objective(generator_losses or {}, "generator", (*GIVEN, *judged), on_request, names)
        if not len(self.generator_objective):
            raise ConfigError("generator_losses names no term: there is nothing to train the generator with")
        real = ("real_output", *judged) if names else ()
        self.discriminator_objective = Objective(
            discriminator_losses or {}, "discriminator", (*GIVEN, *real), (), names
        )
        refuse_mixing(self.discriminator_objective, self.heads)
        self._hint_channels: int | None = getattr(self.backbone, "hint_channels", None)
        takes = self._hint_channels != 0 and "hint" in inspect.signature(self.backbone.forward).parameters
        needs = [*self.generator_objective.needs.values(), *self.discriminator_objective.needs.values()]
        self._looks_at_hints = takes or any("hint" in named for named in needs)
        self.ema = MODELS.build({**ema, "model": self.backbone}) if ema else None
        self.discriminator_steps = discriminator_steps
        self.accumulate = accumulate

    @property
    def generator(self) -> nn.Module:
        """The network that evaluation and inference use: the average where there is one."""
        return self.backbone if self.ema is None else self.ema.module

    def sides(self) -> dict[str, nn.Module]:
        """The backbone and the heads."""
        return {"generator": self.backbone, "discriminator": self.heads}

    def networks(self) -> dict[str, nn.Module]:
        """The one generator."""
        return {"there": self.generator}

    def forward(self, source: Tensor, **conditions: Any) -> Tensor:
        """Translate pictures in the networks' range (B,Cs,H,W), with `label`, `hint` and `noise` where they apply."""
        generation = Generation(self.generator, {"source": source, **conditions})
        noise = conditions.get("noise")
        return generation(generation.draw_noise() if noise is None else noise)

    def train_step(self, data: Mapping[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One iteration on a batch; returns each term's value under `D/` and `G/`."""
        seen = self.data_preprocessor(data, training=True)
        self._check_hint("hint" in seen)
        batches = _split(seen, self.accumulate)
        self.iteration += 1
        judge = len(self.discriminator_objective) > 0
        update = self.iteration % self.discriminator_steps == 0
        share = update and len(batches) == 1
        logs: dict[str, Tensor] = {}
        passes = []
        for batch, part in batches:
            with torch.set_grad_enabled(share), optim_wrapper["generator"].optim_context(self):
                passes.append((batch, part, *self._generate(batch)))
        self.keep(batch, fake=passes[-1][-1])
        if judge:
            wrapper = optim_wrapper["discriminator"]
            self._accumulate(passes, self._judge_pass, wrapper, logs)
            wrapper.step()
            wrapper.zero_grad()
        if update:
            with frozen(self.heads):
                self._accumulate(passes, self._generator_pass, optim_wrapper["generator"], logs)
            optim_wrapper["generator"].step()
            optim_wrapper["generator"].zero_grad()
            if self.ema is not None:
                self.ema.update_parameters(self.backbone)
        return logs

    def val_step(self, data: Mapping[str, Any], draws: int = 2) -> list[dict[str, Any]]:
        """Pictures of every sample, from noises fixed by the sample's name, with what they are judged against.

        Args:
            draws: noises a sample, where the generator takes any.

        Returns one dict: key, label; source, target, fake, fake_alt (B,C,H,W) in [-1, 1]; draws, the pictures of all
        noises, of which fake is the first and fake_alt the second, None without.
        """
        batch = self.data_preprocessor(data, training=False)
        with torch.no_grad():
            generation = Generation(self.generator, batch)
            numbers = range(draws if generation.takes_noise else 1)
            images = [generation(generation.noise_of(batch["key"], number)) for number in numbers]
        picture, source = self.data_preprocessor.to_picture, batch["source"]
        fakes = [picture(image, "target", source) for image in images]
        shown = {key: picture(batch[key], key, source) for key in ("source", "target")}
        if "hint" in batch:
            shown["hint"] = batch["hint"][:, :3]
        second = fakes[1] if len(fakes) > 1 else None
        about = {"key": batch["key"], "label": batch.get("label"), "draws": fakes}
        return [dict(**about, fake=fakes[0], fake_alt=second, **shown)]

    test_step = val_step

    def _check_hint(self, has_hint: bool) -> None:
        """Refuse hints that nothing would look at, and a network that would see none.

        Raises:
            ConfigError: says which of the two it is.
        """
        if not has_hint and self._hint_channels:
            raise ConfigError(
                f"backbone.hint_channels={self._hint_channels} and the data have no hints: end the pipeline of "
                "train_dataloader with dict(type='ColorHints'), or set hint_channels=0"
            )
        if has_hint and not self._looks_at_hints:
            raise ConfigError(
                "the data have hints and the backbone takes none: set backbone.hint_channels=4 where it has that "
                "option, or take ColorHints out of the pipeline"
            )

    def _generate(self, batch: Mapping[str, Any]) -> tuple[Generation, Tensor | None, Tensor]:
        generation = Generation(self.backbone, batch)
        noise = generation.draw_noise()
        return generation, noise, generation(noise)

    def _accumulate(self, passes: list, side_pass: Callable, wrapper: OptimWrapper, logs: dict[str, Tensor]) -> None:
        for batch, part, generation, noise, fake in passes:
            with wrapper.optim_context(self):
                total, values = side_pass(batch, generation, noise, fake)
            if isinstance(total, Tensor) and total.requires_grad:
                wrapper.backward(total * part)
            for name, value in values.items():
                logs[name] = logs.get(name, 0) + value.float() * part

    def _judge_pass(
        self, batch: Mapping[str, Any], generation: Generation, noise: Tensor | None, fake: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        inputs = StepInputs({**self._at_hand(batch, noise, fake.detach()), **self._real(batch)}, {})
        total, values = self.discriminator_objective(inputs)
        logs = {f"D/{name}": value for name, value in values.items()}
        return total, {**logs, "D/total": total.detach(), **self._accuracy(inputs, batch)}

    def _generator_pass(
        self, batch: Mapping[str, Any], generation: Generation, noise: Tensor | None, fake: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if not fake.requires_grad:
            generation = Generation(self.backbone, batch)
            fake = generation(noise)
        second = generation.draw_noise() if self._wants("noise_alt") or self._wants("fake_alt") else None
        on_request = {"noise_alt": lambda _: second, "fake_alt": lambda _: generation(second)}
        with_real = {name: torch.no_grad()(source) for name, source in self._real(batch).items()}
        inputs = StepInputs(self._at_hand(batch, noise, fake), {**on_request, **with_real})
        total, values = self.generator_objective(inputs)
        return total, {**{f"G/{name}": value for name, value in values.items()}, "G/total": total.detach()}

    def _wants(self, name: str) -> bool:
        return any(name in needs for needs in self.generator_objective.needs.values())

    def _at_hand(self, batch: Mapping[str, Any], noise: Tensor | None, fake: Tensor) -> dict[str, Callable]:
        values = {name: batch.get(name) for name in ("source", "target", "label", "hint")}
        values.update(noise=noise, fake=fake)
        given: dict[str, Callable] = {name: lambda _, value=value: value for name, value in values.items()}
        given["head"] = lambda head: self._conditioned(head, batch)
        given["fake_output"] = lambda head: self._conditioned(head, batch)(fake)
        return given

    def _real(self, batch: Mapping[str, Any]) -> dict[str, Callable]:
        return {"real_output": lambda head: self._conditioned(head, batch)(batch["target"])}

    def _conditioned(self, head: str, batch: Mapping[str, Any]) -> Callable[[Tensor], HeadOutput]:
        def judge(image: Tensor) -> HeadOutput:
            return in_float32(self.heads[head](image, source=batch["source"], label=batch.get("label")))

        return judge

    def _accuracy(self, inputs: StepInputs, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """How often the first head scores the true picture above the fake one, and names its class."""
        first = next(iter(self.heads))
        if not (inputs.has("real_output", first) and inputs.has("fake_output", first)):
            return {}
        real, fake = inputs("real_output", first), inputs("fake_output", first)
        with torch.no_grad():
            scores = [output.logits.flatten(1).mean(1) for output in (real, fake)]
            logs = {"D/accuracy": (scores[0] > scores[1]).float().mean()}
            if real.class_logits is not None and batch.get("label") is not None:
                logs["D/class_accuracy"] = (real.class_logits.argmax(1) == batch["label"]).float().mean()
        return logs


def _split(batch: Mapping[str, Any], parts: int) -> list[tuple[dict[str, Any], float]]:
    """The batch in parts, each with its share of the samples."""
    count = len(batch["source"])
    if parts == 1:
        return [(dict(batch), 1.0)]
    if parts > count:
        raise ConfigError(f"accumulate={parts} splits a batch of {count}: use at most {count}")
    bounds = [count * i // parts for i in range(parts + 1)]
    return [({key: value[a:b] for key, value in batch.items()}, (b - a) / count) for a, b in pairwise(bounds)]
