"""What backbones share that encode a source and decode it with a vector of noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class EncoderDecoder(nn.Module):
    """A network whose noise, where `noise_channels` is not 0, is a vector for the whole picture.

    A subclass has `encode(source, *, label, hint) -> state` and `decode(state, noise) -> picture`.
    """

    noise_channels: int
    encode: Any
    decode: Any

    def noise_shape(self, height: int, width: int) -> tuple[int]:
        """The shape of one sample's noise, whatever the size."""
        return (self.noise_channels,)

    def forward(
        self, source: Tensor, *, label: Tensor | None = None, hint: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """A picture (B, out_channels, H, W) in [-1, 1].

        Args:
            source: (B, in_channels, H, W) in [-1, 1].
            label: (B,), where there are classes.
            hint: (B, hint_channels, H, W); None for none.
            noise: (B, noise_channels) ~ N(0, 1), drawn where it is None.

        Raises:
            ConfigError, DataError: see `encode`.
        """
        if noise is None and self.noise_channels:
            noise = torch.randn(len(source), self.noise_channels, device=source.device, dtype=source.dtype)
        return self.decode(self.encode(source, label=label, hint=hint), noise)
