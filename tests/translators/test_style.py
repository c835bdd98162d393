"""The style translator: the seed's formula, tiles, the pyramid, optimisers, reproducibility and errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from sketchkit_plugins.translators.style import StyleTranslator
from sketchkit_plugins.translators.style_canvas import Canvas, Space
from sketchkit_plugins.translators.style_features import PictureFeatures
from torch import Tensor, nn
from torchvision.models import squeezenet1_1

from sketchkit.errors import ConfigError, DataError, TrainingStopped
from sketchkit.registry import LOSSES, MODELS
from sketchkit.translators.sizes import fit, resize
from tests.conftest import ROOT

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
LOSSES_OF_THE_SEED = dict(
    content=dict(type="ContentLoss", layers=(3,), weight=5e-3),
    style=dict(type="StyleLoss", layers=(1, 4, 6, 7), layer_weights=(20000, 500, 12, 1)),
    tv=dict(type="TotalVariationLoss", penalty="squared", reduction="sum", weight=5e-2),
)


def picture(seed: int, height: int = 40, width: int = 48) -> Tensor:
    """Smooth, so that sizes and shifts mean something."""
    small = torch.rand(1, 3, 6, 7, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return resize(small, (height, width))


def translator(**options) -> StyleTranslator:
    torch.manual_seed(0)
    settings = dict(generator_losses=LOSSES_OF_THE_SEED, weights=None, iterations=3, space="network")
    return MODELS.build(dict(type="StyleTranslator", **{**settings, **options}))


def paint(content: Tensor, *styles: Tensor, shares=None, seed=0, **options) -> list:
    """(values, picture) of every iteration."""
    strokes = translator(**options).paint(content, styles, shares, seed)
    return [(stroke.values, stroke.picture()) for stroke in strokes]


@pytest.fixture(scope="module")
def real_weights() -> Path:
    """SqueezeNet's real weights, where they are."""
    folder = Path(os.environ.get("SKETCHKIT_WEIGHTS", ROOT.parent / "shared" / "weights"))
    files = sorted(folder.glob("squeezenet1_1*.pth"))
    if not files:
        pytest.skip(f"no weights of squeezenet1_1 in {folder} (set SKETCHKIT_WEIGHTS)")
    return files[0]


def literal(features: nn.Sequential, image: Tensor, content: Tensor, style: Tensor) -> dict[str, float]:
    """The seed's three terms, on ImageNet-normalised pictures."""

    def look(x: Tensor) -> list[Tensor]:
        seen = []
        for stage in features:
            x = stage(x.clone())
            seen.append(x)
        return seen

    image, content, style = (((x + 1) / 2 - MEAN) / STD for x in (image, content, style))
    seen, content_seen, style_seen = look(image), look(content), look(style)
    values = {"content": 5e-3 * ((seen[3] - content_seen[3]) ** 2).sum().item(), "style": 0.0}
    for layer, weight in ((1, 20000), (4, 500), (6, 12), (7, 1)):
        grams = []
        for features_ in (seen[layer], style_seen[layer]):
            _, channels, height, width = features_.shape
            flat = features_.reshape(channels, height * width)
            grams.append(flat @ flat.t() / (channels * height * width))
        values["style"] += weight * ((grams[0] - grams[1]) ** 2).sum().item()
    down, right = image[..., 1:, :] - image[..., :-1, :], image[..., 1:] - image[..., :-1]
    values["tv"] = 5e-2 * ((down**2).sum() + (right**2).sum()).item()
    return values


