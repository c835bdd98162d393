"""What DiffAugment does to pictures: python -m tests.parity.make_diffaugment CHECKOUT."""

import torch

from tests.parity.recipe import checkout, draw, summary, write
from tests.parity.throws import thrown

POLICIES = ("color", "translation", "cutout", "color,translation,cutout")
SHAPES = {"RGB": (4, 3, 24, 33), "grey": (4, 1, 17, 24)}


def main():
    """Ask the original."""
    _, about = checkout("mit-han-lab/data-efficient-gans")
    from DiffAugment_pytorch import DiffAugment

    values = {}
    for kind, shape in SHAPES.items():
        for policy in POLICIES:
            name = f"{kind}/{policy}"
            with thrown(f"diffaugment.{name}"):
                values[name] = summary(DiffAugment(torch.from_numpy(draw("diffaugment", shape, 0.5)), policy))
    write("diffaugment", about, values)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    main()
