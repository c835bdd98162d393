"""The cycle translator: two generators between unpaired kinds of pictures (CycleGAN, Zhu et al., ICCV 2017)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from sketchkit.declared import Count, Recipe, Whole
from sketchkit.errors import ConfigError
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
from sketchkit.translators.heads import build_head, network_of, observe, real_outputs
from sketchkit.translators.objective import Objective, StepInputs
from sketchkit.translators.padding import PaddedGenerator, hint_channels
from sketchkit.translators.protocol import TestNorm

from .image_pool import ImagePool

GIVEN = ("source", "target", "noise", "fake")
AtoB, BtoA = "AtoB", "BtoA"
OTHER = {AtoB: BtoA, BtoA: AtoB}


@MODELS.register_module()
class CycleTranslator(AdversarialTranslator):
    """Trains source -> target (AtoB) and target -> source (BtoA) at once on unpaired pictures.

    Every term is played both ways: in AtoB, `rec` is the fake translated back, and `identity` what the generator makes
    of a target; BtoA is the same with source and target exchanged. An iteration is a step of both generators, then one
    of both discriminators, which see their fakes through an image pool.

    Args:
        backbone: config of both generators; that of BtoA has its in_channels and out_channels swapped.
        heads: name -> config, perhaps with `augment`, the config of an augmentation; each direction has heads of its
            own. They judge a picture alone (source_channels=0).
        generator_losses, discriminator_losses: name -> loss config; see `Objective`.
        data_preprocessor: config; default `TranslationPreprocessor`.
        ema: config of an averaged model of mmengine for both generators, or None; evaluation uses the average.
        pool_size: pictures in each direction's pool.
        reverse: what differs in BtoA: `backbone` and `heads` are merged over those given, `weights` maps terms to
            weights of their own (the paper's lambda_B).
        accumulate: parts that a batch is split into; the pools see one part after the other.
        test_norm: whose statistics norms take outside of training: 'running' ones, or 'batch', each picture's own.
        test_dropout: whether dropout drops outside of training too, by masks fixed by the sample's name.

    Raises:
        ConfigError: identity is asked for and the two kinds differ in channels, a term asks for what does not exist, a
            gradient penalty meets batch norm in a head, or the preprocessor makes the source of the target.
    """

    directions = (AtoB, BtoA)
    captions = {
        "source": "source", "fake": "output", "rec_A": "and back", "target": "target", "fake_A": "output back",
        "rec_B": "and forth",
    }  # fmt: skip

    def __init__(
        self,
        backbone: Recipe,
        heads: Mapping[str, Recipe] | None = None,
        generator_losses: Terms | None = None,
        discriminator_losses: Terms | None = None,
        data_preprocessor: Recipe | None = None,
        ema: Recipe | None = None,
        pool_size: Whole = 50,
        reverse: Mapping[str, Any] | None = None,
        accumulate: Count = 1,
        test_norm: TestNorm = "running",
        test_dropout: bool = False,
    ) -> None:
        super().__init__(data_preprocessor, accumulate, test_norm, test_dropout)
        if getattr(self.data_preprocessor, "makes_source", False):
            raise ConfigError(
                f"translator.data_preprocessor: {type(self.data_preprocessor).__name__} makes the source of the target "
                "and a cycle has two kinds of pictures: use TranslationPreprocessor, or a ConditionalTranslator"
            )
        reverse, heads = reverse or {}, heads or {}
        turned = {**_turned(backbone), **reverse.get("backbone", {})}
        self.backbones = nn.ModuleDict({AtoB: BACKBONES.build(backbone), BtoA: BACKBONES.build(turned)})
        changed = {name: {**cfg, **reverse.get("heads", {}).get(name, {})} for name, cfg in heads.items()}
        self.heads = nn.ModuleDict(
            {
                direction: nn.ModuleDict({name: build_head(cfg) for name, cfg in configs.items()})
                for direction, configs in ((AtoB, heads), (BtoA, changed))
            }
        )
        self.build_objectives(GIVEN, ("rec", "identity"), list(heads), generator_losses, discriminator_losses)
        # A term may remember what it saw of its heads, and each direction has heads of its own.
        self.reverse_discriminator_objective = copy.deepcopy(self.discriminator_objective)
        self._refuse_identity()
        self._refuse_hints()
        for judges in self.heads.values():
            refuse_mixing(self.discriminator_objective, judges)
        self.weights = {AtoB: {}, BtoA: _known(reverse.get("weights", {}), self.generator_objective)}
        self.pools = {direction: ImagePool(pool_size) for direction in self.directions}
        self.ema = self.average(ema, self.backbones)

    def optimizer_groups(self) -> dict[str, nn.Module]:
        """Both generators, and the heads of both directions."""
        return self.two_groups(self.backbones, self.heads)

    def networks(self) -> dict[str, nn.Module]:
        """The generator of each direction, or its average."""
        return dict((self.backbones if self.ema is None else self.ema.module).items())

    @classmethod
    def inference_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Without heads and terms, also of BtoA."""
        reverse = {"backbone": (config.get("reverse") or {}).get("backbone", {})}
        return {**super().inference_config(config), "reverse": reverse}

    def local_state(self) -> dict[str, Any]:
        """The image pools."""
        return {"pools": {direction: pool.state() for direction, pool in self.pools.items()}}

    def load_local_state(self, state: Mapping[str, Any]) -> None:
        """Fill the image pools again."""
        device = next(self.parameters()).device
        for direction, pool in self.pools.items():
            pool.load(state["pools"][direction], device)

    def train_step(self, data: Mapping[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One iteration on a batch; returns each term's value under `G/` and `D/`, those of BtoA end in `_BtoA`.

        Raises:
            ConfigError: the data have true pictures for the discriminators alone.
        """
        if "real" in data:
            raise ConfigError(
                "the data have true pictures for the discriminators alone ('real'), which CycleTranslator does not "
                "look at: set discriminator_share=None in train_dataloader.dataset, or train a ConditionalTranslator"
            )
        batch = self.data_preprocessor(data, training=True)
        self.iteration += 1
        logs: dict[str, Tensor] = {}
        # One direction's graph at a time: their gradients add up, and half the memory is enough.
        parts = self.split(batch)
        turns = [(_seen_from(part, way), share, way) for part, share in parts for way in self.directions]
        with frozen(self.heads):
            fakes = [self._generate(*turn, optim_wrapper["generator"], logs) for turn in turns]
        update(optim_wrapper["generator"])
        if self.ema is not None:
            self.ema.update_parameters(self.backbones)
        self.keep_batch(parts[-1][0], fake=fakes[-2], fake_A=fakes[-1])
        if len(self.discriminator_objective):
            said: dict[str, list] = {way: [] for way in self.directions}
            for turn, fake in zip(turns, fakes, strict=True):
                way = turn[-1]
                said[way].append(self._judge(*turn, self.pools[way](fake), optim_wrapper["discriminator"], logs))
            update(optim_wrapper["discriminator"])
            judges: Any = self.heads
            for way in self.directions:
                log_terms(logs, observe(judges[way], said[way]), 1.0, "D", _end(way))
        return logs

    def val_step(self, data: Mapping[str, Any], draws: int = 2) -> list[dict[str, Any]]:
        """Every picture there and back, both ways, from noises fixed by the sample's name where there are any.

        Args:
            draws: noises a sample from source to target, where the generator takes any, or drops as `test_dropout`
                says.

        Returns one dict: key and target_key, the samples' names; source, fake, rec_A; target, fake_A, rec_B; all
        (B,C,H,W) in [-1, 1]; draws, the fakes of all noises; fake_alt, the second of them, None without.
        """
        batch = self.data_preprocessor(data, training=False)
        keys, picture = batch["key"], self.data_preprocessor.to_picture
        with torch.no_grad():
            generator = self.generation({"source": batch["source"]})
            fakes = [generator.picture_of(keys, number) for number in range(draws if generator.varies else 1)]
            shown = {"source": batch["source"], "target": batch["target"]}
            shown["fake_A"] = self._translated(batch["target"], BtoA, keys)
            shown["rec_A"] = self._translated(fakes[0], BtoA, keys)
            shown["rec_B"] = self._translated(shown["fake_A"], AtoB, keys)
        kinds = {"source": "source", "fake_A": "source", "rec_A": "source"}
        pictures = {name: picture(image, kinds.get(name, "target")) for name, image in shown.items()}
        drawn = [picture(fake, "target") for fake in fakes]
        names = {name: batch[name] for name in ("key", "target_key", "label") if name in batch}
        second = drawn[1] if len(drawn) > 1 else None
        return [{**names, **pictures, "fake": drawn[0], "fake_alt": second, "draws": drawn}]

    test_step = val_step

    def _translated(self, source: Tensor, direction: str, keys: Any) -> Tensor:
        return self.generation({"source": source}, direction).picture_of(keys)

    def _generate(
        self, batch: Mapping[str, Tensor], share: float, direction: str, wrapper: OptimWrapper, logs: dict[str, Tensor]
    ) -> Tensor:
        """The gradients of the generators' objective in a direction; returns the fakes."""
        with wrapper.optim_context(self):
            generator = PaddedGenerator(self.backbones[direction], batch)
            noise = generator.draw_noise()
            fake = generator(noise)
            on_request = {
                "rec": lambda _: self._passed(fake, OTHER[direction]),
                "identity": lambda _: self._passed(batch["target"], direction),
                "real_output": torch.no_grad()(lambda head: self._head(direction, head)(batch["target"])),
            }
            inputs = StepInputs(self._at_hand(batch, direction, fake, noise), on_request)
            total, values = self.generator_objective(inputs, self.weights[direction], self.iteration - 1)
        backward(total, share, wrapper)
        log_terms(logs, {**values, "total": total.detach()}, share, "G", _end(direction))
        return fake.detach()

    def _judge(
        self, batch: Mapping[str, Tensor], share: float, direction: str, fake: Tensor, wrapper: OptimWrapper,
        logs: dict[str, Tensor],
    ) -> dict[str, HeadOutput]:  # fmt: skip
        """The gradients of the discriminators' objective in a direction; returns their `real_outputs`."""
        objective = self.discriminator_objective if direction == AtoB else self.reverse_discriminator_objective
        judges: Any = self.heads[direction]
        with wrapper.optim_context(self):
            real = {"real_output": lambda head: self._head(direction, head)(batch["target"])}
            inputs = StepInputs({**self._at_hand(batch, direction, fake, None), **real}, {})
            total, values = objective(inputs, step=self.iteration - 1)
            said = real_outputs(judges, inputs)
        backward(total, share, wrapper)
        log_terms(logs, {**values, "total": total.detach()}, share, "D", _end(direction))
        return said

    def _at_hand(
        self, batch: Mapping[str, Tensor], direction: str, fake: Tensor, noise: Tensor | None
    ) -> dict[str, Callable]:
        values = {**batch, "fake": fake, "noise": noise}
        given: dict[str, Callable] = {name: lambda _, value=value: value for name, value in values.items()}
        given["head"] = given["fake_head"] = lambda head: self._head(direction, head)
        given["fake_output"] = lambda head: self._head(direction, head)(fake)
        return given

    def _head(self, direction: str, head: str) -> Callable[[Tensor], HeadOutput]:
        network: Any = self.heads[direction]
        return lambda image: in_float32(network[head](image))

    def _passed(self, image: Tensor, direction: str) -> Tensor:
        generator = PaddedGenerator(self.backbones[direction], {"source": image})
        return generator(generator.draw_noise())

    def _refuse_hints(self) -> None:
        for direction, prefix in ((AtoB, ""), (BtoA, "translator.reverse.")):
            judges: Any = self.heads[direction]
            slots = {"backbone": self.backbones[direction]}
            slots |= {f"heads.{name}": network_of(head) for name, head in judges.items()}
            for slot, network in slots.items():
                if hint_channels(network):
                    raise ConfigError(f"{prefix}{slot}.hint_channels: a cycle's pictures have no hints: set it to 0")

    def _refuse_identity(self) -> None:
        one: Any = self.backbones[AtoB]
        asking = [name for name, needs in self.generator_objective.needs.items() if "identity" in needs]
        if asking and one.in_channels != one.out_channels:
            raise ConfigError(
                f"generator_losses.{asking[0]}: identity feeds a generator with its own kind of output, and the "
                f"backbone's in_channels={one.in_channels} differ from its out_channels={one.out_channels}: make them "
                "equal, or drop the term with "
                f"--cfg-options generator_losses.{asking[0]}=None"
            )


def _turned(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """The config with input and output channels swapped, where it names them."""
    swapped = {"in_channels": "out_channels", "out_channels": "in_channels"}
    return {swapped.get(key, key): value for key, value in backbone.items()}


def _known(weights: Mapping[str, float], objective: Objective) -> dict[str, float]:
    for name in weights:
        if name not in objective.weights:
            raise ConfigError(f"translator.reverse.weights has '{name}': the terms are {', '.join(objective.weights)}")
    return dict(weights)


def _seen_from(batch: Mapping[str, Any], direction: str) -> dict[str, Tensor]:
    """The batch's pictures as source and target of a direction."""
    ends = (batch["source"], batch["target"])
    source, target = ends if direction == AtoB else reversed(ends)
    return {"source": source, "target": target}


def _end(direction: str) -> str:
    """What the names of a direction's values end in."""
    return "" if direction == AtoB else f"_{direction}"
