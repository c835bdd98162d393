"""The sizes that the masked residual networks can be built for."""

from __future__ import annotations

from sketchkit.errors import ConfigError


def level_count(image_size: int, smallest: int) -> int:
    """How many halvings lead from `image_size` to maps of `smallest` pixels.

    Raises:
        ConfigError: the size is not `smallest` times 2, 4, 8, ...
    """
    halvings = (image_size // smallest).bit_length() - 1
    if halvings < 1 or image_size != smallest * 2**halvings:
        sizes = ", ".join(str(smallest * 2**n) for n in range(1, 6))
        raise ConfigError(f"image_size={image_size} cannot be halved down to {smallest}: use one of {sizes}, ...")
    return halvings