def test_the_seeds_values(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = squeezenet1_1(weights=None).eval().requires_grad_(False)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    content, style = picture(1), picture(2)
    ((values, _),) = paint(content, style, iterations=1, init="style", weights=tmp_path / "mine.pth")
    assert values == pytest.approx(literal(network.features, style, content, style), rel=1e-4, abs=1e-6)
    assert min(literal(network.features, style, content, picture(3)).values()) > 0  # of these none is idle


def test_the_seeds_values_with_real_weights(real_weights: Path) -> None:
    network = squeezenet1_1(weights=None).eval().requires_grad_(False)
    network.load_state_dict(torch.load(real_weights, weights_only=True), strict=False)
    content, style = picture(1, 150, 130), picture(2, 150, 130)
    ((values, _),) = paint(content, style, iterations=1, weights=real_weights)
    assert values == pytest.approx(literal(network.features, content, content, style), rel=1e-4, abs=1e-3)


def test_adams_rate_falls_after_step_180_of_200() -> None:
    optimizer = dict(type="Adam", lr=3.0)
    canvas = Canvas(picture(1, 4, 4), Space(MEAN, STD), optimizer, (0.9, 1 / 30), 200, 0.0)
    rates = []
    for _ in range(200):
        rates.append(canvas.optimizer.param_groups[0]["lr"])
        canvas.step(lambda pixels: pixels.square().sum())
    assert rates[:180] == [3.0] * 180
    assert rates[180:] == pytest.approx([0.1] * 20)


def test_a_restarted_optimizer_is_a_new_one() -> None:
    """Against two of torch's own, one after the other, with the bound before each of the first steps."""
    canvas = Canvas(
        picture(1, 4, 4), Space(MEAN, STD), dict(type="Adam", lr=0.5), (0.5, 0.1), 8, 0.0, True, (1.5, 0.75)
    )
    pixels = ((picture(1, 4, 4) + 1) / 2 - MEAN) / STD
    pixels.requires_grad_()
    adam = torch.optim.Adam([pixels], lr=0.5)
    for step in range(8):
        if step < 6:
            pixels.data.clamp_(-1.5, 1.5)
        if step == 4:
            adam = torch.optim.Adam([pixels], lr=0.05)
        adam.zero_grad()
        (pixels - 3).square().sum().backward()
        adam.step()
        canvas.step(lambda pixels: (pixels - 3).square().sum())
    assert pixels.max() > 1.5, "the last steps are not bound"
    torch.testing.assert_close(canvas.pixels, pixels, rtol=0, atol=1e-6)


def test_a_stretched_picture_runs_from_black_to_white() -> None:
    half = torch.tensor(0.5)
    picture = torch.linspace(-3, 5, 48).view(1, 3, 4, 4)
    stretched = Space(half, half, stretch=True).leave(picture)
    torch.testing.assert_close(stretched, torch.linspace(-1, 1, 48).view(1, 3, 4, 4))
    assert Space(half, half, stretch=True).leave(torch.ones(1, 3, 2, 2)).isfinite().all()


def test_every_step_stays_in_range_and_the_average_is_the_mean_of_the_first_iterates() -> None:
    canvas = Canvas(picture(1, 4, 4), Space(MEAN, STD), dict(type="SGD", lr=1.0), None, 9, 0.9)
    seen = []
    for step in range(4):
        canvas.step(lambda pixels, step=step: (pixels * (-1) ** step).sum() * 0.3)
        assert (canvas.pixels >= (0 - MEAN) / STD).all() and (canvas.pixels <= (1 - MEAN) / STD).all()
        seen.append(canvas.pixels.detach().clone())
    torch.testing.assert_close(canvas.average, torch.stack(seen).mean(0))
    for _ in range(20):
        before, _ = canvas.average.clone(), canvas.step(lambda pixels: pixels.sum() * 0.01)
    torch.testing.assert_close(canvas.average, 0.9 * before + 0.1 * canvas.pixels.detach())


@pytest.mark.parametrize("normalized", [True, False])
def test_a_space_is_left_as_it_was_entered(normalized: bool) -> None:
    half = torch.tensor(0.5)
    space = Space(MEAN, STD) if normalized else Space(half, half)
    torch.testing.assert_close(space.leave(space.enter(picture(1))), picture(1))
    if not normalized:
        torch.testing.assert_close(space.enter(picture(1)), picture(1))


@pytest.mark.parametrize(
    ("network", "layers", "tile", "size"),
    [
        ("squeezenet1_1", (1, 4, 6, 7), 32, (101, 94)),
        ("squeezenet1_1", (1, 4, 6, 7), 30, (97, 64)),  # rounded up to 32; a last tile of one row
        ("vgg11", ("relu1_1", "relu3_1", "relu4_1"), 64, (150, 131)),
        ("alexnet", (1, 4, 7), 48, (140, 133)),
    ],
)
@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_tiles_see_what_the_whole_shows(network: str, layers: tuple, tile: int, size: tuple, padding: str) -> None:
    torch.manual_seed(0)
    whole = PictureFeatures(network, layers, None, True, padding)
    torch.manual_seed(0)
    tiled = PictureFeatures(network, layers, None, True, padding, tile=tile)
    images = [picture(1, *size).requires_grad_() for _ in range(2)]
    maps = [look(image) for look, image in zip((whole, tiled), images, strict=True)]
    for layer in layers:
        torch.testing.assert_close(maps[1][layer], maps[0][layer], atol=1e-5, rtol=1e-4)
    for seen in maps:
        sum(seen[layer].square().mean() for layer in layers).backward()
    torch.testing.assert_close(images[1].grad, images[0].grad, atol=1e-6, rtol=1e-3)


def test_without_its_halo_a_tile_sees_something_else() -> None:
    tiled = PictureFeatures("squeezenet1_1", (7,), None, True, tile=32)
    assert tiled.reach is not None and tiled.reach[1:] == (8, 40, 15)
    image = picture(1, 128, 128)
    (whole,) = tiled.network(image)
    torch.testing.assert_close(tiled(image)[7], whole, atol=1e-5, rtol=1e-4)
    tiled.reach = tiled.reach._replace(halo=8)
    assert (tiled(image)[7] - whole).abs().max() > 1e-3 * whole.abs().max()


def test_tiles_paint_the_same_picture() -> None:
    (*_, (values, whole)), (*_, (tiled_values, tiled)) = (
        paint(picture(1, 70, 90), picture(2, 64, 64), tile=tile, optimizer=dict(type="SGD", lr=1e-2))
        for tile in (0, 32)
    )
    assert tiled_values == pytest.approx(values, rel=1e-4)
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "optimizer", [dict(type="Adam", lr=0.05), dict(type="LBFGS", lr=1.0, max_iter=1)], ids=lambda cfg: cfg["type"]
)
def test_the_objective_falls(optimizer: dict) -> None:
    strokes = paint(picture(1), picture(2), optimizer=optimizer, iterations=15)
    assert sum(strokes[-1][0].values()) < 0.7 * sum(strokes[0][0].values())


