"""The contrastive translator: one way between unpaired kinds of pictures (CUT and FastCUT, Park et al., ECCV 2020)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from sketchkit.declared import Channels, Count
from sketchkit.errors import ConfigError
from sketchkit.options import whole_number
from sketchkit.registry import MODELS, HeadOutput
from sketchkit.translators.padding import PaddedGenerator

from ..layers.initialize import initialize
from .conditional import ConditionalTranslator, Inputs, Pass

SIDE = 64  # of a picture that every encoder can look at
PATCHES = "one a layer, of (B,N,C) unit vectors, what the projection makes of the encoder's features at N places"


class PatchProjection(nn.Module):
    """A perceptron of two layers for each map of features; what it gives has length 1.

    Args:
        in_channels: of each map.
        channels: of the hidden layers and of what comes out.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.perceptrons = nn.ModuleList(
            nn.Sequential(nn.Linear(width, channels), nn.ReLU(), nn.Linear(channels, channels)) for width in in_channels
        )
        initialize(self, "xavier", 0.02)

    def forward(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """features (B,C,h,w) at places (N,), which count the pixels row by row, to (B,N,channels)."""
        triples = zip(self.perceptrons, features, places, strict=True)
        rows = [perceptron(one.flatten(2)[..., place].transpose(1, 2)).float() for perceptron, one, place in triples]
        return tuple(row / (torch.linalg.vector_norm(row, dim=-1, keepdim=True) + 1e-7) for row in rows)


@MODELS.register_module()
class ContrastiveTranslator(ConditionalTranslator):
    """Trains source -> target on unpaired pictures: a patch of the fake is to resemble the source's at its place.

    It is told from other patches of the same source by the generator's own encoder and a small projection (optimizer
    group 'projection'), all learnt at once (section 3). All pictures of a batch are looked at in the same random
    places, drawn anew for each layer and step.

    Args:
        layers: the maps that patches are taken from, by the names of the backbone's `encoder_features`.
        num_patches: places a layer, or all where there are fewer.
        channels: of the projection.
        flip_equivariance: translate the mirrored source in half of the steps, and mirror the fake's features
            (FastCUT).
        options: those of `ConditionalTranslator`; its heads judge a picture alone (source_channels=0).

    Raises:
        ConfigError: the backbone has no such layers, or what `ConditionalTranslator` refuses.
    """

    generator_groups = ("generator", "projection")
    offers = {
        "fake_patches": PATCHES,
        "source_patches": "the same of the source, at the same places",
        "identity_patches": "the same of what the generator makes of the target, at places of their own",
        "target_patches": "the same of the target, at the places of `identity_patches`",
    }

    def __init__(
        self,
        *,
        layers: Sequence[str],
        num_patches: Count = 256,
        channels: Channels = 256,
        flip_equivariance: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        whole_number("num_patches", num_patches, 1)
        whole_number("channels", channels, 1)
        if isinstance(layers, str):
            raise ConfigError(f"layers={layers!r} is a word: give a list of layers")
        if flip_equivariance:
            self._refuse_misplaced()
        self.layers, self.num_patches, self.flip_equivariance = tuple(layers), num_patches, flip_equivariance
        self.projection = PatchProjection(_channels_of(self.backbone, self.layers), channels)
        self._is_flipped = False

    def optimizer_groups(self) -> dict[str, nn.Module]:
        """The backbone, the heads, and the projection.

        Raises:
            ConfigError: there are no layers, or no term looks at patches.
        """
        if not self.layers:
            raise ConfigError("translator.layers is empty: name the maps that patches are taken from, such as 'input'")
        if not any(set(needs) & set(self.offers) for needs in self.generator_objective.needs.values()):
            raise ConfigError("generator_losses has no term of patches: add PatchNCELoss, or use ConditionalTranslator")
        return {**super().optimizer_groups(), "projection": self.projection}

    @classmethod
    def inference_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Without heads, terms and projection."""
        return {**super().inference_config(config), "layers": ()}

    @classmethod
    def example_inputs(cls) -> dict[str, Any]:
        """Two layers of patches of two pictures."""
        layers = [torch.randn(2, places, 8) for places in (5, 3)]
        return dict.fromkeys(cls.offers, tuple(torch.nn.functional.normalize(layer, dim=-1) for layer in layers))

    def train_step(self, data: Mapping[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One iteration on a batch; returns each term's value under `D/` and `G/`."""
        self._is_flipped = self.flip_equivariance and bool(torch.rand(()) < 0.5)
        return super().train_step(data, optim_wrapper)

    def generate(self, batch: Mapping[str, Any], share: float, noise: Tensor | None = None) -> Pass:
        """The fakes of a part of a batch, mirrored where this step mirrors."""
        mirrored = {key: value.flip(-1) for key, value in batch.items() if key in ("source", "hint")}
        seen = {**batch, **mirrored} if self._is_flipped else batch
        return super().generate(seen, share, noise)._replace(batch=batch)

    def judge(self, head: str, batch: Mapping[str, Any]) -> Callable[[Tensor], HeadOutput]:
        """A head as a function of the picture alone: source and target do not belong together."""
        return super().judge(head, {**batch, "source": None, "hint": None})

    def further_inputs(self, one: Pass) -> Inputs:
        """The patches."""
        source, target = one.batch["source"], one.batch["target"]
        of_source: list[Tensor] = []
        of_target: list[Tensor] = []
        return {
            "fake_patches": lambda _: self._patches(one.fake, of_source, self._is_flipped),
            "source_patches": lambda _: self._patches(source, of_source),
            "identity_patches": lambda _: self._patches(self._identity(one.batch), of_target),
            "target_patches": lambda _: self._patches(target, of_target),
        }

    def _refuse_misplaced(self) -> None:
        """A loss that lays the fake over its source finds it mirrored in half of the steps."""
        for name, needs in self.generator_objective.needs.items():
            if "fake" in needs and {"source", "hint"} & set(needs):
                raise ConfigError(
                    f"generator_losses.{name} compares the fake with its source, which flip_equivariance mirrors: set "
                    "translator.flip_equivariance=False, or drop the term"
                )

    def _identity(self, batch: Mapping[str, Any]) -> Tensor:
        generator = PaddedGenerator(self.backbone, {**batch, "source": batch["target"]})
        return generator(generator.draw_noise())

    def _patches(self, image: Tensor, places: list[Tensor], is_flipped: bool = False) -> tuple[Tensor, ...]:
        features = self.backbone.encoder_features(image, self.layers)
        if is_flipped:
            features = [one.flip(-1) for one in features]
        if not places:
            # Drawn for the first of the two that are compared.
            drawn = (torch.randperm(one[0, 0].numel(), device=one.device) for one in features)
            places.extend(order[: self.num_patches] for order in drawn)
        return self.projection(features, places)


def _channels_of(backbone: Any, layers: Sequence[str]) -> list[int]:
    """The channels of each map, from a look at a small picture."""
    if not layers:
        return []
    if not hasattr(backbone, "encoder_features"):
        raise ConfigError(
            f"{type(backbone).__name__} has no encoder_features to take patches from: use ResNetGenerator"
        )
    if backbone.in_channels != backbone.out_channels:
        raise ConfigError(
            f"the encoder looks at sources and at fakes, and backbone.in_channels={backbone.in_channels} differ from "
            f"its out_channels={backbone.out_channels}: make them equal"
        )
    with torch.no_grad():
        features = backbone.encoder_features(torch.zeros(1, backbone.in_channels, SIDE, SIDE), layers)
    return [one.shape[1] for one in features]
