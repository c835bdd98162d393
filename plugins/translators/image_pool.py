"""The image pool: the discriminator also sees pictures of earlier generators (Shrivastava et al., CVPR 2017, 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from sketchkit.errors import ConfigError


class ImagePool:
    """Keeps up to `size` generated pictures; once full, each new one is swapped with a kept one half of the time.

    Random numbers come from torch's CPU generator, so that a resumed run goes on as it would have.

    Raises:
        ConfigError: a negative size; 0 passes everything on.
    """

    def __init__(self, size: int = 50) -> None:
        if size < 0:
            raise ConfigError(f"pool_size={size} must not be negative: 0 keeps no pictures")
        self.size = size
        self.kept: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        """A batch (B, C, H, W) for the discriminator: the pictures given, or in their places older ones."""
        return torch.stack([self._pass(image) for image in images.detach()]) if self.size else images.detach()

    def _pass(self, image: Tensor) -> Tensor:
        if len(self.kept) < self.size:
            self.kept.append(image.clone())
            return image
        if torch.rand(()) < 0.5:
            return image
        place = int(torch.randint(self.size, ()))
        # A pool filled at another size, by random crops or a changed config, has nothing to swap.
        older, self.kept[place] = self.kept[place], image.clone()
        return older if older.shape == image.shape else image

    def state(self) -> list[Tensor]:
        """The kept pictures, on the CPU."""
        return [image.cpu() for image in self.kept]

    def load(self, kept: list[Tensor], device: torch.device) -> None:
        """Take over what `state` returned; a smaller pool takes the first of them."""
        self.kept = [image.to(device) for image in kept[: self.size]]
