"""DRAGAN's penalty as its authors' notebook has it, in float64."""

import torch
from torch import nn

from sketchkit.registry import LOSSES, HeadOutput
from tests.parity.make_dragan import BATCH, PIXELS, SHAPES, WIDTH, minibatch, throws, weights
from tests.parity.ours import PASS, close
from tests.parity.recipe import read, summary

KEPT = read("dragan")


def test_the_penalty_and_its_gradient_are_the_originals(double, monkeypatch):
    network = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
    for parameter, value in zip(network.parameters(), weights().values(), strict=True):
        parameter.data.copy_(torch.from_numpy(value).t())
    shape = (BATCH, 1, 28, 28)
    spread, alpha = (torch.from_numpy(one) for one in throws())
    monkeypatch.setattr(torch, "rand_like", lambda _: spread.view(shape))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: alpha.view(BATCH, 1, 1, 1))
    penalty = LOSSES.build(dict(type="DRAGANPenalty"))(
        torch.from_numpy(minibatch()).view(shape), lambda image: HeadOutput(network(image))
    )
    penalty.backward()
    close([penalty.item()], [KEPT["penalty"]], PASS)
    for name, parameter in zip(SHAPES, network.parameters(), strict=True):
        if name.startswith("D_W"):
            close(summary(parameter.grad.t()), KEPT[f"gradient/{name}"], PASS)
