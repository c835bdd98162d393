"""Recolouring in CIE Lab: the lightness goes in, the colour is predicted, and the lightness is kept as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from sketchkit.declared import Choices, Positive
from sketchkit.options import one_of
from sketchkit.registry import MODELS
from sketchkit.translators.preprocessing import with_hint

PREDICTED = ("ab", "lab")
_BLACK = 0.01  # L; of 8 bits, the darkest blue has 0.02 and the lightest yellow 99.97
_ROWS = 1024  # more than trainings have


class PinnedConstants(TorchFunctionMode):
    """Within the block `torch.tensor` reaches a GPU by page-locked memory: the host does not wait for the copy.

    kornia makes its matrices of constants anew at each call.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function; `torch.tensor` for a GPU by way of the host."""
        kwargs = kwargs or {}
        device = torch.device(kwargs.get("device") or "cpu")
        if func is not torch.tensor or device.type != "cuda":
            return func(*args, **kwargs)
        on_host = func(*args, **{**kwargs, "device": "cpu", "pin_memory": torch.cuda.is_available()})
        return on_host.to(device, non_blocking=True)


@MODELS.register_module()
class LabPreprocessor(BaseDataPreprocessor):
    """RGB 0..255 on the host -> Lab on the device (kornia: sRGB, D65), scaled to [-1, 1].

    The source is the lightness L / 50 - 1 of the target, or where there is no target of the source picture: so a grey
    picture goes in as it is.

    Args:
        predicted: 'ab' makes ab / `ab_range` the target, two channels; 'lab' puts L / 50 - 1 before them: the networks
            then see and predict the whole, but a picture is put together with the L of its source all the same.
        ab_range: the greatest |a| and |b|: 110 (sRGB reaches 107.9), or 128.

    Raises:
        ConfigError: `predicted` is neither.
    """

    needs_statistics = False
    makes_source = True
    keeps_detail = True

    def __init__(self, predicted: Annotated[str, Choices(PREDICTED)] = "ab", ab_range: Positive = 110.0) -> None:
        super().__init__(non_blocking=True)
        one_of("predicted", predicted, PREDICTED)
        self.predicted, self.ab_range = predicted, ab_range

    def forward(self, data: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """The batch on the device: source (B, 1, H, W); target (B, 2 or 3, H, W), where pictures have one."""
        from kornia.color import rgb_to_lab

        picture = "target" if "target" in data else "source"
        batch = dict(self.cast_data({key: value for key, value in data.items() if key != "source" or key == picture}))
        with PinnedConstants():
            lab = _by_rows(lambda rows: rgb_to_lab(rows.float().div(255.0)), batch[picture])
        batch["source"] = lab[:, :1] / 50 - 1
        if picture == "target":
            color = lab[:, 1:] / self.ab_range
            batch["target"] = color if self.predicted == "ab" else torch.cat([batch["source"], color], 1)
        return with_hint(batch)

    def to_picture(self, image: Tensor, key: str, source: Tensor | None = None) -> Tensor:
        """RGB (B, 3, H, W) in [-1, 1]: a source as grey, a target with the lightness of its `source`.

        Black and white stay what they are, whatever colour is predicted.

        A source larger than the image keeps its own size: the colour is brought to it (bilinear).
        """
        from kornia.color import lab_to_rgb

        lightness = image if key == "source" or source is None else source
        color = image.new_zeros(1).expand(len(image), 2, *lightness.shape[-2:])
        if key != "source":
            color = image[:, -2:] * self.ab_range
            if color.shape[-2:] != lightness.shape[-2:]:
                color = F.interpolate(color, lightness.shape[-2:], mode="bilinear", align_corners=False)
        level = (lightness.float()[:, :1] + 1) * 50
        # Black and white have no colour: brought back into sRGB, one of theirs would come out as dark red or the like.
        has_color = (level > _BLACK) & (level < 100 - _BLACK)
        lab = torch.cat([level, color.float() * has_color], 1)
        return _by_rows(lambda rows: lab_to_rgb(rows).mul(2).sub(1), lab)


def _by_rows(convert: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """What works on each pixel by itself: kornia's way takes a dozen times the memory of what it converts."""
    if image.shape[-2] <= _ROWS:
        return convert(image)
    return torch.cat([convert(rows) for rows in image.split(_ROWS, -2)], -2)
