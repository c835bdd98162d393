"""The cycle translator: two generators between unpaired kinds of pictures (CycleGAN, Zhu et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from sketchkit.errors import ConfigError
from sketchkit.registry import BACKBONES, HEADS, MODELS, HeadOutput
from sketchkit.translators.base import Translator, frozen, in_float32, refuse_mixing
from sketchkit.translators.objective import Objective, StepInputs
from sketchkit.translators.padding import Generation

from .image_pool import ImagePool

GIVEN = ("source", "target", "noise", "fake")
BACK = {"there": "back", "back": "there"}


@MODELS.register_module()
class CycleTranslator(Translator):
    """Trains source -> target ('there') and target -> source ('back') at once on unpaired pictures.

    Every term is played both ways: there, `cycled` is the fake translated back, and `identity` what the generator makes
    of a target; the way back is the same with source and target exchanged. An iteration is a step of both generators,
    then one of both discriminators, which see their fakes through an image pool.

    Args:
        backbone: config of both generators; the one back has its in_channels and out_channels swapped.
        heads: name -> config; each direction has heads of its own. They judge a picture alone (source_channels=0).
        generator_losses, discriminator_losses: name -> loss config; see `Objective`.
        data_preprocessor: config; default `TranslationPreprocessor`.
        ema: config of an averaged model of mmengine for both generators, or None; evaluation uses the average.
        pool_size: pictures in each direction's pool.
        back: what differs on the way back: `backbone` and `heads` are merged over those given, `weights` maps terms to
            weights of their own (the paper's lambda_B).

    Raises:
        ConfigError: identity is asked for and the two kinds differ in channels, a term asks for what does not exist, a
            gradient penalty meets batch norm in a head, or the preprocessor makes the source of the target.
    """

    captions = {
        "source": "source", "fake": "output", "cycled": "and back", "target": "target", "fake_back": "output back",
        "cycled_back": "and forth",
    }  # fmt: skip

    def __init__(
        self,
        backbone: Mapping[str, Any],
        heads: Mapping[str, Mapping[str, Any]],
        generator_losses: Mapping[str, Mapping[str, Any] | None],
        discriminator_losses: Mapping[str, Mapping[str, Any] | None] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        ema: Mapping[str, Any] | None = None,
        pool_size: int = 50,
        back: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor or dict(type="TranslationPreprocessor")))
        if getattr(self.data_preprocessor, "makes_source", False):
            raise ConfigError(
                f"translator.data_preprocessor: {type(self.data_preprocessor).__name__} makes the source of the target "
                "and a cycle has two kinds of pictures: use TranslationPreprocessor, or a ConditionalTranslator"
            )
        back = back or {}
        self.backbones = nn.ModuleDict(
            {
                "there": BACKBONES.build(backbone),
                "back": BACKBONES.build({**_turned(backbone), **back.get("backbone", {})}),
            }
        )
        names = list(heads)
        changed = {name: {**cfg, **back.get("heads", {}).get(name, {})} for name, cfg in heads.items()}
        self.heads = nn.ModuleDict(
            {
                direction: nn.ModuleDict({name: HEADS.build(cfg) for name, cfg in configs.items()})
                for direction, configs in (("there", heads), ("back", changed))
            }
        )
        judged = ("fake_output", "head") if names else ()
        real = ("real_output",) if names else ()
        self.generator_objective = Objective(
            generator_losses, "generator", (*GIVEN, *judged), ("cycled", "identity", *real), names
        )
        if not len(self.generator_objective):
            raise ConfigError("generator_losses names no term: there is nothing to train the generators with")
        self.discriminator_objective = Objective(
            discriminator_losses or {}, "discriminator", (*GIVEN, *judged, *real), (), names
        )
        self._refuse_identity()
        for judges in self.heads.values():
            refuse_mixing(self.discriminator_objective, judges)
        self.weights = {"there": {}, "back": _known(back.get("weights", {}), self.generator_objective)}
        self.pools = {direction: ImagePool(pool_size) for direction in BACK}
        self.ema = MODELS.build({**ema, "model": self.backbones}) if ema else None

    def sides(self) -> dict[str, nn.Module]:
        """Both generators, and the heads of both directions."""
        return {"generator": self.backbones, "discriminator": self.heads}

    def networks(self) -> dict[str, nn.Module]:
        """The generator of each direction, or its average."""
        return dict((self.backbones if self.ema is None else self.ema.module).items())

    def local_state(self) -> dict[str, Any]:
        """The image pools."""
        return {"pools": {direction: pool.state() for direction, pool in self.pools.items()}}

    def load_local_state(self, state: Mapping[str, Any]) -> None:
        """Fill the image pools again."""
        device = next(self.parameters()).device
        for direction, pool in self.pools.items():
            pool.load(state["pools"][direction], device)

    def forward(self, source: Tensor, direction: str = "there") -> Tensor:
        """Translate pictures of the networks' range (B,C,H,W) in a direction."""
        generation = Generation(self.networks()[direction], {"source": source})
        return generation(generation.draw_noise())

    def train_step(self, data: Mapping[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One iteration on a batch; returns each term's value under `G/` and `D/`, the way back ends in `_back`."""
        batch = self.data_preprocessor(data, training=True)
        self.iteration += 1
        logs: dict[str, Tensor] = {}
        fakes = {}
        with frozen(self.heads):
            # One direction's graph at a time: their gradients add up, and half the memory is enough.
            for direction in BACK:
                wrapper = optim_wrapper["generator"]
                with wrapper.optim_context(self):
                    inputs, fakes[direction] = self._generator_inputs(_seen_from(batch, direction), direction)
                    total, values = self.generator_objective(inputs, self.weights[direction])
                wrapper.backward(total)
                logs.update(_named("G", values, total, direction))
        self._update(optim_wrapper["generator"])
        if self.ema is not None:
            self.ema.update_parameters(self.backbones)
        self.keep(batch, fake=fakes["there"], fake_back=fakes["back"])
        if len(self.discriminator_objective):
            wrapper = optim_wrapper["discriminator"]
            for direction, fake in fakes.items():
                with wrapper.optim_context(self):
                    inputs = self._judge_inputs(_seen_from(batch, direction), direction, self.pools[direction](fake))
                    total, values = self.discriminator_objective(inputs)
                wrapper.backward(total)
                logs.update(_named("D", values, total, direction))
            self._update(wrapper)
        return logs

    def val_step(self, data: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every picture there and back, both ways, from noises fixed by the sample's name where there are any.

        Returns one dict: key and target_key, the samples' names; source, fake (there), cycled (and back); target,
        fake_back, cycled_back; all (B,C,H,W) in [-1, 1].
        """
        batch = self.data_preprocessor(data, training=False)
        shown: dict[str, Any] = {"source": batch["source"], "target": batch["target"]}
        with torch.no_grad():
            for direction, start, end in (("there", "source", ""), ("back", "target", "_back")):
                shown[f"fake{end}"] = self._translate(batch[start], direction, batch["key"])
                shown[f"cycled{end}"] = self._translate(shown[f"fake{end}"], BACK[direction], batch["key"])
        kinds = {"source": "source", "fake_back": "source", "cycled": "source"}
        picture = self.data_preprocessor.to_picture
        pictures = {name: picture(image, kinds.get(name, "target")) for name, image in shown.items()}
        names = {name: batch[name] for name in ("key", "target_key") if name in batch}
        return [{**names, **pictures}]

    test_step = val_step

    def _translate(self, source: Tensor, direction: str, keys: Any) -> Tensor:
        generation = Generation(self.networks()[direction], {"source": source})
        return generation(generation.noise_of(keys))

    def _generator_inputs(self, batch: Mapping[str, Tensor], direction: str) -> tuple[StepInputs, Tensor]:
        generation = Generation(self.backbones[direction], batch)
        noise = generation.draw_noise()
        fake = generation(noise)
        on_request = {
            "cycled": lambda _: self._passed(fake, BACK[direction]),
            "identity": lambda _: self._passed(batch["target"], direction),
            "real_output": torch.no_grad()(lambda head: self._judge(direction, head)(batch["target"])),
        }
        return StepInputs(self._at_hand(batch, direction, fake, noise), on_request), fake

    def _judge_inputs(self, batch: Mapping[str, Tensor], direction: str, fake: Tensor) -> StepInputs:
        real = {"real_output": lambda head: self._judge(direction, head)(batch["target"])}
        return StepInputs({**self._at_hand(batch, direction, fake, None), **real}, {})

    def _at_hand(
        self, batch: Mapping[str, Tensor], direction: str, fake: Tensor, noise: Tensor | None
    ) -> dict[str, Callable]:
        values = {**batch, "fake": fake, "noise": noise}
        given: dict[str, Callable] = {name: lambda _, value=value: value for name, value in values.items()}
        given["head"] = lambda head: self._judge(direction, head)
        given["fake_output"] = lambda head: self._judge(direction, head)(fake)
        return given

    def _judge(self, direction: str, head: str) -> Callable[[Tensor], HeadOutput]:
        network: Any = self.heads[direction]
        return lambda image: in_float32(network[head](image))

    def _passed(self, image: Tensor, direction: str) -> Tensor:
        generation = Generation(self.backbones[direction], {"source": image})
        return generation(generation.draw_noise())

    def _update(self, wrapper: Any) -> None:
        wrapper.step()
        wrapper.zero_grad()

    def _refuse_identity(self) -> None:
        one: Any = self.backbones["there"]
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
            raise ConfigError(f"translator.back.weights has '{name}': the terms are {', '.join(objective.weights)}")
    return dict(weights)


def _seen_from(batch: Mapping[str, Any], direction: str) -> dict[str, Tensor]:
    """The batch's pictures as source and target of a direction."""
    ends = (batch["source"], batch["target"])
    source, target = ends if direction == "there" else reversed(ends)
    return {"source": source, "target": target}


def _named(side: str, values: Mapping[str, Tensor], total: Tensor, direction: str) -> dict[str, Tensor]:
    end = "" if direction == "there" else "_back"
    return {f"{side}/{name}{end}": value for name, value in {**values, "total": total.detach()}.items()}
