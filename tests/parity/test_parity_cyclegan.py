"""CycleGAN as its authors' PyTorch code has it, in float64."""

import pytest
import torch

from sketchkit.registry import BACKBONES
from tests.parity.make_cyclegan import POOL, STEPS
from tests.parity.networks import fill
from tests.parity.ours import PASS, TRAINED, batch, close, filled, pairs, same_moves, system
from tests.parity.recipe import Dice, batches, draw, read, summary

KEPT = read("cyclegan")


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("blocks", [6, 9])
def test_a_generator_sees_what_the_originals_does(double, blocks, norm):
    name = f"resnet_{blocks}blocks.{norm}"
    network = BACKBONES.build(dict(type="ResNetGenerator", width=2, num_blocks=blocks, norm=norm))
    fill(pairs(KEPT[f"{name}/names"], network), f"cyclegan.{name}")
    with torch.no_grad():
        close(summary(network(torch.from_numpy(draw("cyclegan.picture", (2, 3, 32, 24), 0.5)))), KEPT[name], PASS)


def test_training_steps_are_the_originals(double, monkeypatch):
    dice = Dice("cyclegan.pool")
    monkeypatch.setattr(torch, "rand", dice.uniform)
    monkeypatch.setattr(torch, "randint", lambda size, _: dice.randint(0, size - 1))
    model, optimizers = system(
        "cyclegan_apple2orange", "backbone.width=2", "heads.discriminator.width=4", f"translator.pool_size={POOL}"
    )
    judges = {way: model.heads[way]["discriminator"] for way in ("AtoB", "BtoA")}
    sides = dict(
        netG_A=model.backbones["AtoB"], netG_B=model.backbones["BtoA"], netD_A=judges["AtoB"], netD_B=judges["BtoA"]
    )
    named = filled(KEPT, "cyclegan", "steps", sides)
    for (source, target), kept in zip(batches("cyclegan", STEPS, 2, 32), KEPT["steps/losses"], strict=True):
        logs = model.train_step(batch(source, target), optimizers)
        found = [
            weight * logs[f"{term}{end}"].item()
            for end in ("", "_BtoA")
            for term, weight in (("G/gan", 1), ("G/cycle", 10), ("G/identity", 5), ("D/gan", 0.5))
        ]
        close(found, kept, TRAINED)
    same_moves(KEPT, "cyclegan", "steps", named, TRAINED)
