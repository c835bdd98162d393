"""CUT: a step by hand, its parts, and whole runs."""

import pytest
import torch
from sketchkit_plugins.translators.contrastive import ContrastiveTranslator, PatchProjection
from torch import nn

from sketchkit.config.load import load_config
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.engine.train import model_config
from sketchkit.errors import ConfigError
from sketchkit.evaluation.evaluate import EvaluationCall
from sketchkit.evaluation.metric import Setup
from sketchkit.inference import TrainedTranslator
from sketchkit.registry import BACKBONES, LOSSES, MODELS
from tests.conftest import ROOT
from tests.small_runs import small_run

LAYERS = ["input", "down_1", "down_2", "block_1"]
NCE = dict(nce=dict(type="PatchNCELoss", weight=0.5), nce_identity=dict(type="IdentityPatchNCELoss", weight=0.5))
SGD = {group: dict(optimizer=dict(type="SGD", lr=0.1)) for group in ("generator", "discriminator", "projection")}


def translator(**changes):
    torch.manual_seed(0)
    options = dict(
        backbone=dict(type="ResNetGenerator", width=4, num_blocks=1, init_gain=0.3),
        heads=dict(discriminator=dict(type="PatchDiscriminator", width=4, num_layers=1, source_channels=0)),
        generator_losses=dict(gan=dict(type="AdversarialLoss", mode="lsgan"), **NCE),
        discriminator_losses=dict(gan=dict(type="AdversarialLoss", mode="lsgan", weight=0.5)),
        layers=LAYERS,
        # All places: then their order changes nothing.
        num_patches=10_000,
        channels=8,
    )
    return ContrastiveTranslator(**{**options, **changes})


def batch(count=2, size=16):
    torch.manual_seed(1)
    pictures = {name: torch.randint(256, (count, 3, size, size), dtype=torch.uint8) for name in ("source", "target")}
    return {**pictures, "key": [str(i) for i in range(count)], "target_key": [f"b{i}" for i in range(count)]}


def scaled(picture):
    return picture.float() / 127.5 - 1


def nce(model, query, key):
    """Equations 2 to 4 on all places of every layer."""
    terms = []
    pairs = zip(*(model.backbone.encoder_features(image, LAYERS) for image in (query, key)), strict=True)
    for perceptron, maps in zip(model.projection.perceptrons, pairs, strict=True):
        rows = (perceptron(one.permute(0, 2, 3, 1).flatten(1, 2)) for one in maps)
        q, k = (row / (row.norm(dim=-1, keepdim=True) + 1e-7) for row in rows)
        for picture, other in zip(q, k.detach(), strict=True):
            logits = picture @ other.T / 0.07
            terms.append((logits.logsumexp(1) - logits.diagonal()).mean())
    return torch.stack(terms).mean()


def test_a_step_is_the_papers_equation_by_hand():
    model, twin = translator(), translator()
    logs = model.train_step(batch(), GroupOptimizers(SGD)(model))
    a, b = scaled(batch()["source"]), scaled(batch()["target"])
    judge = twin.heads["discriminator"]
    fake = twin.backbone(a)
    d = 0.5 * (((judge(b).logits - 1) ** 2).mean() + (judge(fake.detach()).logits ** 2).mean())
    _descend(d, twin.heads)
    gan = ((judge(fake).logits - 1) ** 2).mean()
    terms = [nce(twin, fake, a), nce(twin, twin.backbone(b), b)]
    _descend(gan + 0.5 * terms[0] + 0.5 * terms[1], twin.backbone, twin.projection)
    expected = {"D/total": d, "G/gan": gan, "G/nce": terms[0], "G/nce_identity": terms[1]}
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value.item(), rel=1e-4), name
    weights = dict(model.named_parameters())
    for name, weight in twin.named_parameters():
        assert torch.allclose(weights[name], weight, atol=1e-5), name


def _descend(loss, *modules):
    weights = [p for module in modules for p in module.parameters()]
    with torch.no_grad():
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights, retain_graph=True), strict=True):
            weight -= 0.1 * gradient


def test_two_parts_of_a_batch_give_the_gradients_of_the_whole():
    weights = []
    for parts in (1, 2):
        # Batch norm would see each part by itself.
        heads = dict(discriminator=dict(type="PatchDiscriminator", width=4, num_layers=1, source_channels=0, norm=None))
        model = translator(heads=heads, accumulate=parts, flip_equivariance=True)
        model.train_step(batch(4), GroupOptimizers(SGD)(model))
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.allclose(*weights, atol=1e-5)


@BACKBONES.register_module(force=True)
class Mirrorable(nn.Module):
    """One convolution whose kernel is its own mirror image."""

    in_channels = out_channels = 3

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        nn.init.normal_(self.conv.weight)
        self.conv.weight.data.add_(self.conv.weight.data.flip(-1))

    def forward(self, source):
        return self.conv(source).tanh()

    def encoder_features(self, source, layers):
        return [self.conv(source)]


