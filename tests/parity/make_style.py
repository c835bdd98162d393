"""What the style transfer of Stanford's CS231n does: python -m tests.parity.make_style CHECKOUT.

The course leaves the losses to its students; the checkout is of a solution in public.
"""

import sys
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import torch
from PIL import Image
from torchvision.models import squeezenet1_1

from tests.parity import notebook
from tests.parity.networks import fill
from tests.parity.recipe import checkout, draw, pictures, summary, write

CELL, SIZE, STYLE_LAYERS = 23, 64, [1, 4, 6, 7]
# Of the 200 iterations, with a new optimizer at 180.
ITERATIONS = [*range(18), 180, 181]
SETTINGS = (3, 5e-3, STYLE_LAYERS, [20000, 500, 12, 1], 5e-2)


def network():
    """SqueezeNet's layers with weights by name."""
    layers = squeezenet1_1(weights=None).features
    fill(layers.named_parameters(), "style.network")
    return layers.requires_grad_(False)


def losses(original):
    """Each loss and its gradient."""
    values = {}
    seen, goal = (torch.from_numpy(draw(f"style.{name}", (1, 6, 5, 7))) for name in ("seen", "goal"))
    wanted = original.gram_matrix(goal)
    terms = {
        "content": lambda: original.content_loss(0.3, seen, goal),
        "style": lambda: original.style_loss([seen], [0], [wanted], [7.0]),
        "tv": lambda: original.tv_loss(seen, 0.2),
    }
    for name, term in terms.items():
        seen.grad = None
        seen.requires_grad_()
        value = term()
        value.backward()
        values[name], values[f"{name}/gradient"] = np.array(value.item()), summary(seen.grad)
    return values


def painting(folder, original):
    """The three terms of each iteration."""
    rows = {name: [] for name in ("content_loss", "style_loss", "tv_loss")}

    def recorded(name):
        def term(*given):
            value = getattr(original, name)(*given)
            rows[name].append(value.item())
            return value

        return term

    given = {
        **vars(original),
        **{name: recorded(name) for name in rows},
        "cnn": network(),
        "dtype": torch.DoubleTensor,
        "PIL": SimpleNamespace(Image=SimpleNamespace(open=lambda picture: picture)),
        "plt": MagicMock(subplots=lambda *_: (None, [MagicMock(), MagicMock()])),
        "deprocess": lambda image: None,
        "range": lambda count: ITERATIONS,
    }
    paint = notebook.run(folder / "assignment3/StyleTransfer-PyTorch.ipynb", CELL, ["style_transfer"], given)
    both = (Image.fromarray(pictures(f"style.{name}", SIZE, SIZE, 3)) for name in ("content", "style"))
    paint["style_transfer"](*both, SIZE, SIZE, *SETTINGS)
    return {"iterations": np.array([*rows.values()]).T}


def main():
    """Ask the original."""
    folder, about = checkout("amanchadha/stanford-cs231n-assignments-2020")
    torch.set_default_dtype(torch.float64)
    # The course's picture utilities need packages of their own; these two are torchvision's.
    helpers = sys.modules["cs231n.image_utils"] = ModuleType("cs231n.image_utils")
    helpers.SQUEEZENET_MEAN, helpers.SQUEEZENET_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    sys.path.insert(0, str(folder / "assignment3"))
    from cs231n import style_transfer_pytorch as original

    write("style", about, {**losses(original), **painting(folder, original)})


if __name__ == "__main__":
    main()
