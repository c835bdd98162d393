"""Adaptive discriminator augmentation: as often as overfitting asks for (Karras et al., NeurIPS 2020).

"Training generative adversarial networks with limited data", arXiv 2006.06676.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from sketchkit.declared import Choices, Count, Range, Share
from sketchkit.errors import ConfigError
from sketchkit.options import some_of
from sketchkit.registry import AUGMENTATIONS, HeadOutput
from sketchkit.translators.heads import Augmentation

from .colors import colored, with_colors
from .warp import LEAST, warped

PIPELINE = ("blit", "geometry", "color")


@AUGMENTATIONS.register_module()
class ADA(Augmentation):
    """Each transformation with probability p, which follows how sure the head is of true pictures.

    'blit': mirrored, turned by quarters, moved by whole pixels. 'geometry': scaled, turned, stretched, moved by
    fractions of pixels. 'color': brightness, contrast, luma flip, hue, saturation. The first two are one affine warp,
    the last one 4 x 4 matrix, in the paper's order and ranges (appendix B, 'bgc'). Pictures that are neither grey nor
    RGB keep their colors; a hint's colors go the way of RGB.

    Every `interval` steps of the discriminator, r = E[sign(logits of true pictures)] is compared with `target`, and p
    moves by pictures seen / (1000 `kimg`), up where r is above it and else down (section 3, eq. 1). p and what was seen
    since are kept in checkpoints and are those of all processes.

    Where this is not the authors' code: p stays below 1 also; far beyond the borders a picture is mirrored again, where
    theirs is 0; a sample that nothing moves is not filtered.

    Args:
        pipeline: the groups of transformations.
        p: a fixed probability in place of all this.
        target: of r.
        kimg: thousands of true pictures in which p can go from 0 to 1. 500 is the paper's.
        interval: steps between two moves of p.
        boundary: the logit of a picture that is neither true nor fake: 0, and 0.5 for least squares of 0 and 1.

    Raises:
        ConfigError: no pipeline, or what is no choice.
    """

    p: Tensor
    signs: Tensor
    seen: Tensor
    steps: Tensor

    def __init__(
        self,
        pipeline: Sequence[Annotated[str, Choices(PIPELINE)]] = PIPELINE,
        p: Share | None = None,
        target: Annotated[float, Range(-1, 1)] = 0.6,
        kimg: Annotated[float, Range(1e-3)] = 500.0,
        interval: Count = 4,
        boundary: float = 0.0,
    ) -> None:
        super().__init__()
        some_of("pipeline", pipeline, PIPELINE)
        self.pipeline = tuple(pipeline)
        self.observes = p is None
        self.target, self.kimg, self.interval, self.boundary = target, kimg, interval, boundary
        self.register_buffer("p", torch.tensor(0.0 if p is None else float(p)))
        for name in ("signs", "seen", "steps"):
            self.register_buffer(name, torch.tensor(0.0))

    def augmented(self, pictures: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Augmentation`.

        Raises:
            ConfigError: pictures too small to be mirrored at their borders.
        """
        height, width = pictures["image"].shape[-2:]
        draw = Draw(len(pictures["image"]), self.p)
        inverse = torch.eye(3, device=self.p.device).expand(draw.count, 3, 3)
        if "blit" in self.pipeline:
            inverse = inverse @ blit(draw, height, width)
        if "geometry" in self.pipeline:
            inverse = inverse @ geometry(draw, height, width)
        changed = dict(pictures)
        if {"blit", "geometry"} & {*self.pipeline}:
            if min(height, width) < LEAST:
                raise ConfigError(f"ADA needs pictures of {LEAST} pixels a side or more and got {height}x{width}")
            changed = _moved(pictures, inverse)
        return _recolored(changed, *colors(draw)) if "color" in self.pipeline else changed

    @torch.no_grad()
    def observe(self, real_outputs: Sequence[HeadOutput]) -> dict[str, Tensor]:
        """Count signs, and move p where it is time; nothing here makes the host wait for the device."""
        signs = torch.cat([self._signs(output) for output in real_outputs])
        counted = torch.stack([signs.sum(), torch.ones_like(signs).sum()]).to(self.p)
        all_reduce(counted)
        self.signs += counted[0]
        self.seen += counted[1]
        self.steps += 1
        move = torch.sign(self.signs / self.seen - self.target) * self.seen / (1000 * self.kimg)
        is_time = self.steps >= self.interval
        self.p.copy_(torch.where(is_time, self.p + move, self.p).clamp(0, 1))
        for buffer in (self.signs, self.seen, self.steps):
            buffer.mul_(~is_time)
        return {"p": self.p.clone()}

    def _signs(self, output: HeadOutput) -> Tensor:
        """The mean sign of each picture's logits, over patches and scales (B,)."""
        scales = [(scale.float() - self.boundary).sign().flatten(1).mean(1) for scale in output.scales]
        return torch.stack(scales).mean(0)


