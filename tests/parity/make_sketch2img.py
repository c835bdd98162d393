"""What the networks and losses of the Sketch2Img report's code do: python -m tests.parity.make_sketch2img CHECKOUT."""

import sys

import numpy as np
import torch

from tests.parity.networks import fill, kept
from tests.parity.recipe import checkout, draw, summary, write

CLASSES, WIDTH, SIZE = 5, 4, 64
LABELS = [3, 0]
NORMS = {"none": None, "batch": torch.nn.BatchNorm2d}


def tensor(name, *shape, std=0.5):
    """Random numbers by name."""
    return torch.from_numpy(draw(f"sketch2img.{name}", shape, std))


def gradients(network):
    """By name, of every weight."""
    return {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}


def generator(make, losses, name):
    """The picture of a noise, its distance from a photo, and the gradient of that."""
    network = make(CLASSES, init_out_channels=WIDTH, init_image_size=SIZE, norm=NORMS[name])
    fill(network.named_parameters(), f"sketch2img.generator.{name}")
    torch.randn = lambda size: tensor("noise", *size, std=1.0)
    fake, _ = network(torch.tensor(LABELS), tensor("sketch", 2, 3, SIZE, SIZE))
    l1 = losses.supervised_loss(fake, tensor("photo", 2, 3, SIZE, SIZE))
    l1.backward()
    place = f"generator.{name}"
    return {
        f"{place}/output": summary(fake.detach()),
        f"{place}/l1": np.array(l1.item()),
        f"{place}/names": np.array([key for key, _ in network.named_parameters()]),
        **kept(gradients(network), place),
    }


def diversity(loss):
    """The value of two pictures from maps of noise, and its gradient to the first."""
    one, other = (tensor(kind, 1, 3, 8, 8) for kind in ("one", "other"))
    noises = [tensor(f"noise of {kind}", 1, 16, 4, 4, std=1.0) for kind in ("one", "other")]
    value = loss(one.requires_grad_(), other, *noises)
    value.backward()
    return {"diversity": np.array(value.item()), "diversity/gradient": summary(one.grad)}


def discriminator(make, losses, name):
    """Logits and class logits, the class's cross-entropy and its gradient; without a norm the gradient penalty too."""
    network = make(CLASSES, 6, init_out_channels=WIDTH, init_image_size=SIZE, image_channels=6, norm=NORMS[name])
    fill(network.named_parameters(), f"sketch2img.discriminator.{name}")
    real, fake = (tensor(kind, 2, 6, SIZE, SIZE) for kind in ("real", "fake"))
    logits, classes = network(real)
    entropy = losses.ac_loss_d(classes, torch.tensor(LABELS))
    (entropy + logits.mean()).backward()
    place = f"discriminator.{name}"
    values = {
        f"{place}/output": summary(torch.cat([logits, classes], 1).detach()),
        f"{place}/entropy": np.array(entropy.item()),
        f"{place}/names": np.array([key for key, _ in network.named_parameters()]),
        **kept(gradients(network), place),
    }
    if name == "none":
        torch.rand = lambda *shape: tensor("alpha", *shape, std=0.1) + 0.5
        values["penalty"] = np.array(losses.gradient_penalty(network, real, fake, lambda_=1.0).item())
    return values


def conditional(make):
    """Conditional batch norm: its output, and its gradient to what it is given."""
    norm = make(6, CLASSES)
    fill([("embed", norm.embed.weight)], "sketch2img.conditional")
    maps = tensor("maps", 2, 6, 5, 7).requires_grad_()
    seen = norm(maps, torch.tensor(LABELS))
    (seen * tensor("slope", 2, 6, 5, 7)).sum().backward()
    return {"conditional": summary(seen.detach()), "conditional/gradient": summary(maps.grad)}


def main():
    """Ask the original, which is written for a GPU."""
    folder, about = checkout("EamonnCarson/Sketch2img")
    sys.path.insert(0, str(folder / "final"))
    torch.set_default_dtype(torch.float64)
    torch.Tensor.cuda = lambda self: self
    import loss
    from discriminator import Discriminator
    from generator import Generator
    from utils import ConditionalBatchNorm2d

    values = {**diversity(loss.diversity_loss), **conditional(ConditionalBatchNorm2d)}
    for name in NORMS:
        values.update({**generator(Generator, loss, name), **discriminator(Discriminator, loss, name)})
    write("sketch2img", about, values)


if __name__ == "__main__":
    main()
