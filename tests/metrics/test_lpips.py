"""LPIPS against the package `lpips`, whose trunk is given the same weights; real ones where the files are."""

from __future__ import annotations

import hashlib
import itertools
import pickle
import warnings
from functools import cache
from pathlib import Path

import lpips
import pytest
import torch
import torchvision
from sketchkit_plugins.metrics.lpips import Lpips, LpipsDiversity
from sketchkit_plugins.metrics.lpips_extractor import TRUNKS, DrawsExtractor, LpipsExtractor, read_heads
from torch import Tensor

from sketchkit.data.image_io import UnusablePicture
from sketchkit.errors import ConfigError, WeightsError
from sketchkit.evaluation.metric import Features, Setup

SHARED = Path(__file__).resolve().parents[3] / "shared" / "weights"
RANDOM = Setup(allow_random_weights=True)


def real_file(net: str) -> Path:
    file = SHARED / f"{TRUNKS[net].network}_features.pth"
    if not file.is_file():
        pytest.skip(f"no real weights at {file}")
    return file


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights as torchvision publishes them, with the classifier."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("lpips") / "squeezenet.pth"
    torch.save(torchvision.models.squeezenet1_1().state_dict(), file)
    return file


def view(net: str, file: Path, make: type[LpipsExtractor] = LpipsExtractor) -> LpipsExtractor:
    return make(Setup(weights={TRUNKS[net].network: file}), net)


@cache
def reference(net: str, file: Path) -> lpips.LPIPS:
    """The package's own metric; its trunk's slices keep torchvision's numbering."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    state = torch.load(file)
    filled = set()
    for part in metric.net.children():
        for name, parameter in part.named_parameters():
            parameter.data.copy_(state[f"features.{name}"])
            filled.add(f"features.{name}")
    assert filled == {name for name in state if name.startswith("features.")}
    return metric


def pictures(count: int, height: int = 40, width: int = 51, seed: int = 0) -> list[Tensor]:
    """Coarse patterns with noise, (3, H, W) uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    noise = torch.randn(smooth.shape, generator=generator) * 0.1
    return list((smooth + noise).clamp(0, 1).mul(255).round().byte())


def package(net: str, file: Path, one: Tensor, other: Tensor) -> float:
    scaled = [picture[None].float() / 127.5 - 1 for picture in (one, other)]
    with torch.no_grad():
        return reference(net, file)(*scaled).item()


def check_parity(net: str, file: Path) -> None:
    seen, pairs = view(net, file), [pictures(2, seed=1), pictures(2, seed=2)]
    rows = seen.extract(torch.stack([seen.prepare(*pair) for pair in pairs]))
    assert rows.shape == (2, 1)
    expected = [package(net, file, *pair) for pair in pairs]
    assert rows[:, 0].tolist() == pytest.approx(expected, abs=1e-6)
    assert min(expected) > 1e-3


@pytest.mark.parametrize("net", ["alex", "squeeze"])
def test_real_weights_give_what_the_package_gives(net: str) -> None:
    check_parity(net, real_file(net))


def test_a_file_with_a_classifier_gives_what_the_package_gives(made: Path) -> None:
    check_parity("squeeze", made)


@pytest.mark.slow
def test_vgg_gives_what_the_package_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    features = torchvision.models.vgg16().features
    torch.save({f"features.{name}": tensor for name, tensor in features.state_dict().items()}, tmp_path / "vgg.pth")
    check_parity("vgg", tmp_path / "vgg.pth")


@pytest.mark.parametrize("count", [2, 4])
def test_diversity_is_a_loop_over_all_pairs(made: Path, count: int) -> None:
    metric = LpipsDiversity(Setup(weights={"squeezenet1_1": made}), net="squeeze")
    draws = [pictures(count, seed=seed) for seed in (3, 4)]
    seen = Features(draws=metric.extractor.extract(torch.stack([metric.extractor.prepare(*one) for one in draws])))
    expected = []
    for one in draws:
        distances = [package("squeeze", made, a, b) for a, b in itertools.combinations(one, 2)]
        expected.append(sum(distances) / len(distances))
    assert metric.per_sample(seen).tolist() == pytest.approx(expected, abs=1e-6)
    assert metric.compute(seen) == {"lpips-diversity": pytest.approx(sum(expected) / 2, abs=1e-6)}


def test_each_picture_goes_through_the_trunk_once(made: Path) -> None:
    draws = view("squeeze", made, DrawsExtractor)
    looked_at = []
    draws.network.register_forward_pre_hook(lambda _, args: looked_at.append(len(args[0])))
    draws.extract(torch.stack([draws.prepare(*pictures(4))] * 2))
    assert looked_at == [4, 4]


def test_the_metric_is_the_mean_of_the_pairs() -> None:
    metric, seen = Lpips(RANDOM), Features(pair=torch.tensor([[0.25], [0.75]]))
    assert metric.compute(seen) == {"lpips": 0.5}
    assert metric.per_sample(seen).tolist() == [0.25, 0.75]
    assert (metric.better, LpipsDiversity(RANDOM).better) == ("lower", "higher")


