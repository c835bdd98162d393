"""What pix2pix's networks, losses and training steps do: python -m tests.parity.make_pix2pix CHECKOUT."""

from argparse import Namespace

import numpy as np
import torch

from tests.parity.networks import OPTIONS, fill, kept, trained
from tests.parity.recipe import batches, checkout, draw, summary, write

MODES = ("vanilla", "lsgan", "wgangp")
SIZES = {"unet": (2, 3, 128, 128), "patch": (2, 6, 64, 64), "pixel": (2, 6, 16, 16)}


def networks(originals):
    """name -> a network of the original's."""
    made = {}
    for norm in ("batch", "instance"):
        made[f"unet.{norm}"] = originals.define_G(3, 3, 2, "unet_128", norm)
        made[f"patch.{norm}"] = originals.define_D(6, 4, "basic", norm=norm)
        made[f"pixel.{norm}"] = originals.define_D(6, 4, "pixel", norm=norm)
        made[f"patch2.{norm}"] = originals.define_D(6, 4, "n_layers", 2, norm)
    return made


def outputs(originals):
    """Each network's output in train mode, then in eval mode."""
    values = {}
    for name, network in networks(originals).items():
        fill(network.named_parameters(), f"pix2pix.{name}")
        picture = torch.from_numpy(draw(f"pix2pix.{name}", SIZES[name.split(".")[0].rstrip("2")], 0.5))
        with torch.no_grad():
            values[f"{name}/train"] = summary(network(picture))
            values[f"{name}/eval"] = summary(network.eval()(picture))
        values[f"{name}/names"] = np.array([name for name, _ in network.named_parameters()])
    return values


def losses(originals):
    """What a discriminator pays for logits on real and on fake pictures, and the gradient penalty of WGAN-GP."""
    values = {}
    logits = torch.from_numpy(draw("pix2pix.logits", (2, 1, 6, 6), 2.0))
    for mode in MODES:
        loss = originals.GANLoss(mode)
        values[f"loss/{mode}"] = np.array([loss(logits, is_real).item() for is_real in (True, False)])
    head = originals.define_D(3, 4, "basic", norm="instance")
    fill(head.named_parameters(), "pix2pix.penalty")
    real, fake = (torch.from_numpy(draw(f"pix2pix.penalty.{kind}", (3, 3, 32, 32), 0.5)) for kind in ("real", "fake"))
    torch.rand = lambda count, *_, **__: torch.from_numpy(draw("pix2pix.penalty.alpha", (count, 1), 0.2, 0.5))
    penalty, _ = originals.cal_gradient_penalty(head, real, fake, torch.device("cpu"), lambda_gp=1.0)
    penalty.backward()
    values["loss/penalty"] = np.array(penalty.item())
    gradients = {name: p.grad.numpy() for name, p in head.named_parameters() if p.grad is not None}
    values["penalty/names"] = np.array([name for name, _ in head.named_parameters()])
    values.update(kept(gradients, "penalty"))
    return values


def steps(model_class):
    """Five training steps."""
    options = dict(ngf=2, ndf=4, netG="unet_128", norm="batch", gan_mode="vanilla", lambda_L1=100.0)
    model = model_class(Namespace(**OPTIONS, **options))
    losses = ("D_real", "D_fake", "G_GAN", "G_L1")
    return trained(model, "pix2pix", ("netG", "netD"), losses, batches("pix2pix", 5, 2, 128))


def main():
    """Ask the original."""
    _, about = checkout("uxfion/pytorch-CycleGAN-and-pix2pix")
    torch.set_default_dtype(torch.float64)
    from models import networks as originals
    from models.pix2pix_model import Pix2PixModel

    write("pix2pix", about, {**outputs(originals), **steps(Pix2PixModel), **losses(originals)})


if __name__ == "__main__":
    main()
