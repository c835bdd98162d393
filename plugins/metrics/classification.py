"""Classification: whether a given classifier recognises the class that each output was drawn for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sketchkit.errors import ConfigError, DataError, WeightsError
from sketchkit.evaluation.features.classifiers import TimmExtractor
from sketchkit.evaluation.features.statistics import check_features
from sketchkit.evaluation.metric import Features, PictureMetric, Setup
from sketchkit.options import did_you_mean
from sketchkit.pretrained.weights import TIMM
from sketchkit.registry import PICTURE_METRICS

TOP = 5
HOW = "--metric-options classification.classifier=timm:NAME|PATH"


class ClassifierExtractor(TimmExtractor):
    """The logits (K,) that a timm network gives a picture; its weights' file says how many classes there are.

    Args:
        setup, network_name, resize, file: see `TimmExtractor`.
        classes: how many outputs random weights have.

    Raises:
        ConfigError: random weights, and no number of classes; see also `TimmExtractor`.
        WeightsError: the file has no classifier; see also `TimmExtractor`.
    """

    def __init__(self, setup: Setup, network_name: str, resize: str, file: str | None, classes: int | None) -> None:
        super().__init__(setup, network_name, resize, file)
        if self.file is None and classes is None:
            raise ConfigError(f"{network_name} with random weights knows no classes: name them by the option classes")
        self.width = (classes or 0) if self.file is None else self.outputs()
        if not self.width:
            raise WeightsError(f"{self.file} has no classifier: give weights of {network_name} that classify")

    @property
    def identity(self) -> dict[str, Any]:
        """As of the network's features, and that these are logits."""
        return {**super().identity, "extractor": "classifier"}

    def build(self) -> nn.Module:
        """The network with its classifier."""
        return self.with_classifier(self.width)


@PICTURE_METRICS.register_module(name="classification")
class Classification(PictureMetric):
    """The share of the fakes whose class the classifier ranks first, 0 to 1.

    Args:
        setup: see `Setup`; its `weights` may name the classifier's file by 'timm:NAME'.
        classifier: 'timm:NAME' or 'timm:NAME|FILE', trained on the same classes.
        classes: the names in the order of its outputs, or a text file with one in each line; None takes the classes
            of the fakes by the alphabet, if they are as many as the outputs.
        resize: see `sketchkit.evaluation.features.resizing.resize`.

    Raises:
        ConfigError: no classifier is given or none has that name; the classes do not match its outputs.
        DataError: there is no file with the classes.
        WeightsError: the classifier's weights cannot be had, or have no classifier.
    """

    needs = ("fake", "labels")
    better = "higher"

    def __init__(
        self,
        setup: Setup = Setup(),
        classifier: str = "",
        classes: Sequence[str] | str | None = None,
        resize: str = "clean",
    ) -> None:
        if not classifier.startswith(TIMM):
            given = f"'{classifier}' is not one" if classifier else "none is given"
            raise ConfigError(f"classification needs a classifier, and {given}: {HOW}")
        self.classifier, _, file = classifier.partition("|")
        self.classes = _names(classes)
        self.extractor = ClassifierExtractor(setup, self.classifier, resize, file or None, len(self.classes) or None)
        if self.classes:
            self._check_count(self.classes)

    def compute(self, features: Features) -> dict[str, float]:
        """{'classification': accuracy}, and 'classification_top5' where there are more than 5 classes.

        Raises:
            ConfigError: no classes were given, and those of the fakes are not as many as the classifier's outputs.
            DataError: a fake's class is not among those given.
        """
        scores = {"classification": self.per_sample(features).mean().item()}
        return scores | (
            {"classification_top5": self._hits(features, TOP).mean().item()} if self.extractor.width > TOP else {}
        )

    def per_sample(self, features: Features) -> Tensor:
        """1 for each fake (N,) whose class is ranked first, else 0."""
        return self._hits(features, 1)

    def _hits(self, features: Features, top: int) -> Tensor:
        assert features.fake is not None and features.labels is not None
        check_features(features.fake, least=1)
        right = torch.tensor(self._indices(features.labels))
        return (features.fake.topk(top, 1).indices == right[:, None]).any(1).double()

    def _indices(self, labels: Sequence[str]) -> list[int]:
        classes = self.classes or sorted(set(labels))
        self._check_count(classes)
        index = {name: position for position, name in enumerate(classes)}
        for label in labels:
            if label not in index:
                raise DataError(f"the classifier has no class '{label}': {did_you_mean(label, classes)}")
        return [index[label] for label in labels]

    def _check_count(self, classes: Sequence[str]) -> None:
        if len(classes) != self.extractor.width:
            raise ConfigError(
                f"{self.classifier} has {self.extractor.width} outputs and there are {len(classes)} classes: name the "
                "class of each output, in order, by the option classes (a list, or a file with one in each line)"
            )


def _names(classes: Sequence[str] | str | None) -> list[str]:
    names = read_classes(classes) if isinstance(classes, str) else [str(name) for name in classes or ()]
    for name, count in Counter(names).items():
        if count > 1:
            raise ConfigError(f"the class '{name}' stands {count} times in classes: each output has a name of its own")
    return names


def read_classes(path: str | Path) -> list[str]:
    """The names in a text file, one in each line.

    Raises:
        DataError: there is no such file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"no file with the names of classes at {file}: check the path")
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
