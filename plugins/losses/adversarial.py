"""The adversarial losses, one class for both players."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.declared import NotNegative, Share
from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES, HeadOutput

from .options import choose, mean


class Game(NamedTuple):
    """What the discriminator pays for logits on real and on fake pictures, and the generator for those on its own."""

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def _logistic(logits: Tensor) -> Tensor:
    return F.softplus(-logits)


GAMES: Mapping[str, Game] = {
    "softplus": Game(_logistic, F.softplus, _logistic),
    "nonsaturating": Game(_logistic, F.softplus, _logistic),
    "hinge": Game(lambda logits: F.relu(1 - logits), lambda logits: F.relu(1 + logits), torch.neg),
    "wgan": Game(torch.neg, lambda logits: logits, torch.neg),
}
LABELED: Mapping[str, Callable[..., Tensor]] = {"vanilla": F.binary_cross_entropy_with_logits, "lsgan": F.mse_loss}


@LOSSES.register_module()
class AdversarialLoss(nn.Module):
    """What a player pays for the discriminator's logits, averaged over patches and batch.

    Modes: vanilla (Goodfellow et al. 2014: cross-entropy; the generator in its non-saturating form), lsgan (Mao et al.
    2017), hinge (Lim & Ye 2017), wgan (Arjovsky et al. 2017), nonsaturating and softplus. With labels 1 and 0,
    vanilla, nonsaturating and softplus are the same function, as -log sigmoid(x) = softplus(-x).

    Args:
        mode: the game that both players play; give both the same.
        real_label, fake_label: what the discriminator is told, a number, or (low, high) to draw from for each picture.
        label_noise: deviation of the Gaussian noise on each picture's label; vanilla keeps the result in [0, 1].
        flip_probability: how often a real picture is called fake, and a fake one real, for each picture.

    The label options act on the discriminator only, and exist in vanilla and lsgan only. The generator plays for 1.

    Raises:
        ConfigError: an unknown mode, or label options that the mode cannot follow.
    """

    def __init__(
        self,
        mode: str = "vanilla",
        real_label: float | tuple[float, float] = 1.0,
        fake_label: float | tuple[float, float] = 0.0,
        label_noise: NotNegative = 0.0,
        flip_probability: Share = 0.0,
    ) -> None:
        super().__init__()
        choose("mode", mode, {**GAMES, **LABELED})
        self.mode = mode
        self.real_label, self.fake_label = _range("real_label", real_label), _range("fake_label", fake_label)
        self.label_noise, self.flip_probability = label_noise, flip_probability
        # Whether the discriminator's loss is 0 when it wins outright; a critic's is 0 when it cannot tell.
        self.is_won_at_zero = mode != "wgan"
        self._check_labels()

    def forward(self, fake_output: HeadOutput, real_output: HeadOutput | None = None) -> Tensor:
        """The discriminator's loss, or without `real_output` the generator's; a scalar, the mean over scales."""
        if real_output is None:
            return mean([self._generator(fake) for fake in fake_output.scales])
        scales = zip(real_output.scales, fake_output.scales, strict=True)
        return mean([self._discriminator(real, fake) for real, fake in scales])

    def _discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """The loss of logits (B, ...) of one scale."""
        if self.mode in GAMES:
            game = GAMES[self.mode]
            return game.real(real).mean() + game.fake(fake).mean()
        distance = LABELED[self.mode]
        real_labels = self._labels(real, self.real_label, self.fake_label)
        fake_labels = self._labels(fake, self.fake_label, self.real_label)
        return distance(real, real_labels) + distance(fake, fake_labels)

    def _generator(self, fake: Tensor) -> Tensor:
        if self.mode in GAMES:
            return GAMES[self.mode].generator(fake).mean()
        return LABELED[self.mode](fake, torch.ones_like(fake))

    def _labels(self, logits: Tensor, own: tuple[float, float], other: tuple[float, float]) -> Tensor:
        """One label a picture, spread over its patches."""
        labels = logits.new_empty(len(logits), *[1] * (logits.ndim - 1))
        flipped = torch.rand_like(labels) < self.flip_probability
        drawn = torch.where(flipped, _draw(labels, other), _draw(labels, own))
        drawn = drawn + self.label_noise * torch.randn_like(labels)
        return (drawn.clamp(0, 1) if self.mode == "vanilla" else drawn).expand_as(logits)

    def _check_labels(self) -> None:
        changed = (self.real_label, self.fake_label) != ((1.0, 1.0), (0.0, 0.0))
        if self.mode in GAMES and (changed or self.label_noise or self.flip_probability):
            raise ConfigError(f"mode={self.mode!r} has no labels to soften or flip: use mode='vanilla' or 'lsgan'")
        ends = (*self.real_label, *self.fake_label)
        if self.mode == "vanilla" and (min(ends) < 0 or max(ends) > 1):
            raise ConfigError("labels of mode='vanilla' are probabilities: keep real_label and fake_label in [0, 1]")
        if not 0 <= self.flip_probability <= 1 or self.label_noise < 0:
            raise ConfigError("flip_probability must lie in [0, 1] and label_noise must not be negative")


def _range(option: str, label: float | Sequence[float]) -> tuple[float, float]:
    ends = (label, label) if isinstance(label, (int, float)) else tuple(label)
    if len(ends) != 2 or ends[0] > ends[1]:
        raise ConfigError(f"{option}={label!r} is neither a number nor a (low, high)")
    return float(ends[0]), float(ends[1])


def _draw(like: Tensor, ends: tuple[float, float]) -> Tensor:
    low, high = ends
    return low + (high - low) * torch.rand_like(like)
