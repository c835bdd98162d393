"""What extractors share: a network that is built when it is first needed, at full precision; pictures of one size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sketchkit.data.image_io import UnusablePicture
from sketchkit.evaluation.metric import FeatureExtractor, Setup
from sketchkit.pretrained.weights import file_digest


class NetworkExtractor(FeatureExtractor):
    """An extractor through a network, whose weights are found at once and read at the first `extract` only.

    Args:
        setup: see `Setup`.
        network_name: as weights are looked up by.
        file: its weights, before those that `setup` names.

    Attributes:
        file: the weights; None where they are random.
        weights: the file's sha256 in hex, or 'random'.

    Raises:
        ConfigError: there is no such network.
        WeightsError: the weights cannot be had.
    """

    def __init__(self, setup: Setup, network_name: str, file: str | Path | None = None) -> None:
        self.network_name = network_name
        self.device, self.seed = torch.device(setup.device), setup.seed
        self.file = setup.find(network_name, file)
        self.weights = "random" if self.file is None else file_digest(self.file)

    @property
    def origin(self) -> dict[str, Any]:
        """The part of the identity that says which network it is."""
        seed = {} if self.file else {"seed": self.seed}
        return {"network": self.network_name, "weights": self.weights, **seed}

    @cached_property
    def network(self) -> nn.Module:
        """The network with its weights, on its device.

        Raises:
            WeightsError: the weights do not fit.
        """
        # Inits that weights replace, and random weights, leave the streams of the caller as they are.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            return self.build().to(self.device)

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with its weights, in eval mode, on the CPU."""

    def __getstate__(self) -> dict[str, Any]:
        # Data workers prepare pictures, and need no copy of the network.
        return {name: value for name, value in self.__dict__.items() if name != "network"}


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Neither autocast, nor TF32 or bf16 in place of float32; what was set before is set again afterwards."""
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = convolutions
        torch.set_float32_matmul_precision(products)


def check_sizes(measure: str, pictures: Sequence[Tensor], least: int = 1) -> None:
    """Refuse pictures (3, H, W) that cannot be laid on one another, or are too small.

    Raises:
        UnusablePicture: sizes differ, or a side has fewer than `least` pixels.
    """
    sizes = dict.fromkeys(f"{picture.shape[-1]}x{picture.shape[-2]}" for picture in pictures)
    if len(sizes) > 1:
        raise UnusablePicture(f"{measure} compares pictures of one size and got {' and '.join(sizes)}: resize one set")
    if min(pictures[0].shape[-2:]) < least:
        raise UnusablePicture(f"{measure} needs pictures of {least}x{least} or more and got {next(iter(sizes))}")