def test_equal_pictures_are_0_apart_and_order_does_not_matter(made: Path) -> None:
    seen, (one, other) = view("squeeze", made), pictures(2)
    rows = seen.extract(torch.stack([seen.prepare(*pair) for pair in ((one, one), (one, other), (other, one))]))[:, 0]
    assert rows[0] == 0
    assert rows[1] == pytest.approx(rows[2].item(), rel=1e-5)


def test_a_row_is_the_same_to_the_last_bit_in_any_batch(made: Path) -> None:
    seen = view("squeeze", made)
    items = torch.stack([seen.prepare(*pictures(2, seed=seed)) for seed in range(3)])
    assert torch.equal(seen.extract(items), torch.cat([seen.extract(item[None]) for item in items]))


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    seen = LpipsExtractor(RANDOM, "squeeze")
    with pytest.raises(UnusablePicture, match="lpips compares pictures of one size and got 40x32 and 32x40: resize"):
        seen.prepare(pictures(1, 32, 40)[0], pictures(1, 40, 32)[0])
    with pytest.raises(UnusablePicture, match="lpips needs pictures of 32x32 or more and got 64x31"):
        seen.prepare(*pictures(2, 31, 64))
    assert seen.extract(seen.prepare(*pictures(2, 32, 32))[None]).isfinite().all()


def test_missing_weights_are_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("SKETCHKIT_WEIGHTS", raising=False)
    with pytest.raises(WeightsError, match=r"alexnet needs alexnet-owt-7be5be79.pth .*curl"):
        Lpips()
    with pytest.raises(WeightsError, match="no weights of alexnet at"):
        Lpips(Setup(weights={"alexnet": tmp_path / "gone.pth"}, allow_random_weights=True))


def test_a_file_of_another_network_is_refused(made: Path) -> None:
    metric = Lpips(Setup(weights={"alexnet": made}))
    with pytest.raises(WeightsError, match="does not fit alexnet"):
        metric.extractor.extract(torch.zeros(1, 2, 3, 32, 32))


@pytest.mark.parametrize("spoil", ["missing", "more", "other"])
def test_heads_that_are_not_the_packages_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoil: str
) -> None:
    heads = torch.load(Path(lpips.__file__).parent / "weights/v0.1/alex.pth", map_location="cpu")
    assert [tuple(head.shape) for head in read_heads("alex")] == [(n, 1, 1) for n in TRUNKS["alex"].channels]
    if spoil == "missing":
        del heads["lin4.model.1.weight"]
    elif spoil == "more":
        heads["lin5.model.1.weight"] = torch.zeros(1, 2, 1, 1)
    else:
        heads = {"features.0.weight": torch.zeros(2)}
    (tmp_path / "weights/v0.1").mkdir(parents=True)
    torch.save(heads, tmp_path / "weights/v0.1/alex.pth")
    monkeypatch.setattr(lpips, "__file__", str(tmp_path / "__init__.py"))
    read_heads.cache_clear()
    with pytest.raises(WeightsError, match="does not hold the heads of 'alex'"):
        read_heads("alex")
    with pytest.raises(WeightsError, match="has no heads at"):
        read_heads("vgg")


def test_the_identity_says_what_a_row_depends_on(made: Path) -> None:
    seen = view("squeeze", made)
    assert seen.identity["network"] == "squeezenet1_1" and len(seen.identity["weights"]) == 64
    others = [LpipsExtractor(RANDOM, net) for net in TRUNKS] + [view("squeeze", made, DrawsExtractor)]
    others.append(LpipsExtractor(Setup(allow_random_weights=True, seed=1), "squeeze"))
    assert len({one.key for one in (seen, *others)}) == 6
    assert not seen.is_random and others[0].is_random
    with pytest.raises(ConfigError, match="did you mean 'alex'"):
        Lpips(net="alexnet")


def test_a_file_that_changes_is_another_network(tmp_path: Path) -> None:
    file, digests = tmp_path / "alexnet.pth", []
    for content in (b"one", b"other", b"One"):
        file.write_bytes(content)
        digests.append(view("alex", file).identity["weights"])
    assert digests == [hashlib.sha256(content).hexdigest() for content in (b"one", b"other", b"One")]


def test_random_weights_are_seeded_and_leave_the_callers_stream() -> None:
    before, rows = torch.get_rng_state(), []
    for _ in range(2):
        seen = LpipsExtractor(RANDOM, "squeeze")
        rows.append(seen.extract(seen.prepare(*pictures(2))[None]))
    assert torch.equal(*rows) and rows[0] > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_get_no_copy_of_the_network(made: Path) -> None:
    seen = view("squeeze", made)
    seen.extract(seen.prepare(*pictures(2))[None])
    assert len(pickle.dumps(seen)) < 2000
