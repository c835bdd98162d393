"""The projected discriminator: the authors' layer list, frozen mixing, sizes, gradients, and checkpoints."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sketchkit_plugins.heads.projected import ProjectedDiscriminator
from sketchkit_plugins.losses.gradient_penalty import R1Penalty

from sketchkit.engine.parameterwise import parameter_groups
from sketchkit.errors import ConfigError, WeightsError
from sketchkit.registry import HEADS, HeadOutput

ALEXNET = dict(network="alexnet", layers=(2, 5, 12), weights=None)


def make(**options: Any) -> ProjectedDiscriminator:
    torch.manual_seed(0)
    return HEADS.build({"type": "ProjectedDiscriminator", **ALEXNET, "width": 4, **options})


def test_it_has_the_authors_layers() -> None:
    """Counted in their code: channels and sizes after each block of the four discriminators, and 10,331,328 weights."""
    with torch.device("meta"):
        head = ProjectedDiscriminator(weights=None, source_channels=0)
        output = head(torch.zeros(2, 3, 64, 64))
    assert sum(p.numel() for p in head.parameters()) == 10_331_328
    mixed = [(24, 64, 64), (40, 128, 64), (112, 256, 128), (320, 512, 256)]
    convs = zip(head.projection.across_channels, head.projection.across_scales, strict=True)
    assert [(one.in_channels, one.out_channels, other.out_channels) for one, other in convs] == mixed
    sizes = {64: 56, 128: 28, 256: 14, 512: 7}
    expected = [(width, sizes[width]) for first in range(4) for width in list(sizes)[first:]]
    assert [tuple(one.shape[1:3]) for one in output.features] == expected
    assert [tuple(one.shape) for one in output.scales] == [(2, 1, 4, 4)] * 4


def test_mixing_stays_as_it_was_drawn_and_checkpoints_keep_it() -> None:
    head = make(norm=None)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    assert sum(name.startswith("projection.") for name in before) == 12
    assert not [name for name, _ in head.named_parameters() if name.startswith(("projection.", "features."))]
    decayed = parameter_groups(head, dict(lr=0.1, weight_decay=0.5), dict(custom_keys={"last": dict(decay_mult=0.1)}))
    optimizer = torch.optim.SGD(decayed, lr=0.1)
    output = head.train()(*torch.rand(2, 2, 3, 64, 64))
    torch.stack([scale.mean() for scale in output.scales]).sum().backward()
    optimizer.step()
    changed = {name for name, value in head.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and not [name for name in changed if name.startswith("projection.")]
    other = make(norm=None)
    other.projection.across_channels[0].weight.zero_()
    other.load_state_dict(head.state_dict(), strict=True)
    pictures = torch.rand(2, 2, 3, 64, 64)
    for one, another in zip(head.eval()(*pictures).scales, other.eval()(*pictures).scales, strict=True):
        torch.testing.assert_close(one, another)


def test_the_frozen_network_stays_in_eval_mode() -> None:
    head = make(network="timm:test_resnet", layers=(0, 1, 2), resize=96).train()
    assert not any(module.training for module in head.features.network.modules())


def test_the_source_s_own_maps_stand_beside_the_picture_s() -> None:
    head = make().eval()
    picture, source, other = torch.rand(3, 2, 3, 64, 64)
    seen = [torch.cat(pair, 1) for pair in zip(*(head.projection(head.features(one)) for one in (picture, source)),
            strict=True)]  # fmt: skip
    expected = [last(blocks(maps)) for last, blocks, maps in zip(head.last, head.blocks, seen, strict=True)]
    for scale, logits in zip(head(picture, source).scales, expected, strict=True):
        torch.testing.assert_close(scale, logits)
    assert not torch.allclose(head(picture, source).scales[0], head(picture, other).scales[0])
    grey = make(source_channels=1).eval()
    torch.testing.assert_close(
        grey(picture, source[:, :1]).scales[0], grey(picture, source[:, :1].expand(-1, 3, -1, -1)).scales[0]
    )


def test_a_gradient_penalty_trains_it() -> None:
    """Against a finite difference of the penalty along its gradient."""
    head = make(norm=None, source_channels=0, resize=64, layers=(2, 5), activation="smooth_relu").double().eval()
    picture = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    weight = head.last[0].parametrizations.weight.original

    def penalty() -> torch.Tensor:
        return R1Penalty()(picture, lambda image: HeadOutput(head(image).logits))

    (gradient,) = torch.autograd.grad(penalty(), weight)
    step = 1e-5 * gradient / gradient.norm()
    with torch.no_grad():
        weight += step
    above = penalty().item()
    with torch.no_grad():
        weight -= 2 * step
    assert (above - penalty().item()) / 2e-5 == pytest.approx(gradient.norm().item(), rel=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (40, 90)])
def test_any_size_of_picture_is_judged(size: tuple[int, int]) -> None:
    assert [scale.shape[:2] for scale in make()(*torch.rand(2, 2, 3, *size)).scales] == [(2, 1)] * 3


@pytest.mark.parametrize(("options", "message"), [
    (dict(source_channels=2), "source_channels=2: a feature network looks at 1 or 3"),
    (dict(resize=32), "takes no pictures of 32 pixels"),
    (dict(resize=64), "at 64 pixels a map is too small for a logit: set resize=224"),
    (dict(layers=(2, 99)), "alexnet has no layer 99"),
    (dict(network="alexnett"), "did you mean"),
])  # fmt: skip
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**options)


def test_pictures_that_lack_something_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs the source"):
        make()(torch.rand(2, 3, 64, 64))
    with pytest.raises(ConfigError, match="at 70 pixels a map is too small"):
        make(resize=None)(*torch.rand(2, 2, 3, 70, 70))


def test_weights_are_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    for name in ("SKETCHKIT_WEIGHTS", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(WeightsError, match="downloads are off"):
        HEADS.build(dict(type="ProjectedDiscriminator"))
