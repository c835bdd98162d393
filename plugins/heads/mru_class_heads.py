"""Where a discriminator says the class: not at all, as logits, or within the real/fake logit."""

from __future__ import annotations

from torch import Tensor, nn

from ..layers.labels import check_label

CLASS_HEADS = ("auxiliary", "projection", None)


class ProjectionTerm(nn.Module):
    """The inner product of a class vector with features (Miyato and Koyama, ICLR 2018); vectors ~ N(0, std)."""

    def __init__(self, num_classes: int, channels: int, std: float = 0.02) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes, channels)
        nn.init.normal_(self.table.weight, 0.0, std)

    def forward(self, features: Tensor, label: Tensor | None) -> Tensor:
        """features (B, C, ...) and label (B,) to (B, 1, ...), the product over C at each place.

        Raises:
            ConfigError: the label is missing or out of range.
        """
        check_label(label, self.num_classes, "the projection head")
        vectors = self.table(label)
        return (features * vectors[(...,) + (None,) * (features.dim() - 2)]).sum(1, keepdim=True)
