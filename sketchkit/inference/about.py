"""What a translation says of itself: all that its pixels depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sketchkit
from sketchkit.inference.request import Request, Translation
from sketchkit.inference.trained import TrainedTranslator

_OUTCOME = ("size", "notes")


def about_output(
    translator: TrainedTranslator,
    request: Request,
    noise: int,
    *,
    source: str,
    side: str | None,
    hint: str | None,
    label: str | None,
) -> dict[str, Any]:
    """For the file of one output, plain values: what asks for the same again says the same.

    Args:
        noise: the number of its noise.
        source, hint: SHA-256, in hex, of the files' bytes.
        side: 'left' or 'right' where that half of the source is meant.
        label: the class.
    """
    about = {
        "sketchkit": sketchkit.__version__,
        "run": translator.path.absolute().parent.name,
        "checkpoint": translator.digest,
        "iteration": translator.iteration,
        "code": translator.code,
        "source": source,
        "side": side,
        "class": label,
        "noise": noise if translator.varies else None,
        "direction": request.direction,
        "asked_size": request.size,
        "lines": request.lines,
        "fit": request.fit,
        "detail": translator.detail_of(request),
        "hint": hint,
        "tiles": request.tile if request.insist else None,
        "test_norm": translator.protocol.norm,
        "test_dropout": translator.protocol.dropout,
    }
    return {key: value for key, value in about.items() if value is not None}


def with_outcome(about: dict[str, Any], translation: Translation) -> dict[str, Any]:
    """What also came of it: the size at which networks worked, as [height, width], and what was done before."""
    return {**about, "size": list(translation.size), "notes": list(translation.notes)}


def without_outcome(about: Mapping[str, Any]) -> dict[str, Any]:
    """What `with_outcome` was given."""
    return {key: value for key, value in about.items() if key not in _OUTCOME}
