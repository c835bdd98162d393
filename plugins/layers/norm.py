"""The norms of pix2pix and CycleGAN, and which convolutions before them have a bias."""

from __future__ import annotations

from torch import Tensor, nn

from sketchkit.errors import DataError
from sketchkit.options import one_of

NORMS = ("batch", "instance", None)


def make_norm(norm: str | None, channels: int) -> nn.Module:
    """A norm by one of the names in NORMS; instance norm has neither affine parameters nor running statistics.

    Raises:
        ConfigError: an unknown name.
    """
    one_of("norm", norm, NORMS)
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.Identity() if norm is None else nn.InstanceNorm2d(channels)


def needs_bias(norm: str | None, bias: bool | None = None) -> bool:
    """Whether a convolution before `norm` has a bias: as `bias` says or, where that is None, unless batch norm has one.

    Instance norm takes a bias away again, yet the reference code has it there.
    """
    return norm != "batch" if bias is None else bias


def check_variance(norm: str | None, picture: Tensor, shrinks: int, training: bool, owner: str) -> None:
    """Refuse a picture (B, C, H, W) whose map of H / shrinks by W / shrinks has one value a channel, so no variance.

    Raises:
        DataError: one value a channel; batch norm can do with it outside training.
    """
    height, width = (side // shrinks for side in picture.shape[-2:])
    values = height * width * (len(picture) if norm == "batch" else 1)
    if values == 1 and (norm == "instance" or (norm == "batch" and training)):
        batch = " of a batch of one" if norm == "batch" else ""
        raise DataError(f"{owner}: {norm} norm cannot work on a map of 1x1{batch}: give a picture twice as large")
