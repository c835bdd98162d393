import pytest
import torch
from sketchkit_plugins.heads.multi_scale import MultiScaleDiscriminator
from sketchkit_plugins.heads.patch import PatchDiscriminator
from torch.nn import functional as F

from sketchkit.errors import ConfigError
from sketchkit.registry import LOSSES, HeadOutput
from sketchkit.translators.adversarial import in_float32


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_it_is_a_patchgan_for_every_scale():
    """2,769,601 for image and source of three channels with instance norm: the convolutions' weights and biases."""
    convolutions = [(6, 64), (64, 128), (128, 256), (256, 512), (512, 1)]
    one = sum(before * after * 16 + after for before, after in convolutions)
    assert count(MultiScaleDiscriminator(num_scales=3)) == 3 * one


def test_every_scale_judges_the_picture_halved_once_more():
    torch.manual_seed(0)
    head = MultiScaleDiscriminator(num_layers=1, width=4)
    image, source = torch.rand(2, 2, 3, 32, 24).unbind()
    output = head(image, source)
    assert [tuple(scale.shape[2:]) for scale in output.scales] == [(14, 10), (6, 4)]
    ones = F.conv2d(torch.ones(1, 1, 32, 24), torch.ones(1, 1, 3, 3), stride=2, padding=1)

    def halved(x):
        sums = F.conv2d(x, torch.ones(3, 1, 3, 3), stride=2, padding=1, groups=3)
        return sums / ones

    coarse = PatchDiscriminator(num_layers=1, width=4, norm="instance")
    coarse.load_state_dict(head.scales[1].state_dict())
    halves = [halved(x) for x in (image, source)]
    assert torch.allclose(coarse(*halves).logits, output.scales[1], atol=1e-5)
    assert len(output.features) == 2 * len(coarse(*halves).features)


@pytest.mark.parametrize("mode", ["vanilla", "lsgan", "hinge", "wgan"])
def test_an_adversarial_loss_is_the_mean_over_the_scales(mode):
    loss = LOSSES.build(dict(type="AdversarialLoss", mode=mode))
    real, fake = ([torch.randn(2, 1, size, size) for size in (6, 3)] for _ in range(2))
    whole = loss(HeadOutput(tuple(fake)), HeadOutput(tuple(real)))
    each = [loss(HeadOutput(f), HeadOutput(r)) for r, f in zip(real, fake, strict=True)]
    assert whole == pytest.approx(sum(each).item() / 2, rel=1e-6)
    assert loss(HeadOutput(tuple(fake))) == pytest.approx(sum(loss(HeadOutput(f)) for f in fake).item() / 2, rel=1e-6)


def test_a_slope_is_that_of_the_mean_over_the_scales():
    def head(image):
        sums = image.flatten(1).sum(1, keepdim=True)
        return HeadOutput((sums, 3 * sums))

    # The gradient is 2 everywhere: of 12 numbers its length is 2 sqrt 12.
    penalty = LOSSES.build(dict(type="R1Penalty"))(torch.rand(2, 3, 2, 2), head)
    assert penalty == pytest.approx(4 * 12 / 2)


def test_half_precision_is_undone_at_every_scale():
    output = in_float32(HeadOutput((torch.ones(1, 1).half(), torch.ones(1, 1).half())))
    assert [scale.dtype for scale in output.scales] == [torch.float32] * 2
    assert in_float32(HeadOutput(torch.ones(1, 1).half())).logits.dtype == torch.float32


@pytest.mark.parametrize(("options", "size", "message"), [
    (dict(num_scales=0), 64, "num_scales=0: give a whole number of 1 or more"),
    (dict(num_scales=3), 64, "needs 24x24 pixels or more and got 16x16"),
])  # fmt: skip
def test_what_cannot_be_is_refused(options, size, message):
    with pytest.raises(ConfigError, match=message):
        MultiScaleDiscriminator(width=1, **options)(*torch.rand(2, 1, 3, size, size))
