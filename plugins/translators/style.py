"""The style translator: no network is trained, the picture itself is what the losses move (Gatys et al., CVPR 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from sketchkit.declared import Count, NotNegative, Positive, Range, Recipe, Share, Side, Whole
from sketchkit.errors import ConfigError, TrainingStopped
from sketchkit.options import one_of
from sketchkit.pretrained.feature_network import PRETRAINED
from sketchkit.registry import MODELS
from sketchkit.translators.base import Painter, Stroke
from sketchkit.translators.objective import Objective, StepInputs
from sketchkit.translators.sizes import fit, resize, shape

from .style_canvas import Canvas, Space
from .style_features import Layer, PictureFeatures

GIVEN = ("fake", "source", "fake_features", "source_features", "style_features")
ADAM = dict(type="Adam", lr=0.05)


class StyleViews:
    """(weight, layer -> activations) of each style, computed whenever it is looked at: activations take much memory."""

    def __init__(self, features: PictureFeatures, styles: Sequence[Tensor], weights: Sequence[float]) -> None:
        self.features, self.styles, self.weights = features, styles, weights

    def __iter__(self) -> Iterator[tuple[float, dict[Layer, Tensor]]]:
        for weight, style in zip(self.weights, self.styles, strict=True):
            yield weight, torch.no_grad()(self.features)(style)


@MODELS.register_module()
class StyleTranslator(Painter):
    """Paints a content picture in the style of others; one network, run once an iteration, serves every loss.

    Args:
        generator_losses: name -> loss config; see `Objective`. A loss that looks at features says which `layers`.
        network, weights: see `FeatureNetwork`; it is cut after the last layer that a loss asks for.
        space: what the optimiser moves and losses see as `fake` and `source`: 'picture' in [-1, 1], or 'network', the
            values that the network is fed (mean 0 and deviation 1 over its training data).
        iterations: steps of the optimiser, at each size.
        optimizer: config of a torch optimiser; None is Adam.
        decay: (share of the iterations, factor of the learning rate from there on), or None.
        restart: whether the optimiser begins anew there.
        bound: (greatest absolute value, share of the iterations that keep to it), such as (1.5, 0.95) in the network's
            space; None keeps to the range of pictures.
        stretch: show the picture stretched from black to white, in place of cut off at both.
        init: start from the 'content', from 'noise', or from the first 'style'.
        pyramid: side of the smallest size to begin with; from there in steps of sqrt 2. None: full size only.
        ema: what is shown is the average of the iterates that keeps this much at a step; 0 is the last iterate.
        style_scale: the styles' longer side, as a share of the picture's.
        padding, pooling, tile: see `PictureFeatures`.

    Raises:
        ConfigError: no losses, or an option, layer, network or input that does not exist.
        WeightsError: the network's weights cannot be had.
    """

    def __init__(
        self,
        generator_losses: Mapping[str, Mapping[str, Any] | None] | None = None,
        network: str = "squeezenet1_1",
        weights: str | Path | None = PRETRAINED,
        space: str = "picture",
        iterations: Count = 200,
        optimizer: Recipe | None = None,
        decay: tuple[Share, NotNegative] | None = None,
        restart: bool = False,
        bound: tuple[Positive, Share] | None = None,
        stretch: bool = False,
        init: str = "content",
        pyramid: Side | None = None,
        ema: Annotated[float, Range(0, below=1)] = 0.0,
        style_scale: Positive = 1.0,
        padding: str = "zeros",
        pooling: str = "max",
        tile: Whole = 0,
    ) -> None:
        super().__init__()
        one_of("space", space, ("picture", "network"))
        one_of("init", init, ("content", "noise", "style"))
        if iterations < 1 or not 0 <= ema < 1 or style_scale <= 0:
            raise ConfigError("iterations must be 1 or more, ema in [0, 1) and style_scale above 0")
        if decay is not None and (isinstance(decay, str) or len(decay) != 2):
            raise ConfigError(f"decay={decay!r}: give a share of the iterations and a factor, like (0.9, 0.1)")
        self.objective = Objective(generator_losses or {}, "generator", GIVEN, (), ())
        if not len(self.objective):
            raise ConfigError("generator_losses names no term: there is nothing to paint with")
        layers = [layer for loss in self.objective.losses.values() for layer in getattr(loss, "layers", ())]
        self.features = PictureFeatures(network, layers, weights, space == "picture", padding, pooling, tile)
        self.space, self.iterations, self.init = space, iterations, init
        self.optimizer, self.decay, self.restart, self.ema = optimizer or ADAM, decay, restart, ema
        self.bound, self.stretch = bound, stretch
        self.pyramid, self.style_scale = pyramid, style_scale

    def paint(
        self, content: Tensor, styles: Sequence[Tensor], style_weights: Sequence[float] | None = None, seed: int = 0
    ) -> Iterator[Stroke]:
        """Paint content (1, 3, H, W) in [-1, 1] in the style of `styles`, of any sizes, an iteration at a time.

        Coarse sizes come first where there is a pyramid; each begins where the one before it ended.

        Raises:
            ConfigError: as many weights as styles are needed, none negative, and not all 0.
            DataError: a picture is too small for the network.
            TrainingStopped: the picture is no longer finite.
        """
        weights = _checked(style_weights, len(styles))
        torch.manual_seed(seed)
        picture, full = self._start(content, styles), shape(content)
        sizes = self._sizes(content, styles)
        for index, size in enumerate(sizes):
            canvas = self._canvas(resize(picture, size))
            inputs = self._targets(resize(content, size), self._sized(styles, size), weights, canvas.space)
            for step in range(self.iterations):
                done = index * self.iterations + step + 1
                values = _finite(self._step(canvas, inputs), canvas.pixels, done)
                yield Stroke(done, len(sizes) * self.iterations, values, partial(canvas.picture, full))
            picture = canvas.picture()

    def _start(self, content: Tensor, styles: Sequence[Tensor]) -> Tensor:
        if self.init == "noise":
            return torch.rand(content.shape).to(content).mul(2).sub(1)
        return content if self.init == "content" else resize(styles[0], shape(content))

    def _canvas(self, picture: Tensor) -> Canvas:
        network, half = self.features.network, torch.tensor(0.5, device=picture.device)
        mean, std = (network.mean, network.std) if self.space == "network" else (half, half)
        space = Space(mean, std, self.stretch)
        return Canvas(picture, space, self.optimizer, self.decay, self.iterations, self.ema, self.restart, self.bound)

    def _targets(self, content: Tensor, styles: Sequence[Tensor], weights: Sequence[float], space: Space) -> dict:
        source = space.enter(content)
        views = StyleViews(self.features, [space.enter(style) for style in styles], weights)
        kept = self._layers("source_features")
        seen = torch.no_grad()(self.features)(source) if kept else {}
        goals = {layer: seen[layer] for layer in kept}
        return {"source": source, "source_features": goals, "style_features": views}

    def _step(self, canvas: Canvas, inputs: Mapping[str, Any]) -> dict[str, float]:
        values: dict[str, Tensor] = {}

        def objective(pixels: Tensor) -> Tensor:
            given = {name: lambda _, value=value: value for name, value in inputs.items()}
            seen = {"fake": lambda _: pixels, "fake_features": lambda _: self.features(pixels)}
            total, terms = self.objective(StepInputs({**given, **seen}, {}), step=canvas.steps)
            factors = {name: self.objective.weights[name] * self.objective.every[name] for name in terms}
            values.update({name: factors[name] * value for name, value in terms.items()})
            return total

        canvas.step(objective)
        return {name: float(value) for name, value in values.items()}

    def _layers(self, name: str) -> set[Layer]:
        """The layers of the losses that ask for the input `name`."""
        losses = [loss for term, loss in self.objective.losses.items() if name in self.objective.needs[term]]
        return {layer for loss in losses for layer in getattr(loss, "layers", ())}

    def _sizes(self, content: Tensor, styles: Sequence[Tensor]) -> list[tuple[int, int]]:
        """Coarse to fine; sizes at which the network could not see every picture are left out, but never the last."""
        full = shape(content)
        sizes = [full]
        while self.pyramid and (side := round(max(full) / 2 ** (len(sizes) / 2))) >= self.pyramid:
            sizes.append(fit(full, side))
        return [size for size in reversed(sizes) if size == full or self._can_see(size, styles)]

    def _can_see(self, size: tuple[int, int], styles: Sequence[Tensor]) -> bool:
        return all(min(seen) >= self.features.smallest for seen in (size, *self._style_sizes(styles, size)))

    def _sized(self, styles: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
        return [resize(style, fitted) for style, fitted in zip(styles, self._style_sizes(styles, size), strict=True)]

    def _style_sizes(self, styles: Sequence[Tensor], size: tuple[int, int]) -> list[tuple[int, int]]:
        side = max(1, round(max(size) * self.style_scale))
        return [fit(shape(style), side) for style in styles]


def _checked(weights: Sequence[float] | None, count: int) -> list[float]:
    weights = list(weights or [1.0] * count)
    if len(weights) != count:
        raise ConfigError(f"{len(weights)} style weights for {count} styles: give one for each")
    if min(weights) < 0 or not 0 < sum(weights) < float("inf"):
        raise ConfigError(f"the style weights {weights} must not be negative, nor all 0")
    return weights


def _finite(values: dict[str, float], picture: Tensor, iteration: int) -> dict[str, float]:
    if bool(picture.isfinite().all()) and all(value - value == 0 for value in values.values()):
        return values
    terms = ", ".join(f"{name} {value:g}" for name, value in values.items())
    raise TrainingStopped(
        f"the picture is no longer finite at iteration {iteration} ({terms}): lower translator.optimizer.lr, or the "
        "weights of generator_losses"
    )