def test_one_pass_of_the_network_an_iteration_serves_all_and_targets_are_computed_once(monkeypatch) -> None:
    model, calls = translator(iterations=4), []
    look = model.features.forward
    monkeypatch.setattr(model.features, "forward", lambda image: calls.append(1) or look(image))
    list(model.paint(picture(1), [picture(2), picture(3)]))
    assert len(calls) == 4 + 1 + 2  # iterations, content, styles
    assert len(model.features.network.network.stages) == 8


def test_the_pyramid_grows_by_sqrt_2_and_ends_at_the_contents_size() -> None:
    sizes = translator(pyramid=50)._sizes(picture(1, 75, 100), [picture(2)])
    assert sizes == [(38, 50), (53, 71), (75, 100)]
    strokes = paint(picture(1, 75, 100), picture(2), pyramid=50, ema=0.5)
    assert len(strokes) == 3 * 3 and all(image.shape == (1, 3, 75, 100) for _, image in strokes)
    # Below 15 pixels SqueezeNet's layer 7 has nothing to see: such sizes are left out.
    assert translator(pyramid=4)._sizes(picture(1, 20, 40), [picture(2)])[0] == (20, 40)
    assert fit((300, 100), 30) == (30, 10)


@pytest.mark.parametrize("init", ["content", "noise", "style"])
def test_a_seed_decides(init: str) -> None:
    first, again, other = (paint(picture(1), picture(2, 30, 64), init=init, seed=s)[-1][1] for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (init != "noise")
    assert first.abs().max() <= 1


def test_style_weights_mix() -> None:
    content, styles = picture(1), (picture(2), picture(3, 30, 30))
    (only, _), *_ = paint(content, styles[0])
    (mixed, _), *_ = paint(content, *styles, shares=[1.0, 0.0])
    (other, _), *_ = paint(content, *styles, shares=[1.0, 3.0])
    assert mixed == pytest.approx(only) and other["style"] != pytest.approx(only["style"])


def test_average_pooling_and_replicate_padding_change_what_is_seen() -> None:
    torch.manual_seed(0)
    plain = PictureFeatures("vgg11", ("relu3_1",), None, True)
    torch.manual_seed(0)
    soft = PictureFeatures("vgg11", ("relu3_1",), None, True, "replicate", "average")
    assert not any(isinstance(module, nn.MaxPool2d) for module in soft.network.network.modules())
    assert soft.reach == plain.reach
    flat = torch.full((1, 3, 32, 32), 0.3)
    seen = soft(flat)["relu3_1"]
    torch.testing.assert_close(seen, seen[..., :1, :1].expand_as(seen))  # a flat picture has no edges
    assert plain(flat)["relu3_1"].std((2, 3)).max() > 1e-4


def test_a_loss_of_ones_own_is_called() -> None:
    class Darken(nn.Module):
        layers = (4,)

        def forward(self, fake: Tensor, fake_features: dict) -> Tensor:
            assert fake_features[4].shape[1] == 128
            return (fake + 1).square().mean()

    LOSSES.register_module(name="Darken", module=Darken, force=True)
    terms = dict(dark=dict(type="Darken", weight=2.0))
    strokes = paint(picture(1), picture(2), generator_losses=terms, space="picture", iterations=8)
    assert strokes[0][0] == pytest.approx({"dark": 2 * (picture(1) + 1).square().mean().item()}, rel=1e-4)
    assert strokes[-1][1].mean() < picture(1).mean()


def test_a_picture_that_blows_up_stops_with_a_mend() -> None:
    with pytest.raises(TrainingStopped, match=r"no longer finite at iteration 1 .*lower translator.optimizer.lr"):
        paint(picture(1), picture(2), optimizer=dict(type="SGD", lr=float("inf")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(generator_losses=None), "names no term"),
        (dict(generator_losses=dict(c=dict(type="ContentLoss", layers=(99,)))), "has no layer 99"),
        (dict(generator_losses=dict(c=dict(type="PixelLoss"))), "'target' cannot be had here"),
        (dict(space="lab"), "space='lab' is not a choice"),
        (dict(init="style2"), "did you mean 'style'"),
        (dict(padding="mirror"), "padding='mirror'"),
        (dict(ema=1.0), "ema in"),
        (dict(decay=(0.9,)), "decay="),
        (dict(tile=-1), "tile=-1"),
    ],
)
def test_wrong_options_are_one_line(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        translator(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]])
def test_wrong_style_weights(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="style weights"):
        paint(picture(1), picture(2), picture(3), shares=weights)


def test_a_picture_smaller_than_the_network_needs() -> None:
    assert translator().features.smallest == 15
    assert paint(picture(1, 15, 15), picture(2, 15, 15), iterations=1)
    with pytest.raises(DataError, match="a picture of 40 x 14 pixels is too small"):
        paint(picture(1, 14, 40), picture(2))
