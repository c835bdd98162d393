"""An output that was made at another size, brought to that of its source, which gives back what was lost."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sketchkit.config.inference import Detail
from sketchkit.translators.sizes import resize

# In pixels of the output as it was made.
_BLUR = 1.5  # the colors beside a line go on under it, over this standard deviation
_CLEAN = 4  # the exponent by which a pixel that is partly ink counts less among them
_RADIUS = 2  # of the windows in which a guided filter takes the output for a linear function of the source
_EPSILON = 1e-3  # of that filter, over values in [0, 1]: weaker edges of the source than its root are smoothed


def bring_to_size(image: Tensor, source: Tensor, detail: Detail) -> Tensor:
    """An output at its source's size.

    Args:
        image: (1, 1 or 3, h, w) in [-1, 1], as it was made.
        source: (3, H, W) uint8 RGB.
        detail: see `InferenceOptions`; only where the source is larger.

    Returns:
        (1, 3, H, W) in [-1, 1].
    """
    size = (source.shape[1], source.shape[2])
    if image.shape[-2:] == size:
        return image
    image = image.float().expand(-1, 3, -1, -1)
    if detail == "none" or min(size) <= min(image.shape[-2:]):
        return resize(image, size)
    return _inked(image, source) if detail == "ink" else _guided(image, source)


def _inked(image: Tensor, source: Tensor) -> Tensor:
    """The colors, those beside lines under them, times the source's own lines, both in [0, 1]."""
    drawing = source[None].to(image).div_(255)
    small = F.interpolate(drawing, image.shape[-2:], mode="bilinear", antialias=True)
    paper = small.amin(1, keepdim=True) ** _CLEAN
    colors = _blurred(image * paper) / _blurred(paper).clamp(min=1e-3)
    # Filled areas have no color beside them: there the output stays.
    share = (1 - paper) * (_blurred(paper) * 4).clamp(max=1)
    bare = torch.lerp(image, colors.clamp(-1, 1), share)
    return resize(bare, (source.shape[1], source.shape[2])).add_(1).mul_(drawing).sub_(1)


def _blurred(image: Tensor) -> Tensor:
    from kornia.filters import gaussian_blur2d

    return gaussian_blur2d(image, 9, (_BLUR, _BLUR), border_type="replicate")


def _guided(image: Tensor, source: Tensor) -> Tensor:
    """He et al., Guided image filtering (2013), and its fast form (2015): the guide is the source's lightness."""
    from kornia.color import rgb_to_grayscale
    from kornia.filters import guided_blur

    factor = min(source.shape[-2:]) / min(image.shape[-2:])
    guide = rgb_to_grayscale(source[None].to(image).div_(255))
    large = resize(image, (source.shape[1], source.shape[2]))
    kernel = 2 * round(_RADIUS * factor) + 1
    return guided_blur(guide, large, kernel, _EPSILON, "replicate", max(1, int(factor))).clamp(-1, 1)
