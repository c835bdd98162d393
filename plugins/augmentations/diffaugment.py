"""DiffAugment: few and plain changes, the same kinds for true pictures and fakes (Zhao et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor

from sketchkit.declared import Choices
from sketchkit.options import some_of
from sketchkit.registry import AUGMENTATIONS
from sketchkit.translators.heads import Augmentation

from .colors import colored, with_colors

POLICY = ("color", "translation", "cutout")
TRANSLATION, CUTOUT = 0.125, 0.5  # of height and width
Pictures = dict[str, Tensor]


@AUGMENTATIONS.register_module()
class DiffAugment(Augmentation):
    """Colors, then a translation, then a hole, in the order of `policy` (section 3; ranges of the authors' code).

    'color': brightness + U[-0.5, 0.5), saturation (about the mean of the channels) times U[0, 2), contrast (about the
    mean of the picture) times U[0.5, 1.5); pictures that are neither grey nor RGB keep their colors. 'translation': up
    to 1/8 of height and width each way. 'cutout': a rectangle of half the height and width, its center anywhere. What
    comes in or is cut out is 0, a middle grey.

    A hint's colors go the way of the image's colors, about the image's means.

    Raises:
        ConfigError: no policy, or one that is not a choice.
    """

    def __init__(self, policy: Sequence[Annotated[str, Choices(POLICY)]] = POLICY) -> None:
        super().__init__()
        some_of("policy", policy, POLICY)
        self.policy = tuple(policy)

    def augmented(self, pictures: Mapping[str, Tensor]) -> Pictures:
        """See `Augmentation`."""
        changed = dict(pictures)
        changes = {"color": _color, "translation": _translation, "cutout": _cutout}
        for one in self.policy:
            changed = changes[one](changed)
        return changed


def _color(pictures: Pictures) -> Pictures:
    image = pictures["image"]
    brightness, saturation, contrast = (torch.rand(len(image), 1, 1, 1, device=image.device) for _ in range(3))
    factors = brightness - 0.5, saturation * 2, contrast + 0.5
    seen = colored(pictures)
    changed = {**pictures, **{name: _recolored(one, *factors)[0] for name, one in seen.items()}}
    if "hint" in pictures and "image" in seen and image.shape[1] == 3:
        mean = _recolored(image, *factors)[1]
        changed["hint"] = with_colors(pictures["hint"], *_as_matrix(*factors, mean))
    return changed


def _recolored(picture: Tensor, shift: Tensor, saturation: Tensor, contrast: Tensor) -> tuple[Tensor, Tensor]:
    """The picture, and the mean (B, 1, 1, 1) about which its contrast has changed."""
    shift, saturation, contrast = (factor.to(picture.dtype) for factor in (shift, saturation, contrast))
    x = picture + shift
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * saturation + grey
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * contrast + mean, mean


def _as_matrix(shift: Tensor, saturation: Tensor, contrast: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """What `_recolored` does to a color, as a matrix (B, 3, 3) and a shift (B, 3); brightness keeps the grey axis."""
    saturation, contrast = saturation.flatten(1)[..., None], contrast.flatten(1)[..., None]
    to_grey = torch.full((3, 3), 1 / 3, device=mean.device)
    matrix = contrast * (saturation * (torch.eye(3, device=mean.device) - to_grey) + to_grey)
    moved = contrast[..., 0] * shift.flatten(1) + (1 - contrast[..., 0]) * mean.flatten(1)
    return matrix, moved.expand(-1, 3)


def _translation(pictures: Pictures) -> Pictures:
    image = pictures["image"]
    lines = [_shifted_lines(len(image), side, image.device) for side in image.shape[-2:]]
    return {name: _moved(picture, *lines) for name, picture in pictures.items()}


def _shifted_lines(count: int, side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which of a picture's lines (B, side) come to each place, and whether there are such."""
    most = int(side * TRANSLATION + 0.5)
    lines = torch.arange(side, device=device) + torch.randint(-most, most + 1, (count, 1), device=device)
    return lines.clamp(0, side - 1), (lines >= 0) & (lines < side)


def _moved(picture: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]) -> Tensor:
    samples = torch.arange(len(picture), device=picture.device)[:, None, None]
    taken = picture.permute(0, 2, 3, 1)[samples, rows[0][:, :, None], columns[0][:, None, :]].permute(0, 3, 1, 2)
    return taken * (rows[1][:, None, :, None] & columns[1][:, None, None, :])


def _cutout(pictures: Pictures) -> Pictures:
    image = pictures["image"]
    rows, columns = (_cut_lines(len(image), side, image.device) for side in image.shape[-2:])
    left = ~(rows[:, None, :, None] & columns[:, None, None, :])
    return {name: picture * left for name, picture in pictures.items()}


def _cut_lines(count: int, side: int, device: torch.device) -> Tensor:
    """Which lines (B, side) are within the hole; at a border it is cut off."""
    size = int(side * CUTOUT + 0.5)
    start = torch.randint(0, side + 1 - size % 2, (count, 1), device=device) - size // 2
    lines = torch.arange(side, device=device)
    return (lines >= start) & (lines < start + size)
