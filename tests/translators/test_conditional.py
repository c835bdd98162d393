import copy

import pytest
import torch
from sketchkit_plugins.translators.conditional import ConditionalTranslator
from torch import nn

from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES

LOSSES.register_module(
    name="NoticeGradients",
    module=type("NoticeGradients", (nn.Module,), {"forward": lambda self, fake, head: head(fake).logits.mean()}),
    force=True,
)
SGD = dict(generator=dict(optimizer=dict(type="SGD", lr=0.1)), discriminator=dict(optimizer=dict(type="SGD", lr=0.1)))
LOSSES_OF_BOTH = dict(
    generator_losses=dict(gan=dict(type="AdversarialLoss"), pixel=dict(type="PixelLoss", weight=10.0)),
    discriminator_losses=dict(gan=dict(type="AdversarialLoss")),
)


def translator(backbone=None, head=None, **more):
    torch.manual_seed(0)
    options = {**LOSSES_OF_BOTH, **more}
    return ConditionalTranslator(
        dict(type="TinyBackbone", **(backbone or {})), dict(d=dict(type="TinyHead", **(head or {}))), **options
    )


def batch(count=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, count, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return dict(source=images[0], target=images[1], label=torch.arange(count) % 3, key=[f"k{i}" for i in range(count)])


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_step_updates_both_sides_and_reports_every_term():
    model = translator()
    wrappers = GroupOptimizers(SGD)(model)
    before = weights(model)
    logs = model.train_step(batch(), wrappers)
    changed = moved(before, weights(model))
    assert {name.partition(".")[0] for name in changed} == {"backbone", "heads"}
    assert {"G/gan", "G/pixel", "G/total", "D/gan", "D/total", "D/accuracy", "D/class_accuracy"} == logs.keys()
    assert logs["G/total"].item() == pytest.approx(logs["G/gan"].item() + 10 * logs["G/pixel"].item(), rel=1e-5)


def test_the_steps_are_those_of_the_textbook():
    """Discriminator first, on a detached picture; then the generator against the updated discriminator."""
    model = translator(backbone=dict(noise=False))
    plain = copy.deepcopy(model)
    data = batch()
    model.train_step(data, GroupOptimizers(SGD)(model))

    source, target = (data[key].float() / 127.5 - 1 for key in ("source", "target"))
    generator, head = plain.backbone, plain.heads["d"]
    bce = nn.functional.binary_cross_entropy_with_logits
    noise = torch.zeros(4, 4, 8, 8)
    fake = generator(source, noise=noise)
    real_logits = head(target, source).logits
    fake_logits = head(fake.detach(), source).logits
    loss = bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))
    for parameter, gradient in zip(
        head.parameters(), torch.autograd.grad(loss, list(head.parameters()), allow_unused=True), strict=True
    ):
        parameter.data -= 0.1 * (gradient if gradient is not None else 0)
    logits = head(fake, source).logits
    loss = bce(logits, torch.ones_like(logits)) + 10 * (fake - target).abs().mean()
    for parameter, gradient in zip(
        generator.parameters(), torch.autograd.grad(loss, list(generator.parameters())), strict=True
    ):
        parameter.data -= 0.1 * gradient
    for name, value in plain.state_dict().items():
        assert torch.allclose(value, model.state_dict()[name], atol=1e-6), name


