import pytest
import torch
from sketchkit_plugins.translators.conditional import ConditionalTranslator
from torch import nn

from sketchkit.engine.optimizers import GroupOptimizers, SyncedOptimWrapper
from sketchkit.errors import ConfigError


def wrapper(parameter, **options):
    return SyncedOptimWrapper(torch.optim.SGD([parameter], lr=1.0), **options)


def test_a_step_is_that_of_the_optimiser():
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    wrapped = wrapper(weight)
    wrapped.backward((weight**2).sum())
    wrapped.step()
    assert weight.tolist() == [-1.0, -2.0]


def test_gradients_are_clipped_to_the_norm_asked_for():
    weight = nn.Parameter(torch.tensor([3.0, 4.0]))
    wrapped = wrapper(weight, clip_grad=dict(max_norm=1.0))
    wrapped.backward((weight**2).sum() / 2)
    wrapped.step()
    assert torch.allclose(weight, torch.tensor([3.0 - 0.6, 4.0 - 0.8]), atol=1e-5)


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_computes_in_it_and_steps_in_float32(amp):
    layer = nn.Linear(4, 4, bias=False)
    wrapped = wrapper(layer.weight, amp=amp, allow_slow_amp=True)
    image = torch.randn(2, 4)
    with wrapped.optim_context(layer):
        out = layer(image)
    assert out.dtype == {"bf16": torch.bfloat16, "fp16": torch.float16}[amp]
    before = layer.weight.detach().clone()
    wrapped.backward(out.float().mean())
    wrapped.step()
    expected = before - image.sum(0).expand(4, 4) / 8
    assert torch.allclose(layer.weight, expected, atol=0.01)


def test_fp16_skips_a_step_whose_gradients_overflowed():
    weight = nn.Parameter(torch.tensor([1.0]))
    wrapped = wrapper(weight, amp="fp16", allow_slow_amp=True)
    wrapped.backward((weight * 1e38).sum())
    wrapped.step()
    assert weight.item() == 1.0
    assert wrapped.scaler.get_scale() < 65536.0


@pytest.mark.skipif(torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this CPU has native bf16")
def test_slow_mixed_precision_is_refused():
    with pytest.raises(ConfigError, match="350 times slower"):
        wrapper(nn.Parameter(torch.ones(1)), amp="bf16")


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="amp is 'fp8': None, bf16 or fp16"):
        wrapper(nn.Parameter(torch.ones(1)), amp="fp8")


def test_the_state_leaves_hyper_parameters_to_the_config():
    old = SyncedOptimWrapper(torch.optim.Adam([nn.Parameter(torch.ones(2))], lr=0.1))
    old.backward(old.param_groups[0]["params"][0].sum())
    old.step()
    new = SyncedOptimWrapper(torch.optim.Adam([nn.Parameter(torch.ones(2))], lr=0.5))
    new.load_state_dict(old.state_dict())
    assert new.param_groups[0]["lr"] == 0.5
    kept = next(iter(new.optimizer.state.values()))
    assert torch.equal(kept["exp_avg"], next(iter(old.optimizer.state.values()))["exp_avg"])


def test_each_side_gets_its_own_optimiser():
    model = ConditionalTranslator(
        dict(type="TinyBackbone"), dict(d=dict(type="TinyHead")), dict(p=dict(type="PixelLoss"))
    )
    build = GroupOptimizers(
        dict(
            clip_grad=dict(max_norm=5.0),
            generator=dict(optimizer=dict(type="Adam", lr=1e-4)),
            discriminator=dict(optimizer=dict(type="SGD", lr=2e-4)),
        )
    )
    wrappers = build(model)
    assert {id(p) for p in wrappers["generator"].param_groups[0]["params"]} == {
        id(p) for p in model.backbone.parameters()
    }
    assert isinstance(wrappers["discriminator"].optimizer, torch.optim.SGD)
    assert wrappers["discriminator"].clip_grad_kwargs == {"max_norm": 5.0}


def test_a_side_without_an_optimiser_is_named():
    model = ConditionalTranslator(
        dict(type="TinyBackbone"), dict(d=dict(type="TinyHead")), dict(p=dict(type="PixelLoss"))
    )
    with pytest.raises(ConfigError, match=r"give it optim_wrapper\.discriminator\.optimizer"):
        GroupOptimizers(dict(generator=dict(optimizer=dict(type="Adam"))))(model)


def test_weights_are_clipped_after_each_step():
    layer = nn.Linear(3, 2)
    wrapped = SyncedOptimWrapper(torch.optim.RMSprop(layer.parameters(), lr=0.05), clip_weights=0.01)
    for _ in range(3):
        wrapped.backward(layer(torch.ones(1, 3)).square().sum())
        wrapped.step()
        wrapped.zero_grad()
        assert max(parameter.abs().max() for parameter in layer.parameters()) <= 0.01
    with pytest.raises(ConfigError, match="clip_weights=0"):
        wrapper(nn.Parameter(torch.ones(1)), clip_weights=0)
