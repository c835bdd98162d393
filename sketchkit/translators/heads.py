"""Heads as a config's slot `heads` names them: the network, and what changes the pictures that it looks at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sketchkit.errors import ConfigError
from sketchkit.options import explained
from sketchkit.registry import AUGMENTATIONS, HEADS, HeadOutput
from sketchkit.translators.objective import StepInputs
from sketchkit.translators.padding import takes


class Augmentation(nn.Module, ABC):
    """Changes what a head looks at while it is trained, true pictures and fakes alike; in eval it changes nothing.

    A subclass gives `augmented`, through which gradients flow, second ones too. It is called outside of autocast.

    Attributes:
        observes: whether `observe` is to be called.
    """

    observes: bool = False

    def forward(self, pictures: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The pictures of `augmented` in training, and those given in eval."""
        return self.augmented(pictures) if self.training else dict(pictures)

    @abstractmethod
    def augmented(self, pictures: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Change a batch by one draw a sample, the same for all its pictures; draws differ between samples and calls.

        Geometry moves all of them. Colors change alike, by the same draw; a hint's as those of `image` do, and where a
        hint is silent (alpha 0) it stays so.

        Args:
            pictures: `image` (B, C, H, W), and as far as the head is given them `source` (B, C, H, W) in [-1, 1] and
                `hint` (B, 4, H, W), RGB in [-1, 1] times alpha, and alpha. Their heights and widths are the same.

        Returns:
            Pictures of the same names and shapes.
        """

    def observe(self, real_outputs: Sequence[HeadOutput]) -> dict[str, Tensor]:
        """Hear once a discriminator's step what the head says of the step's true pictures, as they were changed.

        Args:
            real_outputs: of each part of the batch, without gradients.

        Returns:
            Scalars for the log, by name.
        """
        return {}


class AugmentedHead(nn.Module):
    """A head that sees its pictures through an augmentation, whoever asks it: a term, a penalty, a report."""

    def __init__(self, head: nn.Module, augmentation: Augmentation) -> None:
        super().__init__()
        self.head, self.augmentation = head, augmentation

    def forward(
        self, image: Tensor, source: Tensor | None = None, label: Tensor | None = None, hint: Tensor | None = None
    ) -> HeadOutput:
        """As the head's own.

        Raises:
            ConfigError: the pictures differ in height or width.
        """
        given = {"image": image, "source": source, "hint": hint}
        pictures = {name: picture for name, picture in given.items() if picture is not None}
        if len({picture.shape[-2:] for picture in pictures.values()}) > 1:
            sizes = ", ".join(f"{name} {tuple(picture.shape[-2:])}" for name, picture in pictures.items())
            raise ConfigError(f"augment moves the pictures of a sample alike, and they differ in size ({sizes})")
        with torch.autocast(image.device.type, enabled=False):
            seen = self.augmentation(pictures)
        more = {"hint": seen["hint"]} if "hint" in seen else {}
        return self.head(seen["image"], source=seen.get("source"), label=label, **more)


def build_head(config: Mapping[str, Any]) -> nn.Module:
    """The head of a config's slot: the network of its options, behind the augmentation of its key `augment`.

    Raises:
        ConfigError: one of the two cannot be built.
    """
    options = dict(config)
    augment = options.pop("augment", None)
    head = HEADS.build(options)
    if augment is None:
        return head
    with explained("augment"):
        return AugmentedHead(head, AUGMENTATIONS.build(augment))


def network_of(head: nn.Module) -> nn.Module:
    """The network that judges, without what is before it."""
    return head.head if isinstance(head, AugmentedHead) else head


def conditions(head: nn.Module, batch: Mapping[str, Any]) -> dict[str, Any]:
    """What a head is given beside the picture: source, label and, where its `forward` names it, the hint."""
    given = {"source": batch["source"], "label": batch.get("label")}
    return {**given, "hint": batch.get("hint")} if takes(network_of(head), "hint") else given


def real_outputs(heads: nn.ModuleDict, inputs: StepInputs) -> dict[str, HeadOutput]:
    """What each head whose augmentation observes says of a step's true pictures; asked here where no term has."""
    with torch.no_grad():
        return {name: _without_graph(inputs("real_output", name)) for name in _observing(heads)}


def observe(heads: nn.ModuleDict, parts: Sequence[Mapping[str, HeadOutput]]) -> dict[str, Tensor]:
    """Tell augmentations the `real_outputs` of every part of a batch; returns what they log, HEAD_NAME -> value."""
    logs = {}
    for name, augmentation in _observing(heads).items():
        values = augmentation.observe([part[name] for part in parts])
        logs.update({f"{name}_{key}": value for key, value in values.items()})
    return logs


def _observing(heads: nn.ModuleDict) -> dict[str, Augmentation]:
    augmented = {name: head.augmentation for name, head in heads.items() if isinstance(head, AugmentedHead)}
    return {name: augmentation for name, augmentation in augmented.items() if augmentation.observes}


def _without_graph(output: HeadOutput) -> HeadOutput:
    """The logits alone, which is what is kept of every part of a batch."""
    logits = tuple(scale.detach() for scale in output.scales)
    return HeadOutput(logits if isinstance(output.logits, tuple) else logits[0])
