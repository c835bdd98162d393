"""How far pictures that belong together are apart, as a network sees them: LPIPS (Zhang et al., CVPR 2018).

The linear heads are those of the `lpips` package, version 0.1; the trunk's weights are found as all others are. The
package builds no network here: it would look for its own weights, and take any file without a word.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sketchkit.errors import WeightsError
from sketchkit.evaluation.features.networks import NetworkExtractor, check_sizes, full_precision
from sketchkit.evaluation.metric import Setup
from sketchkit.options import one_of
from sketchkit.pretrained.feature_network import FeatureNetwork
from sketchkit.pretrained.weights import read_tensors

LEAST_SIDE = 32
HEADS = "0.1"
# The package's, which keeps a place where nothing is seen from dividing by 0.
EPSILON = 1e-10


class Trunk(NamedTuple):
    """A torchvision network, which of its `features` are compared, and how many channels each of those has."""

    network: str
    layers: tuple[int, ...]
    channels: tuple[int, ...]


TRUNKS = {
    "alex": Trunk("alexnet", (1, 4, 7, 9, 11), (64, 192, 384, 256, 256)),
    "squeeze": Trunk("squeezenet1_1", (1, 4, 7, 9, 10, 11, 12), (64, 128, 256, 384, 384, 512, 512)),
    "vgg": Trunk("vgg16", (3, 8, 15, 22, 29), (64, 128, 256, 512, 512)),
}


class LpipsExtractor(NetworkExtractor):
    """The LPIPS of a pair; of more pictures, the mean over all pairs of them. Rows of 1, 0 for equal pictures.

    Args:
        setup: `weights` may name a file for the trunk: alexnet, squeezenet1_1 or vgg16.
        net: the trunk: 'alex', 'squeeze' or 'vgg'.

    Raises:
        ConfigError: there is no such trunk.
        WeightsError: its weights cannot be had. They are read by the first `extract`; it raises it if they do not fit.
    """

    name: ClassVar[str] = "lpips"

    def __init__(self, setup: Setup, net: str = "alex") -> None:
        one_of("net", net, TRUNKS)
        self.net, self.trunk = net, TRUNKS[net]
        super().__init__(setup, self.trunk.network)

    @property
    def identity(self) -> dict[str, Any]:
        """The trunk, the digest of its weights, and the version of the heads."""
        return {"extractor": self.name, "version": 1, **self.origin, "heads": f"lpips {HEADS}"}

    def prepare(self, *pictures: Tensor) -> Tensor:
        """Two or more pictures (3, H, W) uint8 of one size -> (K, 3, H, W) float32 in [-1, 1].

        Raises:
            UnusablePicture: they differ in size, or a side is shorter than 32 pixels.
        """
        check_sizes(self.name, pictures, LEAST_SIDE)
        return torch.stack(pictures).float() / 127.5 - 1

    def extract(self, batch: Tensor) -> Tensor:
        """(B, K, 3, H, W) -> (B, 1); each picture goes through the trunk once."""
        # One item at a time: a row is the same to the last bit in any batch, and memory is that of K pictures.
        with torch.inference_mode(), full_precision(self.device):
            return torch.stack([self._mean_distance(pictures.to(self.device)) for pictures in batch])

    def _mean_distance(self, pictures: Tensor) -> Tensor:
        """(K, 3, H, W) -> (1,): sum_l mean_hw sum_c w_lc (f_lc - g_lc)^2 (equation 1), then the mean over pairs."""
        pairs, total = list(combinations(range(len(pictures)), 2)), pictures.new_zeros(1)
        for maps, head in zip(self.network(pictures), read_heads(self.net), strict=True):
            seen = maps / (maps.square().sum(1, keepdim=True).sqrt() + EPSILON)
            for one, other in pairs:
                total = total + ((seen[one] - seen[other]).square() * head.to(self.device)).sum(0).mean()
        return total / len(pairs)

    def build(self) -> FeatureNetwork:
        """The trunk, whose scaling by ImageNet's mean and deviation is the package's."""
        return FeatureNetwork(self.trunk.network, self.trunk.layers, self.file)


class DrawsExtractor(LpipsExtractor):
    """The mean LPIPS over all pairs of a source's outputs (Zhu et al., NeurIPS 2017, section 5)."""

    name = "lpips draws"


@lru_cache
def read_heads(net: str) -> list[Tensor]:
    """The `lpips` package's weights (C, 1, 1) of the channels, one for each layer of the trunk.

    Raises:
        WeightsError: the package's file is not what version 0.1 of the heads is.
    """
    import lpips

    file, channels = Path(lpips.__file__).parent / "weights" / f"v{HEADS}" / f"{net}.pth", TRUNKS[net].channels
    if not file.is_file():
        raise WeightsError(f"the package lpips has no heads at {file}: install it again with: pip install lpips")
    # A metric may be the first to ask, in inference mode, whose tensors a loss could not learn by.
    with torch.inference_mode(False):
        state = read_tensors(file)
    expected = {f"lin{i}.model.1.weight": (1, n, 1, 1) for i, n in enumerate(channels)}
    if {name: tuple(tensor.shape) for name, tensor in state.items()} != expected:
        raise WeightsError(f"{file} does not hold the heads of '{net}': install the package again, lpips>=0.1.4")
    return [state[name][0] for name in expected]
