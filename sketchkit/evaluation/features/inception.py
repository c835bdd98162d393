"""The Inception network of FID: torchvision's, with the pooling of the TensorFlow graph that FID was defined with.

That graph is of 2015-12-05 (Heusel et al., 2017), and has 1,008 classes. Its average pooling leaves the padding out,
and the pooling branch of the last block takes the maximum.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sketchkit.pretrained.weights import load_weights

NETWORK = "inception_fid"
WIDTH = 2048
SIZE = 299
CLASSES = 1008


def inception(path: str | Path | None, seed: int = 0) -> nn.Module:
    """The network in eval mode: pictures (B, 3, 299, 299) in [-1, 1] -> features (B, 2048), averaged over places.

    Args:
        path: the file with its weights; None for random ones.
        seed: of the random weights.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
    """
    from torchvision.models import Inception3

    # Built without memory first: torchvision fills it with numbers that are replaced at once.
    with torch.device("meta"):
        network = Inception3(num_classes=CLASSES, aux_logits=False, transform_input=False, init_weights=False)
    network.to_empty(device="cpu").eval().requires_grad_(False)
    if path is None:
        _randomize(network, torch.Generator().manual_seed(seed))
    else:
        load_weights(network, NETWORK, path)
    return _as_in_tensorflow(network)


def logits(network: nn.Module, features: Tensor) -> Tensor:
    """The class logits (N, 1008) of features (N, 2048), without the bias, as the Inception Score takes them."""
    return features @ network.get_submodule("fc").get_parameter("weight").T


def fuse(network: nn.Module) -> nn.Module:
    """Fold each batch normalisation into its convolution, in place; channels last. It halves the time on a CPU."""
    for block in list(network.modules()):
        convolution, norm = getattr(block, "conv", None), getattr(block, "bn", None)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            block.conv, block.bn = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return network.to(memory_format=torch.channels_last)


def _as_in_tensorflow(network: nn.Module) -> nn.Module:
    """Torchvision's operations as a graph, with other pooling, and ended before the classifier (which stays there)."""
    traced = fx.symbolic_trace(network)
    pools = [node for node in traced.graph.nodes if node.target is F.avg_pool2d]
    for pool in pools[:-1]:
        pool.kwargs = {**pool.kwargs, "count_include_pad": False}
    pools[-1].target = F.max_pool2d
    classifier = next(node for node in traced.graph.nodes if node.target == "fc")
    classifier.replace_all_uses_with(classifier.args[0])
    traced.graph.erase_node(classifier)
    traced.recompile()
    return traced


def _randomize(network: nn.Module, generator: torch.Generator) -> None:
    """He et al. (ICCV 2015): activations keep their size through the layers."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    nn.init.zeros_(network.get_submodule("fc").get_parameter("bias"))
