"""What pix2pix's recolouring makes of pictures in Lab: python -m tests.parity.make_lab CHECKOUT (with scikit-image)."""

import tempfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tests.parity.recipe import checkout, pictures, write

SIZE = 12


def corners():
    """Every corner of the colour cube and the greys between, (SIZE, SIZE, 3)."""
    levels = np.array([(r, g, b) for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
    greys = np.linspace(0, 255, SIZE**2 - len(levels)).astype(np.uint8)[:, None].repeat(3, 1)
    return np.concatenate([levels, greys]).reshape(SIZE, SIZE, 3)


def shown():
    """The two pictures."""
    return [pictures("lab", SIZE, SIZE, 3), corners()]


def main():
    """Ask the original."""
    _, about = checkout("uxfion/pytorch-CycleGAN-and-pix2pix")
    from data.colorization_dataset import ColorizationDataset
    from models.colorization_model import ColorizationModel

    values = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train").mkdir()
        for number, picture in enumerate(shown()):
            Image.fromarray(picture).save(Path(folder, "train", f"{number}.png"))
        options = Namespace(
            dataroot=folder, phase="train", max_dataset_size=9, input_nc=1, output_nc=2, direction="AtoB",
            preprocess="none", no_flip=True,
        )  # fmt: skip
        for number, sample in enumerate(ColorizationDataset(options)):
            values[f"{number}/lab"] = torch.cat([sample["A"], sample["B"]]).numpy()
            back = ColorizationModel.lab2rgb(None, sample["A"][None], sample["B"][None])
            values[f"{number}/rgb"] = back.astype(np.float32)
            muted = ColorizationModel.lab2rgb(None, sample["A"][None], sample["B"][None] / 4)
            values[f"{number}/muted"] = muted.astype(np.float32)
    write("lab", about, values)


if __name__ == "__main__":
    main()
