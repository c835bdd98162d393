"""Transforms of a sample: every one of torchvision's v2 by its own name, and what a sketch needs besides.

A sample is a dict of `tv_tensors.Image` (uint8, (3, H, W)). torchvision's transforms draw their random numbers once a
call, so that source and target move together; `Only` keeps one to the keys it names. The usual order: DistanceField
or InvertSketch, then Resize to a (height, width) that brings source and target to one size, then geometry
(whose `fill` is the ground of the sketch as it is by then: 0 after InvertSketch, 255 before), then colour.
Randomness comes from torch's generator alone, which the data set seeds for every draw. A class whose `for_use` names
`source`, `target` or both also prepares a picture of that kind for a trained run; the others belong to training. One
that makes whole pictures larger or smaller says to what scale (see `sketchkit.data.transforms.scale`), and one that
draws the source says so by `draws`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from torchvision.transforms import v2

from sketchkit.data.transforms.sample import Sample, require
from sketchkit.declared import FOREIGN, Interpolation, Side
from sketchkit.errors import ConfigError
from sketchkit.options import check_options, did_you_mean
from sketchkit.registry import TRANSFORMS

Transform = Callable[[Sample], Sample]

# mmcv has classes of some of these names, but they work on its own result dicts: here the name means torchvision's.
for _name, _class in vars(v2).items():
    if isinstance(_class, type) and issubclass(_class, v2.Transform) and _class is not v2.Transform:
        TRANSFORMS.register_module(name=_name, module=_class)
        _options = inspect.signature(_class).parameters
        FOREIGN[_class] = {"size": Side | Sequence[Side] | None} if "size" in _options else {}
        if "interpolation" in _options:
            # What turns or warps tensors knows no third way.
            _words = Interpolation if "antialias" in _options else Literal["nearest", "bilinear"]
            FOREIGN[_class]["interpolation"] = _words


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
    if entry in FOREIGN and "interpolation" in options:
        # By their words only later versions of torchvision take them.
        options["interpolation"] = v2.InterpolationMode(options["interpolation"])
    return entry(**options)


def build_pipeline(configs: Sequence[Mapping[str, Any] | Transform]) -> v2.Compose:
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
        keys: str | Sequence[str] = ("target",),
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
            require(sample, key, "Only")
        return {**sample, **self.transform({key: sample[key] for key in self.keys})}
