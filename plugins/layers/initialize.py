"""How weights are drawn before training, by the names that users of pix2pix and CycleGAN know."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sketchkit.options import one_of

from .upsampling import PixelShuffleUpsampling

INITS: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: nn.init.xavier_normal_(weight, gain),
    "kaiming": lambda weight, _: nn.init.kaiming_normal_(weight),
    "orthogonal": lambda weight, gain: nn.init.orthogonal_(weight, gain),
}


def initialize(network: nn.Module, init: str = "normal", gain: float = 0.02, *, norms: bool = True) -> None:
    """Draw every convolution and linear layer of a network anew, in place: biases 0, batch norm N(1, gain) and 0.

    normal is N(0, gain); xavier (Glorot and Bengio 2010) and orthogonal (Saxe et al. 2014) are scaled by `gain`;
    kaiming (He et al. 2015) has no use for it. Pixel shuffles are drawn by ICNR. norms=False leaves batch norm at 1,
    as in masked residual networks; other norms always stay as they are.

    Raises:
        ConfigError: an unknown name.
    """
    one_of("init", init, INITS)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            INITS[init](module.weight, gain)
            _zero(module.bias)
        elif norms and isinstance(module, _BatchNorm) and module.affine:
            nn.init.normal_(module.weight, 1.0, gain)
            _zero(module.bias)
    for module in network.modules():
        if isinstance(module, PixelShuffleUpsampling):
            module.initialize(lambda weight: INITS[init](weight, gain))


def _zero(bias: Tensor | None) -> None:
    if bias is not None:
        nn.init.zeros_(bias)
