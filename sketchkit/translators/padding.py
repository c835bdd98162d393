"""Pictures of one batch of sources: the encoder runs once, every further noise costs one decoder pass."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sketchkit.errors import ConfigError, DataError
from sketchkit.translators.protocol import InferenceProtocol, seeded

COUNTS = {"label": "num_classes", "hint": "hint_channels", "noise": "noise_channels"}


def takes(backbone: Any, name: str) -> bool:
    """Whether a backbone takes `label`, `hint` or `noise`.

    The signature of its `forward` names it, and the attribute that counts what it was built for is not 0: see `COUNTS`.
    """
    return name in inspect.signature(backbone.forward).parameters and getattr(backbone, COUNTS[name], None) != 0


def hint_channels(backbone: Any) -> int:
    """How many channels of a hint a network takes: its `hint_channels`, where it takes hints.

    Raises:
        ConfigError: it takes hints and does not say of how many channels.
    """
    if not takes(backbone, "hint"):
        return 0
    channels = getattr(backbone, "hint_channels", None)
    if channels is None:
        raise ConfigError(f"{type(backbone).__name__} takes a hint: give it an attribute hint_channels, 0 for none")
    return channels


class PaddedGenerator:
    """Translates `batch['source']` (B,C,H,W) with a backbone, any H and W: padded to its multiple and cropped back.

    Args:
        backbone: a network that obeys the backbone contract; see `sketchkit.registry`.
        batch: `source`, and `label` or `hint` where the backbone names them.
        protocol: what norms and dropout do in `picture_of` and `tested`.

    Raises:
        DataError: the backbone needs a label that the batch does not have.
        ConfigError: the source has other channels than the backbone takes.
    """

    def __init__(
        self, backbone: nn.Module, batch: Mapping[str, Any], protocol: InferenceProtocol | None = None
    ) -> None:
        self.backbone: Any = backbone
        self.protocol = protocol or InferenceProtocol()
        source = batch["source"]
        wanted = getattr(backbone, "in_channels", source.shape[1])
        if source.shape[1] != wanted:
            raise ConfigError(
                f"backbone.in_channels={wanted} but the pictures have {source.shape[1]} channels: change the one, or "
                "the pipeline (Grayscale within Only makes a source of one channel)"
            )
        self.size = source.shape[-2:]
        multiple = getattr(backbone, "size_multiple", 1)
        self.source = _pad(source, multiple)
        named = inspect.signature(backbone.forward).parameters
        self.conditions = {name: batch[name] for name in ("label", "hint") if takes(backbone, name) and name in batch}
        if "hint" in self.conditions:
            self.conditions["hint"] = _pad(self.conditions["hint"], multiple, mode="constant")
        if "label" in named and named["label"].default is inspect.Parameter.empty and "label" not in batch:
            raise DataError(f"{type(backbone).__name__} needs class labels, and the data set has none")
        self.takes_noise = takes(backbone, "noise")
        self._state: Any = None

    def __call__(self, noise: Tensor | None = None) -> Tensor:
        """The pictures (B,Ct,H,W) in float32; `noise` (B, *noise_shape) where the backbone takes it."""
        if not self.takes_noise:
            image = self.backbone(self.source, **self.conditions)
        else:
            if self._state is None:
                self._state = self.backbone.encode(self.source, **self.conditions)
            image = self.backbone.decode(self._state, noise)
        height, width = self.size
        return image[..., :height, :width].float()

    def forget(self) -> None:
        """Let go of what the encoder made, which the next picture makes again."""
        self._state = None

    @property
    def varies(self) -> bool:
        """Whether a source has more than one picture: by noise, or by dropout where the protocol has it."""
        return self.takes_noise or self.protocol.drops_in(self.backbone)

    def picture_of(self, keys: Sequence[str], draw: int = 0) -> Tensor:
        """The pictures by the protocol; each depends on its source, its name and `draw` alone."""
        return self.tested(self.noise_of(keys, draw), [f"{key}#{draw}" for key in keys])

    def tested(self, noise: Tensor | None = None, names: Sequence[str] | None = None) -> Tensor:
        """The pictures by the protocol; what dropout drops goes by a name for each, or is drawn at random."""
        if self.protocol.dropout:
            self.forget()  # dropped for another draw
        with self.protocol.followed(len(self.source), names):
            return self(noise)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """The shape of one sample's noise."""
        return tuple(self.backbone.noise_shape(*self.source.shape[-2:]))

    def draw_noise(self) -> Tensor | None:
        """Standard normal noise for the batch; None when the backbone takes none."""
        if not self.takes_noise:
            return None
        return torch.randn(len(self.source), *self.noise_shape, device=self.source.device)

    def noise_of(self, keys: Sequence[str], draw: int = 0) -> Tensor | None:
        """Noise that depends on each sample's name and on `draw` alone, so that no batch mate or device changes it."""
        if not self.takes_noise:
            return None
        rows = [torch.randn(self.noise_shape, generator=seeded(f"{key}#{draw}")) for key in keys]
        return torch.stack(rows).to(self.source.device)


def _pad(image: Tensor, multiple: int, mode: str = "replicate") -> Tensor:
    height, width = image.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    return F.pad(image, (0, right, 0, bottom), mode=mode) if bottom or right else image
