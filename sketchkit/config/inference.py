"""The section `inference` of a config: what people's pictures are to a trained run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from sketchkit.errors import ConfigError
from sketchkit.options import one_of

SourceKind: TypeAlias = Literal["picture", "drawing"]
Detail: TypeAlias = Literal["none", "ink", "guided"]


@dataclass(frozen=True)
class InferenceOptions:
    """What a trained run is told of the pictures that people give it.

    Attributes:
        source: 'drawing' where sources are lines on an even ground: a person's drawing is then brought to the look of
            the training's; 'picture' for all else.
        detail: how an output that was made at another size gets the source's size: 'none', resized; 'ink', the
            drawing's own lines over the resized colors; 'guided', by a guided filter whose guide is the source.

    Raises:
        ConfigError: another word, or ink of what is no drawing.
    """

    source: SourceKind = "picture"
    detail: Detail = "none"

    def __post_init__(self) -> None:
        one_of("inference.source", self.source, get_args(SourceKind))
        one_of("inference.detail", self.detail, get_args(Detail))
        if self.detail == "ink" and not self.is_drawing:
            raise ConfigError(
                "inference.detail='ink' is for drawings: set inference.source='drawing', or detail='none'"
            )

    @property
    def is_drawing(self) -> bool:
        """Whether sources are drawings."""
        return self.source == "drawing"


def inference_options(config: Mapping[str, Any]) -> InferenceOptions:
    """Those of a resolved config.

    Raises:
        ConfigError: as `InferenceOptions`.
    """
    return InferenceOptions(**(config.get("inference") or {}))
