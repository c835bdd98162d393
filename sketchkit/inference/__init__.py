"""A run folder -> a translator one can call."""

from sketchkit.sharding import leave_out

leave_out()  # before what imports mmengine's models

from sketchkit.inference.request import Request, Source, Translation  # noqa: E402
from sketchkit.inference.trained import TrainedTranslator  # noqa: E402

__all__ = ["Request", "Source", "TrainedTranslator", "Translation"]
