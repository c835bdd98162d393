"""pix2pix as its authors' PyTorch code has it; all in float64, so that what differs is no rounding of float32."""

import pytest
import torch

from sketchkit.registry import BACKBONES, HEADS, LOSSES
from tests.parity.make_pix2pix import MODES, SIZES
from tests.parity.networks import fill
from tests.parity.ours import (
    PASS,
    TRAINED,
    ZERO,
    all_close,
    batch,
    below,
    close,
    filled,
    output,
    pairs,
    same_moves,
    system,
)
from tests.parity.recipe import batches, draw, read, summary

KEPT = read("pix2pix")
OURS = {
    "unet": dict(type="UNetGenerator", width=2, num_downs=7, dropout=0.0),
    "patch": dict(type="PatchDiscriminator", width=4, num_layers=3),
    "patch2": dict(type="PatchDiscriminator", width=4, num_layers=2),
    "pixel": dict(type="PixelDiscriminator", width=4),
}


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("kind", OURS)
def test_a_network_sees_what_the_originals_does(double, kind, norm):
    name = f"{kind}.{norm}"
    network = (BACKBONES if kind == "unet" else HEADS).build({**OURS[kind], "norm": norm})
    fill(pairs(KEPT[f"{name}/names"], network), f"pix2pix.{name}")
    picture = torch.from_numpy(draw(f"pix2pix.{name}", SIZES[kind.rstrip("2")], 0.5))
    for mode in ("train", "eval"):
        with torch.no_grad():
            seen = network.train(mode == "train")(*([picture] if kind == "unet" else [picture[:, 3:], picture[:, :3]]))
        close(summary(seen if kind == "unet" else seen.logits), KEPT[f"{name}/{mode}"], PASS)


@pytest.mark.parametrize("mode", MODES)
def test_a_loss_is_the_originals(double, mode):
    logits = output(torch.from_numpy(draw("pix2pix.logits", (2, 1, 6, 6), 2.0)))
    loss = LOSSES.build(dict(type="AdversarialLoss", mode=mode.replace("wgangp", "wgan")))
    real, fake = KEPT[f"loss/{mode}"]
    close([loss(logits), loss(logits, logits)], [real, real + fake], PASS)


def test_the_gradient_penalty_is_the_originals(double, monkeypatch):
    head = HEADS.build(dict(type="PatchDiscriminator", width=4, norm="instance", source_channels=0))
    named = pairs(KEPT["penalty/names"], head)
    fill(named, "pix2pix.penalty")
    real, fake = (torch.from_numpy(draw(f"pix2pix.penalty.{kind}", (3, 3, 32, 32), 0.5)) for kind in ("real", "fake"))
    alpha = torch.from_numpy(draw("pix2pix.penalty.alpha", (3, 1), 0.2, 0.5))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: alpha[:, :, None, None])
    penalty = LOSSES.build(dict(type="GradientPenalty"))(real, fake, head)
    penalty.backward()
    close([penalty.item()], [KEPT["loss/penalty"]], PASS)
    # The last bias has no gradient.
    all_close({name: one.grad for name, one in named[:-1]}, below(KEPT, "penalty"), PASS, ZERO)


def test_training_steps_are_the_originals(double):
    model, optimizers = system(
        "pix2pix_facades", "backbone.width=2", "backbone.num_downs=7", "backbone.dropout=0.0",
        "heads.discriminator.width=4",
    )  # fmt: skip
    sides = {"netG": model.backbone, "netD": model.heads["discriminator"]}
    named = filled(KEPT, "pix2pix", "steps", sides)
    for (source, target), kept in zip(batches("pix2pix", 5, 2, 128), KEPT["steps/losses"], strict=True):
        logs = model.train_step(batch(source, target), optimizers)
        found = [logs["D/gan"], logs["G/gan"], 100 * logs["G/pixel"]]
        close([value.item() for value in found], [kept[0] + kept[1], *kept[2:]], TRAINED)
    same_moves(KEPT, "pix2pix", "steps", named, TRAINED)
