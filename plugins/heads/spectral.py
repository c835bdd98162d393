"""Spectral normalisation of a whole network (Miyato et al., ICLR 2018)."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

LAYERS = (nn.Conv2d, nn.Linear, nn.Embedding)


def add_spectral_norm(network: nn.Module, layers: tuple[type[nn.Module], ...] = LAYERS) -> None:
    """Divide every layer of these kinds by its largest singular value, in place.

    The value is estimated by one power iteration in each forward pass of train mode; eval mode leaves it as it is.
    """
    for module in list(network.modules()):
        if isinstance(module, layers):
            spectral_norm(module)
