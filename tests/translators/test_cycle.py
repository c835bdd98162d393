import copy

import pytest
import torch
from sketchkit_plugins.translators.cycle import CycleTranslator
from torch import nn

from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES

SGD = dict(generator=dict(optimizer=dict(type="SGD", lr=0.1)), discriminator=dict(optimizer=dict(type="SGD", lr=0.1)))
BACKBONE = dict(type="TinyBackbone", noise=False)
HEADS = dict(d=dict(type="PatchDiscriminator", num_layers=1, width=4, source_channels=0, norm=None))
TERMS = dict(
    generator_losses=dict(
        gan=dict(type="AdversarialLoss", mode="lsgan"),
        cycle=dict(type="CycleConsistencyLoss", weight=10.0),
        identity=dict(type="IdentityLoss", weight=5.0),
    ),
    discriminator_losses=dict(gan=dict(type="AdversarialLoss", mode="lsgan", weight=0.5)),
)


def translator(**more):
    torch.manual_seed(0)
    return CycleTranslator(**{"backbone": BACKBONE, "heads": HEADS, **TERMS, **more})


def batch(count=2, seed=1, channels=(3, 3)):
    generator = torch.Generator().manual_seed(seed)
    source, target = (
        torch.randint(0, 256, (count, c, 16, 16), dtype=torch.uint8, generator=generator) for c in channels
    )
    return dict(source=source, target=target, key=[f"k{i}" for i in range(count)])


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_step_is_the_papers_equation_by_hand():
    """Generators first, on LSGAN + 10 cycle + 5 identity each way; then the discriminators on half their LSGAN."""
    model = translator(pool_size=0)
    there, back = (copy.deepcopy(model.backbones[way]) for way in ("AtoB", "BtoA"))
    heads = {way: copy.deepcopy(model.heads[way]["d"]) for way in ("AtoB", "BtoA")}
    data = batch()
    logs = model.train_step(data, GroupOptimizers(SGD)(model))

    a, b = (data[key].float() / 127.5 - 1 for key in ("source", "target"))
    noise = torch.zeros(2, 4, 16, 16)
    fake_b, fake_a = there(a, noise=noise), back(b, noise=noise)
    terms = {
        "gan": (heads["AtoB"](fake_b).logits - 1).square().mean(),
        "gan_BtoA": (heads["BtoA"](fake_a).logits - 1).square().mean(),
        "cycle": (back(fake_b, noise=noise) - a).abs().mean(),
        "cycle_BtoA": (there(fake_a, noise=noise) - b).abs().mean(),
        "identity": (there(b, noise=noise) - b).abs().mean(),
        "identity_BtoA": (back(a, noise=noise) - a).abs().mean(),
    }
    for name, value in terms.items():
        assert logs[f"G/{name}"].item() == pytest.approx(value.item(), rel=1e-5), name
    factors = {"gan": 1.0, "cycle": 10.0, "identity": 5.0}
    total = sum(factors[name.removesuffix("_BtoA")] * value for name, value in terms.items())
    parameters = [*there.parameters(), *back.parameters()]
    own = [*model.backbones["AtoB"].parameters(), *model.backbones["BtoA"].parameters()]
    for start, gradient, now in zip(parameters, torch.autograd.grad(total, parameters), own, strict=True):
        assert torch.allclose(start - 0.1 * gradient, now, atol=1e-6)

    for way, fake, real, end in (("AtoB", fake_b, b, ""), ("BtoA", fake_a, a, "_BtoA")):
        head = heads[way]
        value = (head(real).logits - 1).square().mean() + head(fake.detach()).logits.square().mean()
        assert logs[f"D/gan{end}"].item() == pytest.approx(value.item(), rel=1e-5)
        gradients = torch.autograd.grad(0.5 * value, list(head.parameters()))
        for start, gradient, now in zip(head.parameters(), gradients, model.heads[way]["d"].parameters(), strict=True):
            assert torch.allclose(start - 0.1 * gradient, now, atol=1e-6)


def test_every_network_learns_and_the_report_names_both_ways():
    model = translator()
    before = weights(model)
    logs = model.train_step(batch(), GroupOptimizers(SGD)(model))
    learnt = {".".join(name.split(".")[:2]) for name in moved(before, weights(model))}
    assert learnt == {"backbones.AtoB", "backbones.BtoA", "heads.AtoB", "heads.BtoA"}
    values = ["G/gan", "G/cycle", "G/identity", "G/total", "D/gan", "D/total"]
    both = {*values, *(f"{name}_BtoA" for name in values)}
    assert logs.keys() == both
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_true_pictures_for_the_discriminators_alone_are_refused():
    model = translator()
    with pytest.raises(ConfigError, match="which CycleTranslator does not look at: set discriminator_share=None"):
        model.train_step({**batch(), "real": batch()}, GroupOptimizers(SGD)(model))


def test_the_discriminators_see_pictures_of_the_pool():
    """After the pool is full of an older generator's pictures, D is at times shown one of those."""
    model = translator(pool_size=1)
    seen = []
    judge = model.heads["AtoB"]["d"].forward
    model.heads["AtoB"]["d"].forward = lambda image, *a, **k: seen.append(image.detach()) or judge(image, *a, **k)
    wrappers = GroupOptimizers(SGD)(model)
    torch.manual_seed(3)
    older = 0
    for step in range(60):
        seen.clear()
        model.train_step(batch(1, seed=step), wrappers)
        # G's fake, then D's real and D's fake, in the order in which they are asked for.
        fake, *of_the_judge = seen
        older += not any(torch.equal(fake, image) for image in of_the_judge)
    assert 15 <= older <= 45  # four standard deviations around 30