class Draw:
    """Random numbers for a batch, on the device of p; each is drawn, then kept with the chance it is given."""

    def __init__(self, count: int, p: Tensor) -> None:
        self.count, self.p = count, p

    def uniform(self, *shape: int) -> Tensor:
        """Numbers of U[0, 1), (B, *shape)."""
        return torch.rand(self.count, *shape, device=self.p.device)

    def normal(self, *shape: int) -> Tensor:
        """Numbers of N(0, 1), (B, *shape)."""
        return torch.randn(self.count, *shape, device=self.p.device)

    def kept(self, value: Tensor, neutral: float, p: Tensor | None = None) -> Tensor:
        """Each sample's value (B, ...) with the probability, or what changes nothing."""
        chosen = self.uniform(*(1 for _ in value.shape[1:])) < (self.p if p is None else p)
        return torch.where(chosen, value, torch.full_like(value, neutral))


def blit(draw: Draw, height: int, width: int) -> Tensor:
    """The inverse (B, 3, 3) of mirroring, of quarter turns, of moves by up to an eighth, in whole pixels."""
    mirrored = draw.kept((draw.uniform() * 2).floor(), 0)
    turned = draw.kept((draw.uniform() * 4).floor(), 0)
    moved = draw.kept((draw.uniform(2) * 2 - 1) * 0.125, 0)
    pixels = torch.stack([moved[:, 0] * width, moved[:, 1] * height], 1).round()
    return _scaling(1 - 2 * mirrored, torch.ones_like(mirrored)) @ _turn(turned * (math.pi / 2)) @ _shift(-pixels)


def geometry(draw: Draw, height: int, width: int) -> Tensor:
    """The inverse (B, 3, 3) of a scale, a turn, a stretch, another turn, and a move."""
    # Of the two turns at least one with probability p.
    once = 1 - (1 - draw.p).clamp(0, 1).sqrt()
    scale = draw.kept((draw.normal() * 0.2).exp2(), 1)
    first = draw.kept((draw.uniform() * 2 - 1) * math.pi, 0, once)
    stretch = draw.kept((draw.normal() * 0.2).exp2(), 1)
    second = draw.kept((draw.uniform() * 2 - 1) * math.pi, 0, once)
    moved = draw.kept(draw.normal(2) * 0.125, 0)
    pixels = torch.stack([moved[:, 0] * width, moved[:, 1] * height], 1)
    scaled = _scaling(1 / scale, 1 / scale) @ _turn(first)
    return scaled @ _scaling(1 / stretch, stretch) @ _turn(second) @ _shift(-pixels)


def colors(draw: Draw) -> tuple[Tensor, Tensor]:
    """The matrix (B, 3, 3) and the shift (B, 3) of brightness, contrast, luma flip, hue and saturation, of RGB."""
    identity = torch.eye(3, device=draw.p.device)
    luma = torch.full_like(identity, 1 / 3)  # onto the grey axis
    around = (identity.roll(1, 0) - identity.roll(-1, 0)) / 3**0.5  # the cross product with it
    brightness = draw.kept(draw.normal() * 0.2, 0)
    contrast = draw.kept((draw.normal() * 0.5).exp2(), 1)
    flip = draw.kept((draw.uniform(1, 1) * 2).floor(), 0)
    hue = draw.kept((draw.uniform(1, 1) * 2 - 1) * math.pi, 0)
    saturation = draw.kept(draw.normal(1, 1).exp2(), 1)
    turn = luma + (identity - luma) * hue.cos() + around * hue.sin()
    linear = (luma + (identity - luma) * saturation) @ turn @ (identity - 2 * luma * flip) * contrast[:, None, None]
    return linear, linear.sum(2) * brightness[:, None]


def _moved(pictures: Mapping[str, Tensor], inverse: Tensor) -> dict[str, Tensor]:
    """All pictures by one warp; samples that nothing moves stay as they are."""
    whole = torch.cat([picture.to(pictures["image"].dtype) for picture in pictures.values()], 1)
    is_still = (inverse == torch.eye(3, device=inverse.device)).flatten(1).all(1)
    result = torch.where(is_still[:, None, None, None], whole, warped(whole, inverse[:, :2]))
    widths = [picture.shape[1] for picture in pictures.values()]
    return dict(zip(pictures, result.split(widths, 1), strict=True))


def _recolored(pictures: dict[str, Tensor], linear: Tensor, shift: Tensor) -> dict[str, Tensor]:
    """Colors by a matrix and a shift; a grey picture is RGB of equal channels, whose mean it becomes."""
    changed = dict(pictures)
    for name, picture in colored(pictures).items():
        turned, moved = linear.to(picture.dtype), shift.to(picture.dtype)
        if picture.shape[1] == 1:
            turned, moved = turned.sum(2).mean(1)[:, None, None], moved.mean(1, keepdim=True)
        changed[name] = torch.einsum("bij,bjhw->bihw", turned, picture) + moved[..., None, None]
    if "hint" in pictures and pictures["image"].shape[1] == 3:
        changed["hint"] = with_colors(pictures["hint"], linear, shift)
    return changed


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], -1))


def _turn(angle: Tensor) -> Tensor:
    """By an angle (B,) in radians, from x to y."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    rows = [cos, -sin, zero, sin, cos, zero, zero, zero, one]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def _shift(way: Tensor) -> Tensor:
    """By (x, y) (B, 2)."""
    identity = torch.eye(3, device=way.device).expand(len(way), 3, 3)
    return torch.cat([identity[:, :, :2], torch.cat([way, torch.ones_like(way[:, :1])], 1)[:, :, None]], 2)
