"""What a classifier's last layer sees in a picture: the rows of FID, KID, the Inception Score, precision and recall."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sketchkit.errors import ConfigError
from sketchkit.evaluation.features import inception, resizing
from sketchkit.evaluation.features.networks import NetworkExtractor, full_precision
from sketchkit.evaluation.metric import Setup
from sketchkit.options import one_of
from sketchkit.pretrained.weights import TIMM, load_weights, read_tensors

INCEPTION = "inception"
ENDINGS = (".pth", ".pt", ".safetensors")
# On a CPU the maps of few pictures stay in its caches: Inception took 75 ms a picture in batches of 4, 94 ms in 32.
CPU_PART = 4


def make_extractor(setup: Setup, feature_extractor: str = INCEPTION, resize: str = "tf") -> PooledFeatureExtractor:
    """The extractor of a network that is named in words.

    Args:
        setup: see `Setup`; its `weights` are looked up by 'inception_fid' or 'timm:NAME'.
        feature_extractor: 'inception', which published scores are of; a file with other weights of that network;
            'timm:NAME'; or 'timm:NAME|FILE'.
        resize: see `sketchkit.evaluation.features.resizing.resize`.

    Raises:
        ConfigError: no such extractor, network, or resizing.
        WeightsError: the weights cannot be had. They are read by the first `extract`; it raises it if they do not fit.
    """
    if feature_extractor == INCEPTION:
        return InceptionExtractor(setup, resize)
    if feature_extractor.startswith(TIMM):
        network, _, file = feature_extractor.partition("|")
        return TimmExtractor(setup, network, resize, file or None)
    if feature_extractor.endswith(ENDINGS) or Path(feature_extractor).is_file():
        return InceptionExtractor(setup, resize, feature_extractor)
    forms = "'inception', 'timm:NAME', 'timm:NAME|FILE', or a file with weights of the Inception network"
    raise ConfigError(f"feature_extractor='{feature_extractor}' is not a choice: give {forms}")


class PooledFeatureExtractor(NetworkExtractor):
    """Resize, scale, network.

    Attributes:
        size: of the pictures that the network takes: a square's side, or (height, width).
    """

    size: int | tuple[int, int]

    def __init__(self, setup: Setup, network_name: str, resize: str, file: str | Path | None) -> None:
        one_of("resize", resize, resizing.MODES)
        super().__init__(setup, network_name, file)
        self.resize = resize

    @property
    def identity(self) -> dict[str, Any]:
        """The network, its weights, and how pictures get to its size."""
        return {
            "extractor": "features",
            "version": 1,
            **self.origin,
            "resize": self.resize,
            "size": self.size,
            "width": self.width,
        }

    def prepare(self, *pictures: Tensor) -> Tensor:
        """One picture (3, H, W) uint8 -> (3, h, w) float32 as the network takes it."""
        (picture,) = pictures
        return self.scale(resizing.resize(picture, self.size, self.resize))

    def extract(self, batch: Tensor) -> Tensor:
        """(B, 3, h, w) -> features (B, width) float32 on the extractor's device, in full precision.

        Raises:
            WeightsError: at the first call, when the weights do not fit.
        """
        part = CPU_PART if self.device.type == "cpu" else len(batch)
        with torch.inference_mode(), full_precision(self.device):
            return torch.cat([self.network(images.to(self.device)) for images in batch.split(part)])

    @abstractmethod
    def scale(self, picture: Tensor) -> Tensor:
        """Values of 0..255 to those that the network was trained with."""


class InceptionExtractor(PooledFeatureExtractor):
    """The 2,048 features of FID's Inception network.

    Args:
        setup: see `Setup`.
        resize: 'tf', 'pytorch' or 'clean'.
        file: its weights, before `setup.weights['inception_fid']`.

    Raises:
        ConfigError, WeightsError: see `make_extractor`.
    """

    width = inception.WIDTH
    size = inception.SIZE

    def __init__(self, setup: Setup, resize: str = "tf", file: str | Path | None = None) -> None:
        super().__init__(setup, inception.NETWORK, resize, file)

    def scale(self, picture: Tensor) -> Tensor:
        """TensorFlow's graph scales to [-1, 127/128], pytorch-fid to [-1, 1]."""
        return picture / 255 * 2 - 1 if self.resize == "pytorch" else (picture - 128) / 128

    def build(self) -> nn.Module:
        """With its normalisations folded in: features differ from the plain network's by some 1e-6 of their size."""
        return inception.fuse(inception.inception(self.file, self.seed))

    def logits(self, features: Tensor) -> Tensor:
        """Rows (N, 2048) -> class logits (N, 1008) without the bias, on the extractor's device."""
        with torch.inference_mode(), full_precision(self.device):
            return inception.logits(self.network, features.to(self.device))


class TimmExtractor(PooledFeatureExtractor):
    """The pooled features of a timm network, at the size and scale it was trained with.

    Args:
        setup: see `Setup`.
        network_name: 'timm:NAME'.
        resize: 'tf', 'pytorch' or 'clean'.
        file: its weights, before `setup.weights['timm:NAME']`; with a classifier of any number of classes, or without.

    Raises:
        ConfigError: no such network, or it gives no single row; see also `make_extractor`.
        WeightsError: see `make_extractor`.
    """

    def __init__(self, setup: Setup, network_name: str, resize: str = "tf", file: str | Path | None = None) -> None:
        super().__init__(setup, network_name, resize, file)
        from timm.data import resolve_model_data_config

        self.name = network_name.removeprefix(TIMM)
        # Without memory: enough to know the shapes.
        with torch.device("meta"):
            outline = _create(self.name, classes=0)
        config = resolve_model_data_config(outline)
        _, height, width = config["input_size"]
        self.size = height if height == width else (height, width)
        self.width = _width(outline, network_name, (height, width))
        self.classifier = outline.pretrained_cfg.get("classifier")
        self.mean, self.std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))

    @property
    def identity(self) -> dict[str, Any]:
        """As of any features, and what timm says of the scale."""
        return {**super().identity, "mean": self.mean.flatten().tolist(), "std": self.std.flatten().tolist()}

    def scale(self, picture: Tensor) -> Tensor:
        """To the mean and deviation that the network was trained with."""
        return (picture / 255 - self.mean) / self.std

    def build(self) -> nn.Module:
        """The network without its classifier."""
        network = self.with_classifier(self.outputs())
        network.reset_classifier(0)
        return network

    def with_classifier(self, classes: int) -> Any:
        """The whole network, its classifier for so many classes."""
        network = _create(self.name, classes)
        if self.file:
            load_weights(network, self.network_name, self.file)
        return network.requires_grad_(False)

    def outputs(self) -> int:
        """How many classes the classifier in the file has; 0 when there is none."""
        # Distilled networks have two classifiers; both give the same classes.
        first = self.classifier if isinstance(self.classifier, str) else next(iter(self.classifier or ()), None)
        weight = read_tensors(self.file).get(f"{first}.weight") if self.file else None
        return 0 if weight is None else len(weight)


def _create(name: str, classes: int) -> Any:
    """A network in eval mode; no type of timm's says what all of them have."""
    import timm

    return timm.create_model(name, num_classes=classes).eval()


def _width(outline: nn.Module, network_name: str, size: tuple[int, int]) -> int:
    seen = outline(torch.empty(1, 3, *size, device="meta"))
    if not isinstance(seen, Tensor) or seen.ndim != 2:
        raise ConfigError(f"{network_name} gives maps and not one row a picture: choose a network that pools")
    return seen.shape[1]
