"""The picture that is painted: pixels an optimiser moves, their range, and the average of where they have been."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sketchkit.registry import OPTIMIZERS
from sketchkit.translators.sizes import resize


class Space:
    """The range that a picture is painted in: value = (x - mean) / std of each channel, x in [0, 1].

    mean = std = 0.5 is [-1, 1]. stretch: values beyond the range of pictures are not cut off, but the whole picture is
    brought to run from black to white, by the least and the greatest of all its values.
    """

    def __init__(self, mean: Tensor, std: Tensor, stretch: bool = False) -> None:
        self.mean, self.std, self.stretch = mean, std, stretch
        self.low, self.high = (0 - mean) / std, (1 - mean) / std

    def enter(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> this range."""
        return ((picture + 1) / 2 - self.mean) / self.std

    def leave(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in this range -> [-1, 1]."""
        picture = picture * self.std + self.mean
        if self.stretch:
            low, high = picture.aminmax()
            picture = (picture - low) / (high - low).clamp_min(torch.finfo(picture.dtype).tiny)
        return (picture * 2 - 1).clamp(-1, 1)


class Canvas:
    """Pixels under an optimiser.

    Args:
        picture: where it starts (1, 3, H, W), in [-1, 1].
        space: the range it is painted in.
        optimizer: config of a torch optimiser.
        decay: (share of the iterations, factor): from there on the learning rate is multiplied by the factor.
        iterations: how many steps there will be.
        ema: how much of the average of the iterates a step keeps; 0 shows the last iterate itself.
        restart: whether the optimiser forgets, where its rate falls, what it has gathered.
        bound: (greatest absolute value, share of the iterations that keep to it); None: every step keeps to the range
            of pictures.
    """

    def __init__(
        self,
        picture: Tensor,
        space: Space,
        optimizer: Mapping[str, Any],
        decay: Sequence[float] | None,
        iterations: int,
        ema: float,
        restart: bool = False,
        bound: Sequence[float] | None = None,
    ) -> None:
        self.space, self.ema, self.restart, self.steps = space, ema, restart, 0
        self.bound = bound[0] if bound else None
        self.bounded = math.ceil(bound[1] * iterations) if bound else 0
        self.pixels = space.enter(picture).contiguous().requires_grad_()
        self.optimizer = OPTIMIZERS.build({**optimizer, "params": [self.pixels]})
        share, factor = decay or (1.0, 1.0)
        self.milestone = math.ceil(share * iterations)
        self.schedule = torch.optim.lr_scheduler.MultiStepLR(self.optimizer, [self.milestone], factor)
        self.average = torch.zeros_like(self.pixels, requires_grad=False)
        if bound:  # every picture is in its own range
            self._keep_to_range()

    def picture(self, size: tuple[int, int] | None = None) -> Tensor:
        """What there is to see (1, 3, H, W), in [-1, 1]; at another (height, width) where one is given."""
        picture = self.space.leave(self.average)
        return resize(picture, size) if size else picture

    def step(self, objective: Callable[[Tensor], Tensor]) -> None:
        """Move the pixels by one step of the optimiser; objective(pixels) is the scalar to make small."""

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            value = objective(self.pixels)
            value.backward()
            return value

        self.optimizer.step(closure)
        self.schedule.step()
        self.steps += 1
        if self.restart and self.steps == self.milestone:
            self.optimizer.state.clear()
        self._keep_to_range()
        with torch.no_grad():
            # The mean of the first iterates, until these are as many as the average remembers.
            self.average.lerp_(self.pixels, max(1 - self.ema, 1 / self.steps))

    @torch.no_grad()
    def _keep_to_range(self) -> None:
        if self.bound is None:
            self.pixels.clamp_(self.space.low, self.space.high)
        elif self.steps < self.bounded:
            self.pixels.clamp_(-self.bound, self.bound)