def test_a_mirrored_step_compares_the_same_places(monkeypatch):
    """A generator that mirrors alike makes the same of both kinds of steps, and its fake is the mirrored source's."""
    values = []
    for coin in (0.9, 0.1):
        model = translator(backbone=dict(type="Mirrorable"), layers=["conv"], flip_equivariance=True)
        monkeypatch.setattr(torch, "rand", lambda *_, coin=coin: torch.tensor(coin))
        logs = model.train_step(batch(), GroupOptimizers(SGD)(model))
        monkeypatch.undo()
        values.append([float(logs["G/nce"]), float(logs["G/nce_identity"])])
        source = scaled(batch()["source"])
        assert torch.equal(model.last_batch["source"], source)
        fake = translator(backbone=dict(type="Mirrorable"), layers=["conv"]).backbone(source)
        assert torch.allclose(model.last_batch["fake"], fake.flip(-1) if coin < 0.5 else fake, atol=1e-5)
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_both_that_are_compared_are_looked_at_in_the_same_places():
    model = translator(num_patches=5)
    looked = []
    model.projection.register_forward_pre_hook(lambda _, args: looked.append(args[1]))
    model.train_step(batch(), GroupOptimizers(SGD)(model))
    assert len(looked) == 4 and all(len(place) == 5 for places in looked for place in places)
    for one, other in (looked[:2], looked[2:]):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
    assert not torch.equal(looked[0][0], looked[2][0])


def test_a_projection_takes_the_pixel_of_each_place():
    projection = PatchProjection([3], 4)
    features = torch.rand(2, 3, 4, 5)
    (rows,) = projection([features], [torch.tensor([7, 0])])
    expected = projection.perceptrons[0](features[:, :, 1, 2])
    assert torch.allclose(rows[:, 0], expected / (expected.norm(dim=1, keepdim=True) + 1e-7), atol=1e-6)


def test_networks_have_the_published_numbers_of_parameters():
    """11.378, 2.765 and 0.560 million, as the authors' code prints them; exactly what its layers add up to."""
    config = load_config(ROOT / "configs/cut_apple2orange.py")
    model = MODELS.build(model_config(config))
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.optimizer_groups().items()}
    assert counts == {"generator": 11_378_179, "discriminator": 2_764_737, "projection": 560_384}


def test_a_loss_scale_is_undone_in_every_group_it_reaches():
    weights = []
    for amp in (None, "fp16"):
        model = translator()
        wrappers = GroupOptimizers({**SGD, "amp": amp, "allow_slow_amp": True, "loss_scale": 8.0})(model)
        for wrapper in wrappers.values():
            wrapper.amp = None  # the scale alone, in full precision
        model.train_step(batch(), wrappers)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.allclose(*weights, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(layers=["block_9"]), "layer='block_9'.*block_1"),
        (dict(num_patches=0), "num_patches=0"),
        (dict(layers="input"), "a list of layers"),
        (dict(accumulate=0), "accumulate=0"),
        (dict(backbone=dict(type="UNetGenerator", num_downs=3, width=4)), "UNetGenerator has no encoder_features"),
        (
            dict(backbone=dict(type="ResNetGenerator", width=4, in_channels=1)),
            "in_channels=1 differ from its out_",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        translator(**changes)


def test_heads_see_the_picture_alone():
    """A source and the target drawn beside it do not belong together."""
    heads = dict(discriminator=dict(type="PatchDiscriminator", width=4, num_layers=1, source_channels=3))
    with pytest.raises(ConfigError, match="source_channels=0"):
        translator(heads=heads).train_step(batch(), GroupOptimizers(SGD)(translator(heads=heads)))


@LOSSES.register_module(force=True)
class FarFromSource(nn.Module):
    def forward(self, fake, source):
        return (fake - source).abs().mean()


def test_a_fake_that_is_mirrored_is_not_laid_over_its_source():
    losses = dict(**NCE, far=dict(type="FarFromSource"))
    translator(generator_losses=losses)
    with pytest.raises(ConfigError, match=r"generator_losses\.far .* flip_equivariance"):
        translator(generator_losses=losses, flip_equivariance=True)


def test_no_layers_are_refused_in_training():
    with pytest.raises(ConfigError, match=r"translator\.layers is empty"):
        GroupOptimizers(SGD)(translator(layers=[]))


def test_a_run_without_a_term_of_patches_is_refused():
    model = translator(generator_losses=dict(gan=dict(type="AdversarialLoss")))
    with pytest.raises(ConfigError, match="PatchNCELoss"):
        GroupOptimizers(SGD)(model)


def test_a_run_resumes_to_the_same_weights_and_is_translated_and_measured(tmp_path):
    """The numbers are those of two sets: nothing compares a fake with the picture that happens to stand beside it."""
    folder = small_run("cut", tmp_path)
    rows = read_scalars(folder / "scalars.jsonl")
    assert {"G/nce", "lr/projection"} <= {*rows[-1]} and not any(key.startswith("val/") for row in rows for key in row)
    assert (folder / "grids/iter_000003.png").is_file()
    whole = read_checkpoint(folder / "iter_3.pth")
    small_run("cut", tmp_path / "cut", "train_cfg.max_iters=2", "default_hooks.checkpoint.interval=2")
    resumed = small_run("cut", tmp_path / "cut", resume=True)
    again = read_checkpoint(resumed / "iter_3.pth")["model"]
    assert all(torch.equal(value, again[name]) for name, value in whole["model"].items())
    with pytest.raises(ConfigError, match="unpaired"):
        EvaluationCall(Setup(), metrics=["l1"]).run(folder)
    outcome = EvaluationCall(Setup(), metrics=["colorfulness"]).run(folder)
    assert outcome.result["metrics"]["colorfulness"]["n"]
    network = TrainedTranslator(folder)
    assert network(torch.zeros(18, 20, 3).byte().numpy()).shape == (18, 20, 3)
    assert not any("projection" in name for name, _ in network.model.named_parameters())
