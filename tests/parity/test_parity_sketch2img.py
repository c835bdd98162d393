"""The networks and losses of the Sketch2Img report as its public code has them, in float64."""

import pytest
import torch
from sketchkit_plugins.layers.norm import CONDITIONAL, make_norm
from sketchkit_plugins.losses.gradient_penalty import image_gradient

from sketchkit.registry import BACKBONES, HEADS, LOSSES
from tests.parity.make_sketch2img import CLASSES, LABELS, NORMS, SIZE, WIDTH, tensor
from tests.parity.networks import fill
from tests.parity.ours import PASS, ZERO, all_close, below, close
from tests.parity.recipe import read, summary, weight

KEPT = read("sketch2img")
GRADIENT = 1e-12  # measured: 5e-14
COMMON = dict(image_size=SIZE, num_classes=CLASSES, width=WIDTH, activation=dict(type="LeakyReLU"))
PARTS = {
    "keep": "conv_mi.0", "mix": "conv_ni.0", "new.conv": "conv_zi.0", "new.norm": "conv_zi.1",
    "kept.conv": "conv_xi.0", "kept.norm": "conv_xi.1",
}  # fmt: skip


def unit(ours, original):
    """(ours, original's) names of a masked residual unit's layers."""
    return [(f"{ours}.{new}", f"{original}.{old}") for new, old in PARTS.items()]


def encoder(ours):
    """Of the four levels of an encoder."""
    named = []
    for level in range(4):
        named += unit(f"{ours}.units.{level}", f"encoder.layers.{level}.0")
        named += [(f"{ours}.downs.{level}", f"encoder.layers.{level}.1")]
    return named


def decoder():
    """Of the generator's other half, the smallest map first."""
    named = [("to_image", "decoder.layer5.0"), ("label_map.table", "label_embeds")]
    for level in range(4):
        named += unit(f"decoder.units.{level}", f"decoder.layer{4 - level}.0")
        named += [(f"decoder.ups.{level}", f"decoder.layer{3 - level}.1")]
    return named


def named(layers, names, values):
    """The original's names with what `values` gives for our parameters."""
    both = {f"{ours}.{kind}": f"{original}.{kind}" for ours, original in layers for kind in ("weight", "bias")}
    found = {both[name]: value for name, value in values}
    assert set(found) == set(names.tolist())
    return found


def gradients(network, layers, place):
    """Every weight's gradient is the original's."""
    grads = [(name, parameter.grad) for name, parameter in network.named_parameters()]
    all_close(named(layers, KEPT[f"{place}/names"], grads), below(KEPT, place), GRADIENT, ZERO)


def built(registry, layers, place, **options):
    """A network with the original's weights."""
    network = registry.build({**COMMON, **options})
    fill(named(layers, KEPT[f"{place}/names"], network.named_parameters()).items(), f"sketch2img.{place}")
    return network


@pytest.mark.parametrize("norm", NORMS)
def test_the_generator_and_its_distance_are_the_originals(double, norm):
    place, layers = f"generator.{norm}", encoder("encoder") + decoder()
    network = built(BACKBONES, layers, place, type="MRUGenerator", norm=None if norm == "none" else norm)
    sketch, photo = (tensor(name, 2, 3, SIZE, SIZE) for name in ("sketch", "photo"))
    fake = network(sketch, label=torch.tensor(LABELS), noise=tensor("noise", 2, 8 * WIDTH, 8, 8, std=1.0))
    l1 = LOSSES.build(dict(type="PixelLoss"))(fake, photo)
    close(summary(fake.detach()), KEPT[f"{place}/output"], PASS)
    close([l1.item()], [KEPT[f"{place}/l1"]], PASS)
    l1.backward()
    gradients(network, layers, place)


def test_conditional_batch_norm_is_the_originals(double):
    norm = make_norm(CONDITIONAL, 6, num_classes=CLASSES)
    with torch.no_grad():
        both = torch.from_numpy(weight("sketch2img.conditional.embed", (CLASSES, 12), 12))
        norm.gamma.weight.copy_(both[:, :6])
        norm.beta.weight.copy_(both[:, 6:])
    maps = tensor("maps", 2, 6, 5, 7).requires_grad_()
    seen = norm(maps, torch.tensor(LABELS))
    (seen * tensor("slope", 2, 6, 5, 7)).sum().backward()
    close(summary(seen.detach()), KEPT["conditional"], PASS)
    close(summary(maps.grad), KEPT["conditional/gradient"], PASS)


def test_diversity_is_the_originals(double):
    one, other = (tensor(kind, 1, 3, 8, 8) for kind in ("one", "other"))
    noises = [tensor(f"noise of {kind}", 1, 16, 4, 4, std=1.0) for kind in ("one", "other")]
    value = LOSSES.build(dict(type="DiversityLoss"))(one.requires_grad_(), other, *noises)
    value.backward()
    close([value.item()], [KEPT["diversity"]], PASS)
    close(summary(one.grad), KEPT["diversity/gradient"], PASS)


def test_a_penalty_sees_the_originals_gradient(double):
    """Ours takes the norm of a picture's whole gradient, as DRAGAN does; the report's code that of each place."""
    layers = [*encoder("trunk"), ("real", "fc_dis"), ("classes", "fc_aux")]
    head = built(HEADS, layers, "discriminator.none", type="MRUDiscriminator", spectral_norm=False)
    real, fake = (tensor(kind, 2, 6, SIZE, SIZE) for kind in ("real", "fake"))
    point = torch.lerp(fake, real, tensor("alpha", 2, 1, 1, 1, std=0.1) + 0.5)
    with torch.no_grad():
        gradient = image_gradient(lambda image: head(image[:, :3], image[:, 3:]), point)
    slopes = gradient.view_as(point).norm(dim=1)
    close([((slopes - 1) ** 2).mean().item()], [KEPT["penalty"]], PASS)


@pytest.mark.parametrize("norm", NORMS)
def test_the_discriminator_and_the_class_term_are_the_originals(double, norm):
    place = f"discriminator.{norm}"
    layers = [*encoder("trunk"), ("real", "fc_dis"), ("classes", "fc_aux")]
    network = built(
        HEADS, layers, place, type="MRUDiscriminator", norm=None if norm == "none" else norm, spectral_norm=False
    )
    real = tensor("real", 2, 6, SIZE, SIZE)
    seen = network(real[:, :3], real[:, 3:])
    entropy = LOSSES.build(dict(type="AuxiliaryClassificationLoss"))(torch.tensor(LABELS), seen)
    close(summary(torch.cat([seen.logits, seen.class_logits], 1).detach()), KEPT[f"{place}/output"], PASS)
    close([entropy.item()], [KEPT[f"{place}/entropy"]], PASS)
    (entropy + seen.logits.mean()).backward()
    gradients(network, layers, place)
