"""PatchGANs at several scales (pix2pixHD: Wang et al., CVPR 2018, arXiv 1711.11585, section 3.2)."""

from __future__ import annotations

from typing import Annotated, Any

from torch import Tensor, nn

from sketchkit.declared import Range
from sketchkit.options import whole_number
from sketchkit.registry import HEADS, HeadOutput

from ..layers.norm import Norm
from .patch import PatchDiscriminator


@HEADS.register_module()
class MultiScaleDiscriminator(nn.Module):
    """`num_scales` PatchGANs of their own weights, each on the picture halved once more by a 3 x 3 average.

    pix2pixHD pads its convolutions by 2, which adds logits at the borders; here they are `PatchDiscriminator`'s, whose
    other options are taken too. norm='instance' is the paper's, and three scales are for 2048 x 1024 pixels.

    Raises:
        ConfigError: no scale; see also `PatchDiscriminator`.
    """

    def __init__(self, num_scales: Annotated[int, Range(1, 12)] = 2, norm: Norm = "instance", **options: Any) -> None:
        super().__init__()
        whole_number("num_scales", num_scales, 1)
        self.hint_channels = options.get("hint_channels", 0)
        self.scales = nn.ModuleList(PatchDiscriminator(norm=norm, **options) for _ in range(num_scales))
        # Places beyond the border do not count, so that a flat picture stays flat.
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(
        self, image: Tensor, source: Tensor | None = None, label: Tensor | None = None, hint: Tensor | None = None
    ) -> HeadOutput:
        """image, source and hint as of `PatchDiscriminator`, whatever the scales.

        Returns:
            The logits of every scale, the finest first, and the activations of all in that order.

        Raises:
            ConfigError: a picture too small for a patch of the coarsest scale; see also `PatchDiscriminator`.
        """
        outputs = []
        for scale in self.scales:
            outputs.append(scale(image, source, label, hint))
            image, source, hint = self.halve(image), self._halved(source), self._halved(hint)
        features = tuple(feature for output in outputs for feature in output.features)
        return HeadOutput(tuple(logits for output in outputs for logits in output.scales), features=features)

    def _halved(self, picture: Tensor | None) -> Tensor | None:
        return None if picture is None else self.halve(picture)
