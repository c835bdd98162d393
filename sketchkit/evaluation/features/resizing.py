"""Pictures to the size a feature network takes. The way is part of a score: one FID was 45.6, 46.7 or 59.8 by it."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from sketchkit.options import one_of


def resize(picture: Tensor, size: int | tuple[int, int], mode: str) -> Tensor:
    """(3, H, W) uint8 -> (3, h, w) float32 in 0..255, not rounded.

    Args:
        picture: of any size.
        size: (h, w), or the side of a square.
        mode: 'tf' is TensorFlow 1's bilinear, which FID was defined with and torch-fidelity follows; 'pytorch' is
            PyTorch's bilinear, as in pytorch-fid; 'clean' is Pillow's antialiased bicubic (Parmar et al., CVPR 2022).

    Raises:
        ConfigError: an unknown mode.
    """
    one_of("resize", mode, MODES)
    return _WAYS[mode](picture, (size, size) if isinstance(size, int) else size)


def _tensorflow(picture: Tensor, size: tuple[int, int]) -> Tensor:
    top, bottom, down = _neighbors(picture.shape[1], size[0])
    left, right, along = _neighbors(picture.shape[2], size[1])
    # A large picture has many lines that no output line looks at.
    lines, places = torch.cat([top, bottom]).unique(return_inverse=True)
    rows = picture.index_select(1, lines).float()
    first, second = rows.index_select(2, left), rows.index_select(2, right)
    above, below = (first + (second - first) * along).index_select(1, places).split(size[0], dim=1)
    return above + (below - above) * down[:, None]


def _neighbors(inputs: int, outputs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each output: the inputs on both sides, and how far it is from the first; pixels are points at their corner."""
    place = torch.arange(outputs, dtype=torch.float32) * torch.tensor(inputs / outputs, dtype=torch.float32)
    first = place.long()
    return first, (first + 1).clamp_max(inputs - 1), place - first


def _pytorch(picture: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(picture[None].float(), size, mode="bilinear", align_corners=False)[0]


def _clean(picture: Tensor, size: tuple[int, int]) -> Tensor:
    # Channel by channel, as only Pillow's one-channel pictures hold floats. Bicubic overshoots at edges.
    channels = (Image.fromarray(channel) for channel in picture.numpy().astype(np.float32))
    resized = [np.asarray(channel.resize(size[::-1], Image.Resampling.BICUBIC)) for channel in channels]
    return torch.from_numpy(np.stack(resized)).clamp_(0, 255)


_WAYS = {"tf": _tensorflow, "pytorch": _pytorch, "clean": _clean}
MODES = tuple(_WAYS)