def test_the_discriminators_may_have_true_pictures_of_their_own():
    """As if the true pictures with their sources and labels had been a batch of its own; R1 looks at them, R2 not."""
    judged = dict(gan=dict(type="AdversarialLoss"), classes=dict(type="AuxiliaryClassificationLoss", on_fake=True),
                  r1=dict(type="R1Penalty", weight=3.0), r2=dict(type="R2Penalty", weight=2.0))  # fmt: skip
    model = translator(backbone=dict(noise=False), discriminator_losses=judged)
    plain = copy.deepcopy(model)
    data, real = batch(), batch(seed=2)
    real["label"] = torch.tensor([2, 2, 1, 0])
    logs = model.train_step({**data, "real": real}, GroupOptimizers(SGD)(model))

    source, target = (data[key].float() / 127.5 - 1 for key in ("source", "target"))
    real_source, real_target = (real[key].float() / 127.5 - 1 for key in ("source", "target"))
    generator, head = plain.backbone, plain.heads["d"]
    bce, entropy = nn.functional.binary_cross_entropy_with_logits, nn.functional.cross_entropy
    fake = generator(source, noise=torch.zeros(4, 4, 8, 8))
    seen = fake.detach().requires_grad_()
    on_real, on_fake = head(real_target.requires_grad_(), real_source), head(seen, source)
    (slope,) = torch.autograd.grad(on_real.logits.sum(), real_target, create_graph=True)
    (fake_slope,) = torch.autograd.grad(on_fake.logits.sum(), seen, create_graph=True)
    gan = bce(on_real.logits, torch.ones_like(on_real.logits)) + bce(on_fake.logits, torch.zeros_like(on_fake.logits))
    classes = entropy(on_real.class_logits, real["label"]) + entropy(on_fake.class_logits, data["label"])
    loss = gan + classes + 3 * slope.square().sum((1, 2, 3)).mean() / 2 + fake_slope.square().sum((1, 2, 3)).mean()
    for parameter, gradient in zip(
        head.parameters(), torch.autograd.grad(loss, list(head.parameters()), allow_unused=True), strict=True
    ):
        parameter.data -= 0.1 * (gradient if gradient is not None else 0)
    for name, value in head.state_dict().items():
        assert torch.allclose(value, model.heads["d"].state_dict()[name], atol=1e-6), name
    assert logs["D/class_accuracy"] == (on_real.class_logits.argmax(1) == real["label"]).float().mean()
    # The generator's own truth is what it was.
    assert logs["G/pixel"].item() == pytest.approx((fake - target).abs().mean().item(), abs=1e-6)


@pytest.mark.parametrize("parts", [1, 3])
def test_true_pictures_that_are_the_generators_own_change_nothing(parts):
    terms = dict(gan=dict(type="AdversarialLoss"), classes=dict(type="AuxiliaryClassificationLoss"))
    one, other = (translator(dict(noise=False), accumulate=parts, discriminator_losses=terms) for _ in range(2))
    for seed in range(2):
        data = batch(seed=seed)
        one.train_step(data, GroupOptimizers(SGD)(one))
        other.train_step({**data, "real": data}, GroupOptimizers(SGD)(other))
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_the_heads_get_no_gradient_from_the_generators_step():
    model = translator(discriminator_losses={}, generator_losses=dict(x=dict(type="NoticeGradients")))
    before = weights(model.heads)
    model.train_step(batch(), GroupOptimizers(SGD)(model))
    assert all(p.grad is None and p.requires_grad for p in model.heads.parameters())
    assert not moved(before, weights(model.heads))


def test_the_generator_waits_for_its_turn():
    model = translator(discriminator_steps=3)
    wrappers = GroupOptimizers(SGD)(model)
    turns = []
    for _ in range(6):
        before = weights(model.backbone), weights(model.heads)
        model.train_step(batch(), wrappers)
        turns.append(bool(moved(before[0], weights(model.backbone))))
        assert moved(before[1], weights(model.heads))
    assert turns == [False, False, True] * 2


def test_lazy_terms_keep_the_rhythm_of_their_side():
    """Each side counts its own steps, in parts or not; a resumed run goes on where it was."""
    lazy = dict(type="PixelLoss", every=3)
    terms = dict(
        generator_losses={**LOSSES_OF_BOTH["generator_losses"], "lazy": lazy},
        discriminator_losses=dict(gan=dict(type="AdversarialLoss"), dragan=dict(type="DRAGANPenalty", every=3)),
    )
    model = translator(head=dict(norm=None), discriminator_steps=2, accumulate=2, **terms)
    wrappers = GroupOptimizers(SGD)(model)
    model.iteration = 4  # as the loop sets it
    logs = [model.train_step(batch(), wrappers) for _ in range(8)]
    done = {
        name: [iteration for iteration, one in enumerate(logs, start=5) if name in one]
        for name in ("D/dragan", "G/lazy")
    }
    assert done == {"D/dragan": [7, 10], "G/lazy": [8]}, "iterations 1, 4, 7, 10; and turns 1, 4 of 2, 4, 6, 8, ..."


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_accumulated_parts_add_up_to_the_whole_batch(parts):
    whole = translator(backbone=dict(noise=False))
    split = translator(backbone=dict(noise=False), accumulate=parts)
    for step in range(3):
        for model in (whole, split):
            model.train_step(batch(seed=step), GroupOptimizers(SGD)(model))
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, split.state_dict()[name], atol=1e-6), name


