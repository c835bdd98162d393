"""Class labels."""

from __future__ import annotations

import torch
from torch import Tensor

from sketchkit.errors import ConfigError


def check_label(label: Tensor | None, num_classes: int, owner: str) -> None:
    """Refuse a missing label and, of labels (B,) on the CPU, one outside 0 .. num_classes - 1.

    Raises:
        ConfigError: says what the network was built for.
    """
    if label is None:
        values = f"0 .. {num_classes - 1}"
        raise ConfigError(f"{owner} needs a label for each picture, of {values}: give data with classes, or label=(B,)")
    # On an accelerator a look at the values waits for all queued work, and no compiled graph can hold it.
    if label.device.type != "cpu" or torch.compiler.is_compiling():
        return
    wrong = label[(label < 0) | (label >= num_classes)]
    if wrong.numel():
        raise ConfigError(
            f"label {int(wrong[0])} is outside 0 .. {num_classes - 1} of {owner}: raise num_classes or mend the labels"
        )
