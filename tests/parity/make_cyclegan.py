"""What CycleGAN's generators and training steps do: python -m tests.parity.make_cyclegan CHECKOUT."""

from argparse import Namespace

import numpy as np
import torch

from tests.parity.networks import OPTIONS, fill, trained
from tests.parity.recipe import Dice, batches, checkout, draw, summary, write

STEPS, POOL = 6, 3
LOSSES = ("G_A", "cycle_A", "idt_A", "D_A", "G_B", "cycle_B", "idt_B", "D_B")


def outputs(originals):
    """The generators of both sizes and norms, on a picture that is not square."""
    values = {}
    picture = torch.from_numpy(draw("cyclegan.picture", (2, 3, 32, 24), 0.5))
    for kind in ("resnet_6blocks", "resnet_9blocks"):
        for norm in ("batch", "instance"):
            network = originals.define_G(3, 3, 2, kind, norm)
            fill(network.named_parameters(), f"cyclegan.{kind}.{norm}")
            with torch.no_grad():
                values[f"{kind}.{norm}"] = summary(network(picture))
            values[f"{kind}.{norm}/names"] = np.array([name for name, _ in network.named_parameters()])
    return values


def steps(model_class, pool_module):
    """Training steps with identity and image pools; the pools throw fixed dice."""
    options = dict(
        ngf=2, ndf=4, netG="resnet_9blocks", norm="instance", gan_mode="lsgan", lambda_A=10.0, lambda_B=10.0,
        lambda_identity=0.5, pool_size=POOL,
    )  # fmt: skip
    pool_module.random = Dice("cyclegan.pool")
    model = model_class(Namespace(**OPTIONS, **options))
    return trained(
        model, "cyclegan", ("netG_A", "netG_B", "netD_A", "netD_B"), LOSSES, batches("cyclegan", STEPS, 2, 32)
    )


def main():
    """Ask the original."""
    _, about = checkout("uxfion/pytorch-CycleGAN-and-pix2pix")
    torch.set_default_dtype(torch.float64)
    from models import networks as originals
    from models.cycle_gan_model import CycleGANModel
    from util import image_pool

    write("cyclegan", about, {**outputs(originals), **steps(CycleGANModel, image_pool)})


if __name__ == "__main__":
    main()
