"""CUT and FastCUT as their authors' code has them, in float64."""

import pytest
import torch

from sketchkit.registry import BACKBONES, HEADS, LOSSES
from tests.parity.make_cut import SIZE, STEPS
from tests.parity.networks import fill
from tests.parity.ours import PASS, TRAINED, batch, below, close, filled, pairs, same_moves, system
from tests.parity.recipe import Dice, batches, draw, order, read, summary

KEPT = read("cut")
OURS = {
    "generator": dict(type="ResNetGenerator", width=2, antialias=True, upsampling="bilinear"),
    "patch": dict(type="PatchDiscriminator", width=4, antialias=True, source_channels=0),
}


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("kind", OURS)
def test_a_network_sees_what_the_originals_does(double, kind, norm):
    network = (BACKBONES if kind == "generator" else HEADS).build({**OURS[kind], "norm": norm})
    fill(pairs(KEPT[f"{kind}.{norm}/names"], network), f"cut.{kind}.{norm}")
    with torch.no_grad():
        seen = network(torch.from_numpy(draw("cut.picture", (2, 3, SIZE, SIZE), 0.5)))
    close(summary(seen if kind == "generator" else seen.logits), KEPT[f"{kind}.{norm}"], PASS)


def test_the_loss_is_the_originals(double):
    query, key = (torch.from_numpy(draw(f"cut.{kind}", (2 * 9, 8), 8**-0.5)) for kind in ("query", "key"))
    found = LOSSES.build(dict(type="PatchNCELoss"))([query.unflatten(0, (2, 9))], [key.unflatten(0, (2, 9))])
    close(found, KEPT["loss"], PASS)


@pytest.mark.parametrize("name", ["cut", "fastcut"])
def test_training_steps_are_the_originals(double, monkeypatch, name):
    dice = Dice(f"{name}.flip")
    monkeypatch.setattr(torch, "rand", lambda *_: torch.tensor(dice.uniform()))
    monkeypatch.setattr(torch, "randperm", lambda count, **_: torch.from_numpy(order(count)))
    model, optimizers = system(
        f"{name}_apple2orange", "backbone.width=2", "heads.discriminator.width=4", "translator.channels=16",
        "translator.num_patches=64",
    )  # fmt: skip
    sides = dict(netG=model.backbone, netD=model.heads["discriminator"], netF=model.projection)
    kept = below(KEPT, name)
    named = filled(kept, name, "steps", sides)
    factor = 10 if name == "fastcut" else 1
    for (source, target), row in zip(batches(name, STEPS, 2, SIZE), kept["steps/losses"], strict=True):
        logs = model.train_step(batch(source, target), optimizers)
        terms = [logs["D/gan"], logs["G/gan"], *(factor * logs[key] for key in logs if key.startswith("G/nce"))]
        close([value.item() for value in terms], [row[0] + row[1], *row[2:]], TRAINED)
    same_moves(kept, name, "steps", named, TRAINED)
