"""The projected discriminator, R3GAN's objective and LeCam as their authors' code has them, in float64."""

import torch
from torch import nn

from sketchkit.registry import HEADS, LOSSES, HeadOutput
from tests.parity.make_lecam import DECAY, looks
from tests.parity.make_projected import SIZE, directions
from tests.parity.make_r3gan import GAMMA, critic, pictures
from tests.parity.networks import fill
from tests.parity.ours import PASS, close
from tests.parity.recipe import draw, read, summary


def build(kind, **options):
    return LOSSES.build(dict(type=kind, **options))


def test_the_projected_discriminator_and_its_gradient_are_the_originals(double):
    kept = read("projected")
    head = HEADS.build(dict(type="ProjectedDiscriminator", weights=None, source_channels=0))
    for module in head.modules():
        module.train(isinstance(module, nn.BatchNorm2d))
    mixes = [[f"layer{level}_{kind}" for level in range(4)] for kind in ("ccm", "csm.out_conv")]
    ours = {f"{name}.{part}": getattr(module, part) for names, modules in zip(
        mixes, (head.projection.across_channels, head.projection.across_scales), strict=True)
        for name, module in zip(names, modules, strict=True) for part in ("weight", "bias")}  # fmt: skip
    fill([(name, ours[name]) for name in kept["names/mixing"]], "projected.mixing")
    fill(zip(kept["names/frozen"], head.features.network.parameters(), strict=True), "projected.frozen")
    trained, vectors = trained_parts(head)
    fill([(name, trained[name]) for name in kept["names/trained"]], "projected.trained")
    directions([(name, vectors[name]) for name in kept["names/directions"]], "projected.trained")
    picture = torch.from_numpy(draw("projected.picture", (2, 3, SIZE, SIZE), 0.5)).requires_grad_()
    logits = torch.cat([scale.flatten(1) for scale in head(picture).scales], 1)
    (gradient,) = torch.autograd.grad((logits * torch.from_numpy(draw("projected.seen", logits.shape))).sum(), picture)
    close(logits.detach().numpy(), kept["logits"], 10 * PASS)
    close(summary(gradient), kept["gradient"], 10 * PASS)


def trained_parts(head):
    """Our parameters and vectors of spectral norm by the original's names."""
    trained, vectors = {}, {}
    for level, (blocks, last) in enumerate(zip(head.blocks, head.last, strict=True)):
        convs = {f"{level}.main.{place}.main.0": block[0] for place, block in enumerate(blocks)}
        norms = {f"{level}.main.{place}.main.1": block[1] for place, block in enumerate(blocks)}
        for name, conv in {**convs, f"{level}.main.{len(blocks)}": last}.items():
            spectral = conv.parametrizations.weight
            trained |= {f"mini_discs.{name}.weight_orig": spectral.original, f"mini_discs.{name}.bias": conv.bias}
            vectors |= {f"mini_discs.{name}.weight_{end}": getattr(spectral[0], f"_{end}") for end in "uv"}
        trained |= {f"mini_discs.{name}.{part}": getattr(norm, part)
                    for name, norm in norms.items() for part in ("weight", "bias")}  # fmt: skip
    return trained, vectors


def test_the_objective_of_r3gan_and_its_gradients_are_the_originals(double):
    kept, (real, fake), network = read("r3gan"), pictures(), critic()

    def head(picture):
        return HeadOutput(network(picture))

    seen = fake.clone().requires_grad_()
    generator = build("RelativisticGeneratorLoss")(head(seen), head(real))
    generator.backward()
    close([generator.item()], [kept["generator"]], PASS)
    close(summary(seen.grad), kept["gradient/fake"], PASS)
    network.zero_grad()
    gan = build("RelativisticDiscriminatorLoss")(head(fake), head(real))
    r1, r2 = build("R1Penalty")(real, head), build("R2Penalty")(fake, head)
    (gan + GAMMA * (r1 + r2)).backward()
    # Theirs are the squares, which gamma / 2 multiplies.
    close([gan.item(), 2 * r1.item(), 2 * r2.item()], [kept[name] for name in ("discriminator", "r1", "r2")], PASS)
    for name, parameter in network.named_parameters():
        close(summary(parameter.grad), kept[f"gradient/{name}"], PASS)


def test_lecam_over_some_steps_is_the_originals(double):
    kept, loss, values, gradients = read("lecam"), build("LeCamLoss", decay=DECAY), [], []
    for real, fake in looks():
        value = loss(HeadOutput(fake), HeadOutput(real.requires_grad_()))
        value.backward()
        values.append(value.item())
        gradients.append(real.grad.numpy())
    close(values, kept["terms"], PASS)
    close(summary(gradients), kept["gradient"], PASS)
