"""What a trained run does to a picture before its networks see it: the steps of its pipeline for use, and its scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sketchkit.data.transforms import hints, sketch
from sketchkit.data.transforms.sample import as_picture
from sketchkit.data.transforms.scale import RESIZERS, Resizer, Scale, resizes, scale_of
from sketchkit.errors import ConfigError
from sketchkit.options import check_options, explained
from sketchkit.translators.pictures import IMAGES

# Found without the rest of what TRANSFORMS knows, which imports torchvision.
QUICK = (hints.ColorHints, sketch.InvertSketch, sketch.DistanceField)
_TRIED = 64  # pixels a side of a picture to try the steps with


class Preparation:
    """The steps of a pipeline that also prepare a picture to be translated, for each kind of picture.

    Attributes:
        before, after: by kind, the steps before and after the last one that makes whole pictures larger or smaller;
            where none does, all are before.
        resize: by kind, that step, or None.

    Raises:
        ConfigError: a step is none, or does nothing with a picture but fail.
    """

    def __init__(self, pipeline: Sequence[Mapping[str, Any]]) -> None:
        self.before: dict[str, list[Any]] = {}
        self.after: dict[str, list[Any]] = {}
        self.resize: dict[str, Any] = {}
        for kind in IMAGES:
            with explained(f"the pipeline for a {kind}"):
                steps = list(_for_use(pipeline, kind))
            place = max((number for number, step in enumerate(steps) if resizes(step)), default=len(steps))
            self.before[kind] = [step for step in steps[:place] if not resizes(step)]
            self.after[kind] = steps[place + 1 :]
            self.resize[kind] = steps[place] if place < len(steps) else None
            with explained("pipeline"):
                self(torch.zeros(3, _TRIED, _TRIED, dtype=torch.uint8), kind)

    def scale(self, kind: str, height: int, width: int) -> Scale | None:
        """The scale at which training saw whole pictures, for one of that size; None: at their own."""
        step = self.resize[kind]
        return scale_of(step, height, width) if step else None

    def __call__(self, picture: Tensor, kind: str, scale: Scale | None = None) -> Tensor:
        """A 'source' or 'target' (3, H, W) uint8, prepared, at that scale or at its own."""
        picture = _applied(self.before[kind], picture, kind)
        return _applied(self.after[kind], scale(picture) if scale else picture, kind)


def _applied(steps: Iterable[Any], picture: Tensor, kind: str) -> Tensor:
    for step in steps:
        picture = step({kind: picture if isinstance(step, QUICK) else as_picture(picture)})[kind].as_subclass(Tensor)
    return picture


def _for_use(pipeline: Any, kind: str) -> Iterator[Any]:
    """The steps that prepare a picture of that kind, built."""
    for config in pipeline if isinstance(pipeline, list | tuple) else [pipeline]:
        if not isinstance(config, Mapping) or not isinstance(config.get("type"), str):
            raise ConfigError(f"a step of the pipeline is {config!r:.60}: give dict(type=NAME, ...)")
        name, keys = config["type"], config.get("keys", ("target",))
        if name == "Only":
            yield from _for_use(config.get("transform") or (), kind) if kind in _listed(keys) else ()
        elif name in RESIZERS:
            yield Resizer(config)
        else:
            step = _built(config)
            if kind in _uses(step, name):
                yield step


def _listed(keys: Any) -> Any:
    return keys if isinstance(keys, list | tuple) else (keys,)


def _built(config: Mapping[str, Any]) -> Any:
    for kind in QUICK:
        if kind.__name__ == config["type"]:
            options = {key: value for key, value in config.items() if key != "type"}
            check_options(kind, options)
            return kind(**options)
    from sketchkit.data.transforms.build import build_transform

    return build_transform(config)


def _uses(step: Any, name: str) -> Sequence[str]:
    """The kinds of pictures that a step prepares; torchvision's `Grayscale` does both."""
    return IMAGES if name == "Grayscale" or resizes(step) else getattr(step, "for_use", ())
