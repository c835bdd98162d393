"""What a trained run does to a picture before its networks see it: the steps of its pipeline for use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from sketchkit.data.transforms.build import Only, Transform, build_transform
from sketchkit.translators.pictures import IMAGES


class Preparation:
    """The steps of a pipeline that also prepare a picture to be translated, for each kind of picture."""

    def __init__(self, pipeline: Sequence[Mapping[str, Any]]) -> None:
        built = [build_transform(step) for step in pipeline]
        self.steps = {kind: list(_for_use(built, kind)) for kind in IMAGES}

    def __call__(self, picture: Tensor, kind: str) -> Tensor:
        """A 'source' or 'target' (3, H, W) uint8, prepared; its size stays."""
        sample: Any = {kind: tv_tensors.Image(picture)}
        for step in self.steps[kind]:
            # `Only` asks for all of its keys, and there is one.
            sample = step.transform(sample) if isinstance(step, Only) else step(sample)
        return sample[kind].as_subclass(Tensor)


def _for_use(steps: Iterable[Transform], kind: str) -> Iterator[Transform]:
    for step in steps:
        if isinstance(step, Only):
            yield from _for_use(step.steps, kind) if kind in step.keys else ()
        elif isinstance(step, v2.Grayscale) or kind in getattr(step, "for_use", ()):
            yield step
