"""What ADA does to pictures: python -m tests.parity.make_ada CHECKOUT."""

import numpy as np
import torch

from tests.parity.recipe import checkout, draw, summary, write
from tests.parity.throws import thrown

GROUPS = {
    "blit": ("xflip", "rotate90", "xint"),
    "geometry": ("scale", "rotate", "aniso", "xfrac"),
    "color": ("brightness", "contrast", "lumaflip", "hue", "saturation"),
}
PIPELINES = {**GROUPS, "all": tuple(name for group in GROUPS.values() for name in group)}
BATCH, SIDE, SPOT, P = 8, 64, 8, 0.7


def spots(channels):
    """Pictures of noise, (B, C, SIDE, SIDE), flat but in the middle, so that borders bring in nothing."""
    pictures = np.full((BATCH, channels, SIDE, SIDE), 0.25)
    inner = slice((SIDE - SPOT) // 2, (SIDE + SPOT) // 2)
    pictures[..., inner, inner] = draw("ada", (BATCH, channels, SPOT, SPOT), 0.5)
    return torch.from_numpy(pictures)


def main():
    """Ask the original."""
    _, about = checkout("NVlabs/stylegan2-ada-pytorch")
    from training.augment import AugmentPipe

    values = {}
    for channels in (3, 1):
        for name, options in PIPELINES.items():
            pipe = AugmentPipe(**dict.fromkeys(options, 1)).double()
            pipe.Hz_geom = pipe.Hz_geom.float()  # which it insists on
            pipe.p.fill_(P)
            with thrown(f"ada.{name}.{channels}"):
                values[f"{name}/{channels}"] = summary(pipe(spots(channels)))
    write("ada", about, values)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    main()
