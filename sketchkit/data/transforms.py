"""Transforms of a sample: every one of torchvision's v2 by its own name, and what a sketch needs besides.

A sample is a dict of `tv_tensors.Image` (uint8, (3, H, W)). torchvision's transforms draw their random numbers once a
call, so that source and target move together; `Only` keeps one to the keys it names. The usual order: DistanceField
or InvertSketch, then Resize to a (height, width) that brings source and target to one size, then geometry
(whose `fill` is the ground of the sketch as it is by then: 0 after InvertSketch, 255 before), then colour.
Randomness comes from torch's generator alone, which the data set seeds for every draw. A class whose `for_use` names
`source`, `target` or both also prepares a picture of that kind for a trained run; the others belong to training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from sketchkit.errors import ConfigError
from sketchkit.registry import TRANSFORMS, check_options, did_you_mean

Sample = dict[str, Any]
Transform = Callable[[Sample], Sample]

# mmcv has classes of some of these names, but they work on its own result dicts: here the name means torchvision's.
for _name, _class in vars(v2).items():
    if isinstance(_class, type) and issubclass(_class, v2.Transform) and _class is not v2.Transform:
        TRANSFORMS.register_module(name=_name, module=_class)


def build_transform(config: Mapping[str, Any] | Transform) -> Transform:
    """The transform of `dict(type=NAME, **options)`, those nested in its options built too; a built one passes.

    Raises:
        ConfigError: no such transform or option.
    """
    if not isinstance(config, Mapping):
        if not callable(config):
            raise ConfigError(f"{config!r} is no transform: write dict(type='Resize', size=[64, 64])")
        return config
    options = {key: _build_nested(value) for key, value in config.items()}
    name = options.pop("type", None)
    if name is None:
        raise ConfigError(f"a transform needs a type: {did_you_mean('', TRANSFORMS.names())}")
    entry = TRANSFORMS.get(name)
    check_options(entry, options)
    return entry(**options)


def build_pipeline(configs: Sequence[Mapping[str, Any] | Transform]) -> Transform:
    """The transforms one after another; none at all gives the identity."""
    return v2.Compose([build_transform(config) for config in configs] or [v2.Identity()])


def _build_nested(value: Any) -> Any:
    if isinstance(value, Mapping) and "type" in value:
        return build_transform(value)
    if isinstance(value, list | tuple):
        return type(value)(_build_nested(item) for item in value)
    return value


@TRANSFORMS.register_module()
class Only:
    """Applies a transform, or several, to the named keys and leaves the rest, such as a colour jitter to photos."""

    def __init__(
        self,
        keys: Sequence[str] = ("target",),
        transform: Mapping[str, Any] | Transform | Sequence[Mapping[str, Any] | Transform] | None = None,
    ) -> None:
        self.keys = (keys,) if isinstance(keys, str) else tuple(keys)
        steps: Any = transform if isinstance(transform, list | tuple) else [transform or v2.Identity()]
        self.steps = [build_transform(step) for step in steps]
        self.transform = build_pipeline(self.steps)

    def __call__(self, sample: Sample) -> Sample:
        """The sample with the named keys transformed together.

        Raises:
            ConfigError: the sample has no such key.
        """
        for key in self.keys:
            if key not in sample:
                raise ConfigError(f"Only: a sample has no '{key}': {did_you_mean(key, sample)}")
        return {**sample, **self.transform({key: sample[key] for key in self.keys})}


@TRANSFORMS.register_module()
class ResizeAndCrop:
    """Random jitter of Isola et al. (CVPR 2017, section 6.2): a square of `load_size`, and `size` of it at random.

    load_size: None is the paper's 286 for 256 pixels, in proportion; equal to `size` leaves no jitter.

    Raises:
        ConfigError: load_size is less than size.
    """

    def __init__(self, size: int = 256, load_size: int | None = None) -> None:
        load = round(size * 286 / 256) if load_size is None else load_size
        if load < size:
            raise ConfigError(
                f"load_size={load} is less than the crop of image_size={size}: raise the one or lower the other"
            )
        self.steps = v2.Compose([v2.Resize((load, load), antialias=True), v2.RandomCrop(size)])

    def __call__(self, sample: Sample) -> Sample:
        """The sample with its pictures resized and cropped alike, to (size, size)."""
        return self.steps(sample)


@TRANSFORMS.register_module()
class ResizeWidth:
    """Pictures of this width and of their own shape; the height is rounded to a multiple of `multiple`."""

    def __init__(self, width: int = 256, multiple: int = 1) -> None:
        self.width, self.multiple = width, multiple

    def __call__(self, sample: Sample) -> Sample:
        """The sample with each of its pictures resized by its own shape, so that registered ones stay so."""
        return {key: self._resize(picture) for key, picture in sample.items()}

    def _resize(self, picture: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        rows = max(round(height * self.width / width / self.multiple), 1) * self.multiple
        return v2.functional.resize(picture, [rows, self.width], antialias=True)


@TRANSFORMS.register_module()
class InvertSketch:
    """White lines on black: source = 255 - source. Comes first, so that a black fill later on adds no line."""

    for_use = ("source",)

    def __call__(self, sample: Sample) -> Sample:
        """The sample with its `source` inverted."""
        return {**sample, "source": v2.functional.invert(sample["source"])}


@TRANSFORMS.register_module()
class DistanceField:
    """The sketch as Euclidean distance to the nearest ink, over the image's maximum (SketchyGAN, section 3.2).

    Takes black ink on white, before InvertSketch and best before Resize, which thins lines to grey: a pixel is ink when
    it is darker than `threshold`. Gives 0 on ink to 255 farthest from it; a blank sketch, as far as can be, is all 255.
    """

    for_use = ("source",)

    def __init__(self, threshold: int = 128) -> None:
        self.threshold = threshold

    def __call__(self, sample: Sample) -> Sample:
        """The sample with its `source` as a distance field, (3, H, W) uint8."""
        return {**sample, "source": tv_tensors.Image(self._field(sample["source"]))}

    def _field(self, sketch: Tensor) -> Tensor:
        paper = sketch.float().mean(0).ge(self.threshold).numpy().astype(np.uint8)
        if paper.all():
            return torch.full_like(sketch, 255)
        distance = cv2.distanceTransform(paper, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        field = np.rint(255 * distance / max(distance.max(), 1)).astype(np.uint8)
        return torch.from_numpy(field).expand(3, -1, -1).contiguous()