def test_more_parts_than_samples_are_refused():
    model = translator(accumulate=5)
    with pytest.raises(ConfigError, match="accumulate=5 splits a batch of 4"):
        model.train_step(batch(), GroupOptimizers(SGD)(model))


def test_the_average_is_the_generators_alone_and_is_what_is_judged():
    model = translator(ema=dict(type="ExponentialMovingAverage", momentum=0.25))
    wrappers = GroupOptimizers(SGD)(model)
    name = "first.weight"
    start = model.backbone.state_dict()[name].clone()
    model.train_step(batch(), wrappers)
    one = model.backbone.state_dict()[name].clone()
    model.train_step(batch(), wrappers)
    two = model.backbone.state_dict()[name].clone()
    # mmengine's average starts as a copy at its first update.
    assert not torch.equal(start, one)
    assert torch.allclose(model.generator.state_dict()[name], one + 0.25 * (two - one), atol=1e-7)
    assert not any(key.startswith("ema.module.heads") for key in model.state_dict())


def test_a_second_noise_costs_one_encoding():
    model = translator(generator_losses=dict(diversity=dict(type="DiversityLoss"), pixel=dict(type="PixelLoss")))
    calls = []
    encode = model.backbone.encode
    model.backbone.encode = lambda *a, **k: calls.append(1) or encode(*a, **k)
    logs = model.train_step(batch(), GroupOptimizers(SGD)(model))
    assert len(calls) == 1
    assert logs["G/diversity"] < 0


def test_a_sample_is_judged_alike_whatever_its_batch():
    model = translator(backbone=dict(norm=True)).eval()
    data = batch()
    together = model.val_step(data)[0]
    alone = model.val_step({key: value[1:2] for key, value in data.items()})[0]
    assert torch.allclose(together["fake"][1:2], alone["fake"], atol=1e-6)
    assert torch.allclose(together["fake_alt"][1:2], alone["fake_alt"], atol=1e-6)
    assert not torch.allclose(together["fake"], together["fake_alt"])


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 5)])
def test_any_size_in_is_the_same_size_out(size):
    assert translator().eval()(torch.rand(2, 3, *size)).shape == (2, 3, *size)


def test_batch_norm_in_a_head_and_a_gradient_penalty_are_refused():
    with pytest.raises(ConfigError, match=r"discriminator_losses\.dragan: .* set heads\.d\.norm=None"):
        translator(head=dict(norm=True), discriminator_losses=dict(dragan=dict(type="DRAGANPenalty")))


def test_without_heads_it_is_plain_regression():
    model = ConditionalTranslator(dict(type="TinyBackbone"), generator_losses=dict(pixel=dict(type="PixelLoss")))
    wrappers = GroupOptimizers(SGD)(model)
    logs = [model.train_step(batch(), wrappers)["G/pixel"].item() for _ in range(40)]
    assert logs[-1] < logs[0]


def test_hints_that_nothing_looks_at_and_a_network_without_its_hints_are_refused():
    def step(hint_channels, has_hint):
        backbone = dict(type="UNetGenerator", width=4, num_downs=2, hint_channels=hint_channels)
        model = ConditionalTranslator(backbone, generator_losses=dict(pixel=dict(type="PixelLoss")))
        hint = dict(hint=torch.zeros(4, 4, 8, 8, dtype=torch.uint8)) if has_hint else {}
        return model.train_step({**batch(), **hint}, GroupOptimizers(SGD)(model))

    step(4, True)
    step(0, False)
    with pytest.raises(ConfigError, match=r"backbone\.hint_channels=4 and the data have no hints: .*ColorHints"):
        step(4, False)
    with pytest.raises(ConfigError, match="the data have hints and the backbone takes none"):
        step(0, True)


def test_a_loss_may_look_at_hints_alone():
    class NearTheHint(nn.Module):
        def forward(self, fake, hint):
            return ((fake - hint[:, :3]).abs() * hint[:, 3:]).mean()

    LOSSES.register_module(name="NearTheHint", module=NearTheHint, force=True)
    model = translator(generator_losses=dict(near=dict(type="NearTheHint")), discriminator_losses={})
    hint = torch.full((4, 4, 8, 8), 255, dtype=torch.uint8)
    logs = model.train_step({**batch(), "hint": hint}, GroupOptimizers(SGD)(model))
    assert logs["G/near"] > 0
