"""The perceptual loss and its feature networks, with random weights; with real ones where the files are."""

from __future__ import annotations

import copy
import itertools
import os
from pathlib import Path

import lpips
import pytest
import timm
import torch
import torchvision
from sketchkit_plugins.losses.perceptual import PerceptualLoss
from torch import Tensor, nn

from sketchkit.errors import ConfigError, WeightsError
from sketchkit.pretrained.feature_network import FeatureNetwork

DATA = Path(os.environ.get("SKETCHKIT_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
IMAGENET = (torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225]))
# What the TensorFlow-Slim definition of Inception-v4 notes behind each end point, at 299 x 299.
SLIM = {"conv2d_2a": (32, 147, 147), "mixed_4a": (192, 71, 71), "mixed_5b": (384, 35, 35)}


@pytest.fixture(scope="module")
def inception() -> PerceptualLoss:
    torch.manual_seed(0)
    return PerceptualLoss(weights=None)


@pytest.fixture
def vgg() -> PerceptualLoss:
    return PerceptualLoss("vgg16", ("relu2_2", "conv3_2"), weights=None, resize=None)


def pictures() -> tuple[Tensor, Tensor]:
    return tuple(torch.rand(2, 2, 3, 32, 32) * 2 - 1)  # type: ignore[return-value]


def test_inception_gives_the_layers_of_the_slim_definition(inception: PerceptualLoss) -> None:
    with torch.no_grad():
        maps = inception.features(torch.rand(1, 3, 64, 64))  # resized to 299
    assert [tuple(m.shape[1:]) for m in maps] == list(SLIM.values())


def test_inception_last_stage_has_its_slim_name() -> None:
    last = FeatureNetwork("inception_v4", ("mixed_7d",), weights=None)
    assert last(torch.rand(1, 3, 99, 99))[0].shape == (1, 1536, 1, 1)


