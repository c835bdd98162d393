"""The conditional translator: paired source and target, one backbone, any number of heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from sketchkit.declared import Count, Recipe
from sketchkit.errors import ConfigError
from sketchkit.options import whole_number
from sketchkit.registry import BACKBONES, MODELS, HeadOutput
from sketchkit.translators.adversarial import (
    AdversarialTranslator,
    Terms,
    backward,
    in_float32,
    log_terms,
    refuse_mixing,
    update,
)  # fmt: skip
from sketchkit.translators.base import frozen
from sketchkit.translators.heads import build_head, conditions, network_of, observe, real_outputs
from sketchkit.translators.objective import StepInputs
from sketchkit.translators.padding import PaddedGenerator, hint_channels, takes
from sketchkit.translators.protocol import TestNorm

GIVEN = ("source", "target", "label", "real_label", "hint", "noise", "fake")
Inputs = dict[str, Callable]


class Pass(NamedTuple):
    """A part of a batch on its way through the generator: its share of the samples, and the fakes of a noise."""

    batch: Mapping[str, Any]
    share: float
    generator: PaddedGenerator
    noise: Tensor | None
    fake: Tensor


@MODELS.register_module()
class ConditionalTranslator(AdversarialTranslator):
    """Trains a backbone against heads on paired pictures; every loss is named by the config.

    Where a batch has `real`, a batch more, the discriminators' true pictures are its targets and the generator's not.

    An iteration is a step of the discriminators and, every `discriminator_steps`-th time, one of the generator, both on
    one generator pass. `accumulate` splits the batch into that many parts whose gradients add up to the whole batch's;
    the generator's pass is then made again for its own step, which is the price of the memory saved.

    A subclass changes `generate` or `judge`, or adds inputs of its own, which it `offers` and `further_inputs` gives;
    and names in `generator_groups` all optimizer groups that the generator's objective trains.

    Args:
        backbone, heads: configs; `heads` is name -> config, perhaps with `augment`, the config of an augmentation.
        generator_losses, discriminator_losses: name -> loss config; see `Objective`.
        data_preprocessor: config; default `TranslationPreprocessor`.
        ema: config of an averaged model of mmengine for the generator, or None; evaluation uses the average.
        discriminator_steps: discriminator steps for each step of the generator.
        accumulate: parts that a batch is split into.
        test_norm: whose statistics norms take outside of training: 'running' ones, or 'batch', each picture's own.
        test_dropout: whether dropout drops outside of training too, by masks fixed by the sample's name.

    Raises:
        ConfigError: a gradient penalty meets batch norm in a head, or a term asks for what does not exist.
    """

    captions = {"source": "source", "hint": "hint", "target": "target", "fake": "output", "fake_alt": "second noise"}
    generator_groups: ClassVar[tuple[str, ...]] = ("generator",)

    def __init__(
        self,
        backbone: Recipe,
        heads: Mapping[str, Recipe] | None = None,
        generator_losses: Terms | None = None,
        discriminator_losses: Terms | None = None,
        data_preprocessor: Recipe | None = None,
        ema: Recipe | None = None,
        discriminator_steps: Count = 1,
        accumulate: Count = 1,
        test_norm: TestNorm = "running",
        test_dropout: bool = False,
    ) -> None:
        super().__init__(data_preprocessor, accumulate, test_norm, test_dropout)
        self.backbone = BACKBONES.build(backbone)
        self.heads = nn.ModuleDict({name: build_head(cfg) for name, cfg in (heads or {}).items()})
        second = ("fake_alt", "noise_alt") if takes(self.backbone, "noise") else ()
        self.build_objectives(GIVEN, (*second, *self.offers), list(self.heads), generator_losses, discriminator_losses)
        refuse_mixing(self.discriminator_objective, self.heads)
        self._hint_channels = hint_channels(self.backbone)
        needs = [*self.generator_objective.needs.values(), *self.discriminator_objective.needs.values()]
        self._judges_hints = [name for name, head in self.heads.items() if hint_channels(network_of(head))]
        self._looks_at_hints = bool(self._hint_channels or self._judges_hints) or any("hint" in one for one in needs)
        self.ema = self.average(ema, self.backbone)
        whole_number("discriminator_steps", discriminator_steps, 1)
        self.discriminator_steps = discriminator_steps

    @property
    def generator(self) -> nn.Module:
        """The network that evaluation and inference use: the average where there is one."""
        return self.backbone if self.ema is None else self.ema.module

    def optimizer_groups(self) -> dict[str, nn.Module]:
        """The backbone, and the heads."""
        return self.two_groups(self.backbone, self.heads)

    def networks(self) -> dict[str, nn.Module]:
        """The one generator."""
        return {"AtoB": self.generator}

    def train_step(self, data: Mapping[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One iteration on a batch; returns each term's value under `D/` and `G/`."""
        batch = self.data_preprocessor(data, training=True)
        if "real" in batch:  # on the device with all the rest
            batch["real"] = self.data_preprocessor(batch["real"], training=True)
        self._check_hint("hint" in batch)
        self.iteration += 1
        is_generators_turn = self.iteration % self.discriminator_steps == 0
        parts = self.split(batch)
        # Of several parts only one graph is to be in memory at a time: each is then made again for its own step.
        keeps_graph = is_generators_turn and len(parts) == 1
        with torch.set_grad_enabled(keeps_graph), optim_wrapper["generator"].optim_context(self):
            passes = [self.generate(part, share) for part, share in parts]
        if not keeps_graph:
            for one in passes:
                one.generator.forget()
        self.keep_batch(passes[-1].batch, fake=passes[-1].fake)
        logs: dict[str, Tensor] = {}
        if len(self.discriminator_objective):
            said = [self._judge(one, optim_wrapper["discriminator"], logs) for one in passes]
            update(optim_wrapper["discriminator"])
            log_terms(logs, observe(self.heads, said), 1.0, "D")
        if is_generators_turn:
            with frozen(self.heads):
                for one in passes:
                    self._train_generator(one, optim_wrapper["generator"], logs)
            update(*(optim_wrapper[group] for group in self.generator_groups))
            if self.ema is not None:
                self.ema.update_parameters(self.backbone)
        return logs

    def val_step(self, data: Mapping[str, Any], draws: int = 2) -> list[dict[str, Any]]:
        """Pictures of every sample, from noises fixed by the sample's name, with what they are judged against.

        Args:
            draws: noises a sample, where the generator takes any, or drops as `test_dropout` says.

        Returns one dict: key, label; source, target, fake, fake_alt (B,C,H,W) in [-1, 1]; draws, the pictures of all
        noises, of which fake is the first and fake_alt the second, None without.
        """
        batch = self.data_preprocessor(data, training=False)
        with torch.no_grad():
            generator = self.generation(batch)
            numbers = range(draws if generator.varies else 1)
            images = [generator.picture_of(batch["key"], number) for number in numbers]
        picture, source = self.data_preprocessor.to_picture, batch["source"]
        fakes = [picture(image, "target", source) for image in images]
        shown = {key: picture(batch[key], key, source) for key in ("source", "target")}
        if "hint" in batch:
            shown["hint"] = batch["hint"][:, :3]
        second = fakes[1] if len(fakes) > 1 else None
        about = {name: batch[name] for name in ("key", "target_key", "label") if name in batch}
        return [dict(**about, draws=fakes, fake=fakes[0], fake_alt=second, **shown)]

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
        if not has_hint and self._judges_hints:
            raise ConfigError(
                f"heads.{self._judges_hints[0]}.hint_channels is not 0 and the data have no hints: end the pipeline of "
                "train_dataloader with dict(type='ColorHints'), or set hint_channels=0"
            )
        if has_hint and not self._looks_at_hints:
            raise ConfigError(
                "the data have hints and the backbone takes none: set backbone.hint_channels=4 where it has that "
                "option, or take ColorHints out of the pipeline"
            )

    def generate(self, batch: Mapping[str, Any], share: float, noise: Tensor | None = None) -> Pass:
        """The fakes of a part of a batch, from a noise drawn where none is given."""
        generator = PaddedGenerator(self.backbone, batch)
        noise = generator.draw_noise() if noise is None else noise
        return Pass(batch, share, generator, noise, generator(noise))

    def further_inputs(self, one: Pass) -> Inputs:
        """What a subclass `offers`: name -> what computes it, given the name of a head, when a term asks for it."""
        return {}

    def _judge(self, one: Pass, wrapper: OptimWrapper, logs: dict[str, Tensor]) -> dict[str, HeadOutput]:
        """The gradients of the discriminators' objective; returns their `real_outputs`."""
        with wrapper.optim_context(self):
            # Data may have true pictures for the discriminators alone, with labels and sources of their own.
            real = one.batch.get("real", one.batch)
            inputs = StepInputs({**self._at_hand(one.batch, one.noise, one.fake.detach()), **self._seen(real)}, {})
            total, values = self.discriminator_objective(inputs, step=self.iteration - 1)
            accuracy = self._accuracy(inputs, real)
            said = real_outputs(self.heads, inputs)
        backward(total, one.share, wrapper)
        log_terms(logs, {**values, "total": total.detach(), **accuracy}, one.share, "D")
        return said

    def _train_generator(self, one: Pass, wrapper: OptimWrapper, logs: dict[str, Tensor]) -> None:
        """The gradients of the generator's objective."""
        with wrapper.optim_context(self):
            if not one.fake.requires_grad:
                one = self.generate(one.batch, one.share, one.noise)
            second = one.generator.draw_noise() if self._wants("noise_alt") or self._wants("fake_alt") else None
            again = {"noise_alt": lambda _: second, "fake_alt": lambda _: one.generator(second)}
            real = {name: torch.no_grad()(source) for name, source in self._real(one.batch).items()}
            on_request = {**again, **real, **self.further_inputs(one)}
            inputs = StepInputs(self._at_hand(one.batch, one.noise, one.fake), on_request)
            step = (self.iteration - 1) // self.discriminator_steps
            total, values = self.generator_objective(inputs, step=step)
        backward(total, one.share, wrapper)
        log_terms(logs, {**values, "total": total.detach()}, one.share, "G")

    def _wants(self, name: str) -> bool:
        return any(name in needs for needs in self.generator_objective.needs.values())

    def _at_hand(self, batch: Mapping[str, Any], noise: Tensor | None, fake: Tensor) -> Inputs:
        values = {name: batch.get(name) for name in ("source", "target", "label", "hint")}
        values.update(noise=noise, fake=fake)
        values["real_label"] = values["label"]
        given: Inputs = {name: lambda _, value=value: value for name, value in values.items()}
        given["head"] = given["fake_head"] = lambda head: self.judge(head, batch)
        given["fake_output"] = lambda head: self.judge(head, batch)(fake)
        return given

    def _real(self, batch: Mapping[str, Any]) -> Inputs:
        return {"real_output": lambda head: self.judge(head, batch)(batch["target"])}

    def _seen(self, real: Mapping[str, Any]) -> Inputs:
        """What the discriminators' side has of the true pictures."""
        values = {"target": real["target"], "real_label": real.get("label")}
        given: Inputs = {name: lambda _, value=value: value for name, value in values.items()}
        return {**given, "head": lambda head: self.judge(head, real), **self._real(real)}

    def judge(self, head: str, batch: Mapping[str, Any]) -> Callable[[Tensor], HeadOutput]:
        """A head as a function of the picture, conditioned on source and label, and on the hint where it takes one."""
        network: Any = self.heads[head]

        def judged(image: Tensor) -> HeadOutput:
            return in_float32(network(image, **conditions(network, batch)))

        return judged

    def _accuracy(self, inputs: StepInputs, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """How often the first head scores the true picture above the fake one, and names its class."""
        first = next(iter(self.heads), None)
        if not (first and inputs.has("real_output", first) and inputs.has("fake_output", first)):
            return {}
        real, fake = inputs("real_output", first), inputs("fake_output", first)
        with torch.no_grad():
            scores = [torch.stack([scale.flatten(1).mean(1) for scale in one.scales]).mean(0) for one in (real, fake)]
            logs = {"accuracy": (scores[0] > scores[1]).float().mean()}
            if real.class_logits is not None and batch.get("label") is not None:
                logs["class_accuracy"] = (real.class_logits.argmax(1) == batch["label"]).float().mean()
        return logs
