"""A translator from outside, with one optimizer group and a loss input of its own: it trains, resumes and is used."""

import pytest
import torch
from sketchkit_plugins.translators.cycle import CycleTranslator
from torch import nn

from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.engine.train import train
from sketchkit.errors import ConfigError
from sketchkit.evaluation.evaluate import EvaluationCall
from sketchkit.evaluation.metric import Setup
from sketchkit.inference import TrainedTranslator
from sketchkit.registry import BACKBONES, LOSSES, MODELS
from sketchkit.testing import check_loss
from sketchkit.translators.base import Translator
from sketchkit.translators.objective import Objective, StepInputs
from sketchkit.translators.padding import PaddedGenerator
from tests.small_runs import small_run
from tests.translators.test_cycle import batch, translator


@MODELS.register_module(force=True)
class Painter(Translator):
    """Learns the target, and an input that no other translator gives."""

    offers = {"edges": "(B,C,H,W-1) differences of the target's columns"}

    def __init__(self, backbone, generator_losses=None):
        super().__init__(MODELS.build(dict(type="TranslationPreprocessor")))
        self.backbone = BACKBONES.build(backbone)
        self.objective = Objective(generator_losses or {}, "generator", ("fake", "target"), ("edges",), ())

    def optimizer_groups(self):
        return {"painter": self.backbone}

    def networks(self):
        return {"AtoB": self.backbone}

    def objectives(self):
        return {"generator": self.objective}

    @classmethod
    def inference_config(cls, config):
        return {**config, "generator_losses": {}}

    def train_step(self, data, optim_wrapper):
        seen = self.data_preprocessor(data, training=True)
        generator = PaddedGenerator(self.backbone, seen)
        fake = generator(generator.draw_noise())
        self.keep_batch(seen, fake=fake)
        edges = {"edges": lambda _: seen["target"].diff(dim=-1)}
        given = {"fake": lambda _: fake, "target": lambda _: seen["target"]}
        total, values = self.objective(StepInputs(given, edges))
        wrapper = optim_wrapper["painter"]
        wrapper.backward(total)
        wrapper.step()
        wrapper.zero_grad()
        return {**values, "total": total.detach()}

    def val_step(self, data, draws=2):
        seen = self.data_preprocessor(data, training=False)
        generator = PaddedGenerator(self.backbone, seen)
        with torch.no_grad():
            fakes = [generator(generator.noise_of(seen["key"], number)) for number in range(draws)]
        return [{**{name: seen[name] for name in ("key", "source", "target")}, "fake": fakes[0], "draws": fakes}]


@LOSSES.register_module(force=True)
class EdgeLoss(nn.Module):
    def forward(self, fake, edges):
        return (fake.diff(dim=-1) - edges).abs().mean()


ALONE = (
    "translator={'type': 'Painter'}",
    "backbone={'type': 'TinyBackbone'}",
    "heads={}",
    "discriminator_losses={}",
    "generator_losses={'edge': {'type': 'EdgeLoss'}, 'pixel': {'type': 'PixelLoss'}}",
    "optim_wrapper={'constructor': 'GroupOptimizers', 'painter': {'optimizer': {'type': 'Adam', 'lr': 0.01}}}",
    "param_scheduler=None",
)


@pytest.mark.slow
def test_it_trains_resumes_and_is_measured_and_used(tiny_config, tmp_path):
    config = tiny_config(*ALONE)
    folder = train(config, tmp_path / "run")
    rows = read_scalars(folder / "scalars.jsonl")
    assert {"edge", "pixel", "total", "lr/painter"} <= {*rows[1]}
    whole = read_checkpoint(folder / "iter_6.pth")
    (folder / "iter_6.pth").unlink()
    train(config, folder, resume=True)
    resumed = read_checkpoint(folder / "iter_6.pth")
    assert list(whole["optimizers"]) == ["painter"]
    assert all(torch.equal(value, resumed["model"][name]) for name, value in whole["model"].items())
    outcome = EvaluationCall(Setup(), metrics=["l1"]).run(folder)
    assert outcome.result["metrics"]["l1"]["value"] == pytest.approx(rows[-1]["val/l1"], abs=2e-3)
    network = TrainedTranslator(folder)
    assert network(torch.zeros(16, 16, 3).byte().numpy()).shape == (16, 16, 3) and network.takes_noise
    with pytest.raises(ConfigError, match="Painter has no option 'test_norm'"):
        TrainedTranslator(folder, test_norm="batch")


def test_an_input_that_the_translator_does_not_offer_is_refused_by_its_name():
    with pytest.raises(ConfigError, match=r"generator_losses\.edge: EdgeLoss\.forward names 'edges'"):
        translator(generator_losses=dict(edge=dict(type="EdgeLoss")))


def test_the_contract_test_of_losses_knows_what_a_translator_offers():
    with pytest.raises(AssertionError, match=r"give an example .* check_loss\(loss, edges="):
        check_loss(EdgeLoss())
    check_loss(EdgeLoss(), edges=torch.zeros(2, 3, 64, 63))


def test_a_group_that_does_not_exist_is_refused(tiny_config, tmp_path):
    more = "+optim_wrapper.generator={'optimizer': {'type': 'SGD', 'lr': 1.0}}"
    with pytest.raises(ConfigError, match=r"optim_wrapper\.generator is no group of this translator: known: painter"):
        train(tiny_config(*ALONE, more), tmp_path / "run")


@pytest.mark.slow
def test_a_cycle_on_paired_data_is_measured_against_the_truth(tmp_path):
    """And one on unpaired data never is."""
    folder = small_run("cycle", tmp_path)
    measured = {name for row in read_scalars(folder / "scalars.jsonl") for name in row if name.startswith("val/")}
    assert measured == {"val/cycle_A", "val/cycle_B"}
    small_run("pix2pix", tmp_path / "pairs", "train_cfg.max_iters=1")
    steps = "[{'type': 'Resize', 'size': [32, 32]}]"
    pairs = f"{{'type': 'PairsDataset', 'data_root': '{tmp_path / 'pairs/data'}', 'split': 'val', 'pipeline': {steps}}}"
    paired = small_run("cycle", tmp_path / "paired", f"val_dataloader.dataset={pairs}")
    measured = {name for row in read_scalars(paired / "scalars.jsonl") for name in row if name.startswith("val/")}
    assert measured == {"val/cycle_A", "val/cycle_B", "val/l1"}
    outcome = EvaluationCall(Setup(), metrics=["l1"]).run(paired)
    rows = [row["val/l1"] for row in read_scalars(paired / "scalars.jsonl") if "val/l1" in row]
    assert outcome.result["metrics"]["l1"]["value"] == pytest.approx(rows[-1], abs=2e-3)


def test_two_parts_of_a_cycles_batch_give_the_gradients_of_the_whole():
    sgd = {side: dict(optimizer=dict(type="SGD", lr=0.1)) for side in ("generator", "discriminator")}
    weights = []
    for parts in (1, 2):
        model: CycleTranslator = translator(pool_size=0, accumulate=parts)
        logs = model.train_step(batch(4), GroupOptimizers(sgd)(model))
        weights.append((torch.cat([p.detach().flatten() for p in model.parameters()]), logs["G/total_BtoA"]))
    assert torch.allclose(weights[0][0], weights[1][0], atol=1e-6)
    assert weights[0][1] == pytest.approx(weights[1][1].item(), rel=1e-5)