def test_vgg_layers_are_where_torchvision_has_them(vgg: PerceptualLoss) -> None:
    """relu2_2 is the output of `features[:9]`, conv3_2 of `features[:13]`, before its ReLU."""
    reference = torchvision.models.vgg16(weights=None).features[:13].eval()
    reference.load_state_dict(vgg.features.network.stages.state_dict())
    for module in reference.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    image, _ = pictures()
    mean, std = IMAGENET
    x = ((image + 1) / 2 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    with torch.no_grad():
        relu2_2, conv3_2 = vgg.features(image)
        torch.testing.assert_close(relu2_2, reference[:9](x))
        torch.testing.assert_close(conv3_2, reference(x))
    assert conv3_2.min() < 0


def test_a_tap_is_not_overwritten_by_the_relu_behind_it() -> None:
    features = FeatureNetwork("vgg11", ("conv1_1", "relu1_1", "pool1"), weights=None)
    before, after, pooled = features(pictures()[0])
    assert before.min() < 0
    torch.testing.assert_close(after, before.clamp(min=0))
    torch.testing.assert_close(pooled, torch.nn.functional.max_pool2d(after, 2))


def test_layers_come_in_the_order_asked_for_by_name_or_index() -> None:
    torch.manual_seed(0)
    features = FeatureNetwork("vgg11_bn", (2, "norm1_1", "relu1_1"), weights=None)
    relu, norm, again = features(pictures()[0])
    assert relu is again
    torch.testing.assert_close(relu, norm.clamp(min=0))


@pytest.mark.parametrize(("distance", "reduction"), [("l1", "mean"), ("l2", "sum")])
def test_the_loss_is_the_weighted_distance_of_the_features(distance: str, reduction: str) -> None:
    layers, weights = ("relu1_1", "pool1"), (0.5, 2.0)
    loss = PerceptualLoss(
        "vgg11", layers, distance, weights=None, resize=None, layer_weights=weights, reduction=reduction
    )
    fake, target = pictures()
    expected = torch.zeros(())
    for weight, a, b in zip(weights, loss.features(fake), loss.features(target), strict=True):
        difference = (a - b).abs() if distance == "l1" else (a - b) ** 2
        expected = expected + weight * (difference.sum() if reduction == "sum" else difference.sum() / a.numel())
    torch.testing.assert_close(loss(fake, target), expected)
    assert loss(fake, fake) == 0


def test_gradients_reach_the_fake_only() -> None:
    loss = PerceptualLoss("vgg11", ("conv1_1", "conv2_1"), distance="l2", weights=None, resize=9).double()
    fake, target = (torch.rand(2, 1, 3, 6, 6, dtype=torch.float64) * 2 - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: loss(image, target.detach()), (fake,), atol=1e-6)
    fake, target = (image.detach().requires_grad_() for image in (fake, target))
    loss(fake, target).backward()
    assert fake.grad.abs().sum() > 0 and target.grad is None
    assert all(p.grad is None for p in loss.features.network.parameters())


def test_the_network_is_cut_after_the_last_layer(inception: PerceptualLoss, vgg: PerceptualLoss) -> None:
    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    # 3 -> 64 -> 64 -> 128 -> 128 -> 256 -> 256 channels, 3 x 3 and a bias each
    widths = [3, 64, 64, 128, 128, 256, 256]
    assert count(vgg.features.network) == sum(9 * a * b + b for a, b in itertools.pairwise(widths))
    whole = timm.create_model("inception_v4")
    assert count(inception.features.network) == count(whole.features[:7]) < count(whole) / 40


def test_it_stays_frozen_and_leaves_nothing_in_a_checkpoint(vgg: PerceptualLoss) -> None:
    model = nn.ModuleDict({"loss": vgg, "generator": nn.Linear(2, 2)}).train()
    assert set(model.state_dict()) == {"generator.weight", "generator.bias"}
    model.load_state_dict(nn.ModuleDict({"generator": nn.Linear(2, 2)}).state_dict(), strict=True)
    assert len(list(model.parameters())) == 2
    assert not any(module.training for module in vgg.features.network.modules())
    assert not any(p.requires_grad for p in vgg.features.network.parameters())


def test_it_moves_with_the_model_and_survives_a_copy(vgg: PerceptualLoss) -> None:
    fake, target = pictures()
    expected = vgg(fake, target)
    other = copy.deepcopy(vgg)
    assert other.features.network is not vgg.features.network
    nn.ModuleDict({"loss": other}).to("meta")
    assert all(p.is_meta for p in other.features.network.parameters()) and other.features.mean.is_meta
    torch.testing.assert_close(vgg(fake, target), expected)


def test_pictures_of_one_channel_count_as_grey(vgg: PerceptualLoss) -> None:
    fake, target = (image[:, :1] for image in pictures())
    torch.testing.assert_close(vgg(fake, target), vgg(fake.repeat(1, 3, 1, 1), target.repeat(1, 3, 1, 1)))
    with pytest.raises(ConfigError, match="1 or 3 channels and got 4"):
        vgg(torch.zeros(1, 4, 32, 32), torch.zeros(1, 4, 32, 32))


@pytest.mark.parametrize("network", ["vgg11", "inception_v4"])
def test_normalisation_is_the_network_s_own(network: str) -> None:
    features = FeatureNetwork(network, (0,), weights=None)
    image, _ = pictures()
    # Inception was trained on [-1, 1] itself.
    mean, std = IMAGENET if network == "vgg11" else (torch.full((3,), 0.5), torch.full((3,), 0.5))
    plain = copy.deepcopy(features)
    plain.normalize = False
    given = ((image + 1) / 2 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    torch.testing.assert_close(features(image)[0], plain(given)[0])
    assert torch.allclose(features(image)[0], plain(image)[0], atol=1e-5) == (network == "inception_v4")


def test_unnormalized_pictures_are_fed_in_0_to_1(inception: PerceptualLoss) -> None:
    """The released SketchyGAN feeds Inception-v4 (x + 1) / 2, which is not what it was trained on."""
    loss = PerceptualLoss(weights=None, normalize=False, resize=None)
    loss.features.network.load_state_dict(inception.features.network.state_dict())
    fake, target = (torch.nn.functional.interpolate(one[:1], 75) for one in pictures())
    expected = 0.0
    with torch.no_grad():
        seen = [(one + 1) / 2 for one in (fake, target)]
        for number, stage in enumerate(loss.features.network.stages):
            seen = [stage(one) for one in seen]
            if number in loss.features.network.taps:
                expected += (seen[0] - seen[1]).abs().mean()
        assert loss(fake, target).item() == pytest.approx(float(expected), rel=1e-6)


def test_autocast_keeps_the_loss_in_single_precision(vgg: PerceptualLoss) -> None:
    fake, target = pictures()
    exact = vgg(fake, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = vgg(fake.bfloat16(), target)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact.item(), rel=0.05)


def test_half_precision_pictures_are_taken_without_autocast() -> None:
    features = FeatureNetwork("vgg11", (0,), weights=None, normalize=False)
    image = pictures()[0].bfloat16()
    torch.testing.assert_close(features(image)[0], features(image.float())[0])


def test_a_timm_network_by_level_or_module() -> None:
    torch.manual_seed(0)
    features = FeatureNetwork("timm:resnet18", ("layer2", 1), weights=None)
    model = timm.create_model("resnet18").eval()
    missing = model.load_state_dict(features.network.model.state_dict(), strict=False).missing_keys
    assert any(key.startswith("layer4") for key in missing)  # cut
    image, _ = pictures()
    mean, std = IMAGENET
    x = ((image + 1) / 2 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    with torch.no_grad():
        first = model.layer1(model.maxpool(model.act1(model.bn1(model.conv1(x)))))
        layer2, layer1 = features(image)
        torch.testing.assert_close(layer1, first)
        torch.testing.assert_close(layer2, model.layer2(first))


def test_random_weights_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[tuple] = []
    monkeypatch.setattr("sketchkit.pretrained.feature_network.print_log", lambda *line: lines.append(line))
    FeatureNetwork("vgg11", (0,), weights=None)
    assert len(lines) == 1 and "vgg11 has random weights" in lines[0][0] and lines[0][2] == 30  # WARNING


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(network="vgg17"), "did you mean 'vgg1"),
        (dict(network="vgg16", layers=("relu2_3",)), "did you mean 'relu"),
        (dict(network="vgg16", layers=(31,)), "an index from 0 to 30"),
        (dict(network="vgg16", layers=()), "asked for no layer"),
        (dict(network="inception_v4", layers=("mixed5b",)), "did you mean 'mixed_5b'"),
        (dict(network="resnet18", layers=(1,)), "use 'timm:resnet18'"),
        (dict(network="timm:resnet19", layers=(1,)), "did you mean 'resnet1"),
        (dict(network="vgg16", layers=("relu2_2",), layer_weights=(1.0, 2.0)), "2 layer_weights for 1 layers"),
        (dict(distance="l3"), "distance='l3'"),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        PerceptualLoss(weights=None, **options)
    assert "\n" not in str(caught.value)


def test_missing_weights_stop_the_loss(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SKETCHKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"inception_v4 needs inception_v4\.tf_in1k\.safetensors or inceptionv4-8e4"):
        PerceptualLoss()


@pytest.mark.parametrize(
    ("network", "taps", "reference"),
    [
        ("alexnet", (1, 4, 7, 9, 11), lpips.pn.alexnet),
        ("squeezenet1_1", (1, 4, 7, 9, 10, 11, 12), lpips.pn.squeezenet),
    ],
)
def test_real_weights_give_the_features_that_lpips_sees(network: str, taps: tuple[int, ...], reference: type) -> None:
    file = DATA.parent / "weights" / f"{network}_features.pth"
    if not file.is_file():
        pytest.skip(f"needs {file.name}: set SKETCHKIT_TEST_DATA to the data folder beside `weights`")
    published = torch.load(file, weights_only=True)
    other = reference(pretrained=False, requires_grad=False).eval()
    # lpips calls `features.3.weight` slice2.3.weight, and scales pictures by a layer of its own.
    state = {key: published["features." + key.partition(".")[2]] for key in other.state_dict()}
    other.load_state_dict(state, strict=True)
    image, _ = pictures()
    with torch.no_grad():
        seen = FeatureNetwork(network, taps, weights=file)(image)
        expected = other(lpips.ScalingLayer()(image))
    assert len(seen) == len(expected) == len(taps)
    for ours, theirs in zip(seen, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
