"""What CUT's networks, patches and training steps do: python -m tests.parity.make_cut CHECKOUT."""

from argparse import Namespace

import numpy as np
import torch

from tests.parity.networks import OPTIONS, fill, trained
from tests.parity.recipe import Dice, batches, checkout, draw, order, summary, symmetric, write

STEPS, SIZE = 4, 32
CUT = dict(lambda_NCE=1.0, nce_idt=True, flip_equivariance=False)
FASTCUT = dict(lambda_NCE=10.0, nce_idt=False, flip_equivariance=True)


def options(**more):
    """What the original is told; two pictures a batch."""
    return Namespace(
        **OPTIONS, ngf=2, ndf=4, netG="resnet_9blocks", normG="instance", normD="instance", gan_mode="lsgan",
        netF="mlp_sample", netF_nc=16, num_patches=64, nce_layers="0,4,8,12,16", nce_T=0.07, beta2=0.999,
        no_antialias=False, no_antialias_up=False, lambda_GAN=1.0, batch_size=2, dataroot="",
        nce_includes_all_negatives_from_minibatch=False, **more,
    )  # fmt: skip


def outputs(originals):
    """The antialiased generator and PatchGAN, of both norms."""
    values = {}
    picture = torch.from_numpy(draw("cut.picture", (2, 3, SIZE, SIZE), 0.5))
    for norm in ("batch", "instance"):
        made = {
            "generator": originals.define_G(3, 3, 2, "resnet_9blocks", norm, opt=options(**CUT)),
            "patch": originals.define_D(3, 4, "basic", norm=norm, opt=options(**CUT)),
        }
        for kind, network in made.items():
            fill(network.named_parameters(), f"cut.{kind}.{norm}")
            with torch.no_grad():
                values[f"{kind}.{norm}"] = summary(network(picture))
            values[f"{kind}.{norm}/names"] = np.array([name for name, _ in network.named_parameters()])
    return values


def loss(loss_class):
    """The loss of rows of two pictures' patches."""
    query, key = (torch.from_numpy(draw(f"cut.{kind}", (2 * 9, 8), 8**-0.5)) for kind in ("query", "key"))
    return {"loss": loss_class(options(**CUT))(query, key).mean().numpy()}


def steps(model_class, name, **more):
    """Training steps; places and mirrorings are fixed."""
    model = model_class(options(**more))
    source, target = (torch.from_numpy(symmetric(one)) for one in batches(name, 1, 2, SIZE)[0])
    model.data_dependent_initialize({"A": source, "B": target, "A_paths": [], "B_paths": []})
    np.random.random = Dice(f"{name}.flip").uniform
    losses = ("D_real", "D_fake", "G_GAN", "NCE", *(["NCE_Y"] if more["nce_idt"] else []))
    values = trained(model, name, ("netG", "netD", "netF"), losses, batches(name, STEPS, 2, SIZE))
    return {f"{name}/{key}": value for key, value in values.items()}


def main():
    """Ask the original."""
    _, about = checkout("taesungp/contrastive-unpaired-translation")
    torch.set_default_dtype(torch.float64)
    from models import networks as originals
    from models.cut_model import CUTModel
    from models.patchnce import PatchNCELoss

    np.random.permutation = order
    runs = {**steps(CUTModel, "cut", **CUT), **steps(CUTModel, "fastcut", **FASTCUT)}
    write("cut", about, {**outputs(originals), **loss(PatchNCELoss), **runs})


if __name__ == "__main__":
    main()
