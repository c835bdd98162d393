"""What R3GAN's step adds up, term by term, and its gradient: python -m tests.parity.make_r3gan CHECKOUT."""

import torch

from tests.parity.networks import fill
from tests.parity.recipe import checkout, draw, summary, write

GAMMA = 0.7


def critic():
    """A small network on pictures of 2 x 5 x 5, smooth, so that it has second derivatives."""
    layers = torch.nn.Conv2d(2, 3, 3), torch.nn.Softplus(), torch.nn.Flatten(), torch.nn.Linear(27, 1)
    network = torch.nn.Sequential(*layers)
    fill(network.named_parameters(), "r3gan")
    return network


def pictures():
    """True ones and fakes."""
    return [torch.from_numpy(draw(f"r3gan.{kind}", (4, 2, 5, 5))) for kind in ("real", "fake")]


def main():
    """Ask the original."""
    _, about = checkout("brownvc/R3GAN")
    torch.set_default_dtype(torch.float64)
    from R3GAN.Trainer import AdversarialTraining

    (real, fake), network = pictures(), critic()
    made = fake.clone().requires_grad_()
    step = AdversarialTraining(lambda noise, conditions: made, lambda picture, conditions: network(picture).view(-1))
    generator, _ = step.AccumulateGeneratorGradients(None, real, None)
    values = {"generator": generator.mean().numpy(), "gradient/fake": summary(made.grad)}
    network.zero_grad()
    terms = step.AccumulateDiscriminatorGradients(None, real, None, GAMMA)
    values |= {name: terms[place].mean().numpy() for name, place in (("discriminator", 0), ("r1", 2), ("r2", 3))}
    values |= {f"gradient/{name}": summary(one.grad) for name, one in network.named_parameters()}
    write("r3gan", about, values)


if __name__ == "__main__":
    main()
