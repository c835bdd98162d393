"""sketchkit: train, judge, draw with and extend image translators.

    import sketchkit

    translate = sketchkit.load("runs/pix2pix_facades")
    translate("labels.png").save("facade.png")

The functions are those of `sketchkit.face`; importing this package imports nothing else until one of them is asked for.
"""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "build", "configs", "evaluate", "load", "stylize", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sketchkit' has no attribute '{name}'")
    return getattr(importlib.import_module("sketchkit.face"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
