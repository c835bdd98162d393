"""Transforms that bring pictures to a size."""

from __future__ import annotations

from torch import Tensor
from torchvision.transforms import v2

from sketchkit.data.transforms.sample import Sample
from sketchkit.declared import Interpolation, Side
from sketchkit.errors import ConfigError
from sketchkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ResizeAndCrop:
    """Random jitter of Isola et al. (CVPR 2017, section 6.2): a square of `load_size`, and `size` of it at random.

    load_size: None is the paper's 286 for 256 pixels, in proportion; equal to `size` leaves no jitter.
    interpolation: 'bicubic' is the reference's, 'bilinear' blurs; both antialiased.

    Raises:
        ConfigError: load_size is less than size.
    """

    def __init__(
        self, size: Side = 256, load_size: Side | None = None, interpolation: Interpolation = "bilinear"
    ) -> None:
        load = round(size * 286 / 256) if load_size is None else load_size
        if load < size:
            raise ConfigError(
                f"load_size={load} is less than the crop of image_size={size}: raise the one or lower the other"
            )
        self.load, self.interpolation = load, interpolation
        way = v2.InterpolationMode(interpolation)
        self.steps = v2.Compose([v2.Resize((load, load), way, antialias=True), v2.RandomCrop(size)])

    def __call__(self, sample: Sample) -> Sample:
        """The sample with its pictures resized and cropped alike, to (size, size)."""
        return self.steps(sample)

    def short_side(self, height: int, width: int) -> int:
        """The pixels of the shorter side of a whole picture."""
        return self.load


@TRANSFORMS.register_module()
class ResizeWidth:
    """Pictures of this width and of their own shape; the height is rounded to a multiple of `multiple`."""

    def __init__(self, width: Side = 256, multiple: Side = 1, interpolation: Interpolation = "bilinear") -> None:
        self.width, self.multiple, self.interpolation = width, multiple, interpolation

    def __call__(self, sample: Sample) -> Sample:
        """The sample with each of its pictures resized by its own shape, so that registered ones stay so."""
        return {key: self._resize(picture) for key, picture in sample.items()}

    def short_side(self, height: int, width: int) -> int:
        """The pixels of the shorter side of a picture of that size."""
        return min(self.width, round(height * self.width / width))

    def _resize(self, picture: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        rows = max(round(height * self.width / width / self.multiple), 1) * self.multiple
        return v2.functional.resize(
            picture, [rows, self.width], v2.InterpolationMode(self.interpolation), antialias=True
        )