def test_kinds_of_different_channels_turn_around_on_the_way_back():
    terms = {**TERMS, "generator_losses": {**TERMS["generator_losses"], "identity": None}}
    head = dict(type="PatchDiscriminator", num_layers=1, width=4, source_channels=0, norm=None, image_channels=3)
    model = CycleTranslator(
        dict(BACKBONE, in_channels=1, out_channels=3),
        dict(d=head),
        **terms,
        reverse=dict(heads=dict(d=dict(image_channels=1))),
    )
    logs = model.train_step(batch(channels=(1, 3)), GroupOptimizers(SGD)(model))
    assert logs["G/cycle_BtoA"] > 0
    shown = model.val_step(batch(channels=(1, 3)))[0]
    assert [shown[name].shape[1] for name in ("source", "fake", "rec_A", "target", "fake_A", "rec_B")] == [
        1, 3, 1, 3, 1, 3,
    ]  # fmt: skip


def test_identity_of_unequal_channels_is_refused_with_its_mend():
    with pytest.raises(
        ConfigError, match=r"generator_losses.identity: .*in_channels=1 .* out_channels=3.*identity=None"
    ):
        translator(backbone=dict(BACKBONE, in_channels=1))


def test_hints_are_refused_which_a_cycle_would_never_see():
    with pytest.raises(ConfigError, match=r"backbone\.hint_channels: a cycle's pictures have no hints: set it to 0"):
        translator(backbone=dict(type="UNetGenerator", width=2, num_downs=2, hint_channels=4))
    head = dict(type="PatchDiscriminator", num_layers=1, width=4, hint_channels=4)
    with pytest.raises(ConfigError, match=r"heads\.d\.hint_channels: a cycle's pictures have no hints"):
        translator(heads=dict(d=head))
    with pytest.raises(ConfigError, match=r"translator\.reverse\.heads\.d\.hint_channels: a cycle's pictures have no"):
        translator(heads=dict(d={**head, "hint_channels": 0}), reverse=dict(heads=dict(d=dict(hint_channels=4))))


def test_the_way_back_may_weigh_a_term_differently():
    even, odd = translator(), translator(reverse=dict(weights=dict(cycle=2.0)))
    logs = [model.train_step(batch(), GroupOptimizers(SGD)(model)) for model in (even, odd)]
    assert logs[0]["G/total"] == logs[1]["G/total"]
    difference = 8 * logs[0]["G/cycle_BtoA"]
    assert (logs[0]["G/total_BtoA"] - logs[1]["G/total_BtoA"]).item() == pytest.approx(difference.item(), rel=1e-4)
    with pytest.raises(ConfigError, match=r"reverse\.weights has 'cycel'"):
        translator(reverse=dict(weights=dict(cycel=2.0)))


def test_a_users_loss_is_called_both_ways():
    class Seen(nn.Module):
        def __init__(self):
            super().__init__()
            self.sources = []

        def forward(self, fake, source, head):
            self.sources.append(source)
            return head(fake).logits.mean()

    LOSSES.register_module(name="SeenBothWays", module=Seen, force=True)
    model = translator(generator_losses=dict(mine=dict(type="SeenBothWays")))
    data = batch()
    model.train_step(data, GroupOptimizers(SGD)(model))
    sources = model.generator_objective.losses["mine"].sources
    for source, key in zip(sources, ("source", "target"), strict=True):
        assert torch.allclose(source, data[key].float() / 127.5 - 1)


def test_what_a_cycle_cannot_give_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"generator_losses.div: 'fake_alt' cannot be had here.*identity.*rec"):
        translator(generator_losses=dict(div=dict(type="DiversityLoss")))
    with pytest.raises(ConfigError, match="names no term"):
        translator(generator_losses={}).optimizer_groups()


def test_a_validation_goes_there_and_back_with_the_average():
    model = translator(ema=dict(type="ExponentialMovingAverage", momentum=0.5))
    wrappers = GroupOptimizers(SGD)(model)
    for seed in range(3):
        model.train_step(batch(seed=seed), wrappers)
    model.eval()
    data = batch(seed=9)
    shown = model.val_step(data)[0]
    networks = model.networks()
    assert moved(weights(networks["AtoB"]), weights(model.backbones["AtoB"]))
    a = data["source"].float() / 127.5 - 1
    noise = torch.zeros(2, 4, 16, 16)
    with torch.no_grad():
        fake = networks["AtoB"](a, noise=noise)
        assert torch.allclose(shown["fake"], fake, atol=1e-6)
        assert torch.allclose(shown["rec_A"], networks["BtoA"](fake, noise=noise), atol=1e-6)


def test_a_gradient_penalty_and_batch_norm_do_not_go_together():
    penalty = dict(gan=dict(type="AdversarialLoss", mode="wgan"), slope=dict(type="GradientPenalty"))
    translator(discriminator_losses=penalty)
    with pytest.raises(ConfigError, match=r"discriminator_losses\.slope: .*heads\.d\.norm=None"):
        translator(discriminator_losses=penalty, heads=dict(d=dict(HEADS["d"], norm="batch")))
    with pytest.raises(ConfigError, match=r"discriminator_losses\.slope"):
        translator(discriminator_losses=penalty, reverse=dict(heads=dict(d=dict(norm="batch"))))


def test_a_preprocessor_that_makes_the_source_of_the_target_is_refused():
    with pytest.raises(ConfigError, match="LabPreprocessor makes the source of the target"):
        translator(data_preprocessor=dict(type="LabPreprocessor"))
