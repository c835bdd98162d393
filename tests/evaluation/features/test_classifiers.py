"""Which network sees, with which weights and scale; no Inception network is built here."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor

from sketchkit.errors import ConfigError, WeightsError
from sketchkit.evaluation.features import classifiers, inception
from sketchkit.evaluation.features.classifiers import InceptionExtractor, TimmExtractor, make_extractor
from sketchkit.evaluation.features.networks import full_precision
from sketchkit.evaluation.features.resizing import resize
from sketchkit.evaluation.metric import Setup

RESNET = "test_resnet"  # timm's smallest: a second to build and run
RANDOM = Setup(allow_random_weights=True)


@pytest.fixture(autouse=True)
def no_network_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the Inception network was built")

    monkeypatch.setattr(inception, "inception", refuse)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("SKETCHKIT_WEIGHTS", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.pth"
    path.write_bytes(b"not read before the first look")
    return path


def picture(height: int = 50, width: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def timm_file(path: Path, name: str = RESNET, classes: int = 1000, prefix: str = "") -> tuple[Path, torch.nn.Module]:
    torch.manual_seed(3)
    network = timm.create_model(name, num_classes=classes).eval()
    torch.save({prefix + key: tensor for key, tensor in network.state_dict().items()}, path)
    return path, network


def test_the_identity_of_inception(file: Path) -> None:
    extractor = make_extractor(Setup(weights={"inception_fid": file}))
    assert extractor.identity == {
        "extractor": "features",
        "version": 1,
        "network": "inception_fid",
        "weights": hashlib.sha256(file.read_bytes()).hexdigest(),
        "resize": "tf",
        "size": 299,
        "width": 2048,
    }
    assert extractor.width == 2048 and not extractor.is_random


def test_keys_tell_weights_resizings_and_networks_apart(file: Path, tmp_path: Path) -> None:
    other, (net, _) = tmp_path / "other.pth", timm_file(tmp_path / "net.pt")
    other.write_bytes(b"other")
    setup = Setup(weights={"inception_fid": file, f"timm:{RESNET}": net})
    extractors = [
        make_extractor(setup),
        make_extractor(setup, resize="clean"),
        make_extractor(setup, resize="pytorch"),
        make_extractor(setup, str(other)),
        make_extractor(setup, f"timm:{RESNET}"),
        make_extractor(RANDOM),
        make_extractor(Setup(allow_random_weights=True, seed=1)),
    ]
    assert len({extractor.key for extractor in extractors}) == len(extractors)
    assert make_extractor(Setup(), str(file)).key == extractors[0].key


def test_changed_weights_change_the_key(file: Path) -> None:
    before = make_extractor(Setup(), str(file)).key
    file.write_bytes(b"trained on")
    assert make_extractor(Setup(), str(file)).key != before


def test_random_weights_are_named_so_and_only_where_none_are_given(file: Path) -> None:
    assert make_extractor(RANDOM).is_random and make_extractor(RANDOM).identity["weights"] == "random"
    assert make_extractor(RANDOM, f"timm:{RESNET}").is_random
    given = Setup(weights={"inception_fid": file}, allow_random_weights=True)
    assert not make_extractor(given).is_random and not make_extractor(RANDOM, str(file)).is_random


@pytest.mark.parametrize("extractor", ["inception", f"timm:{RESNET}.r160_in1k"])
def test_missing_weights_are_known_at_once(nowhere: None, extractor: str) -> None:
    with pytest.raises(WeightsError, match="downloads are off") as caught:
        make_extractor(Setup(), extractor)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("extractor", ["gone.pth", f"timm:{RESNET}|gone.pth"])
def test_a_missing_file_is_named(extractor: str) -> None:
    with pytest.raises(WeightsError, match=r"no weights of .* at gone\.pth: check the path"):
        make_extractor(RANDOM, extractor)


@pytest.mark.parametrize(
    ("extractor", "resize_mode", "message"),
    [
        ("inceptoin", "tf", "feature_extractor='inceptoin' is not a choice: give 'inception', 'timm:NAME'"),
        ("timm:test_resnt", "tf", "timm has no network named 'test_resnt': did you mean 'test_resnet'"),
        ("inception", "cleen", "resize='cleen' is not a choice: did you mean 'clean'"),
        (f"timm:{RESNET}", "cleen", "resize='cleen' is not a choice: did you mean 'clean'"),
    ],
)
def test_wrong_words_are_refused(extractor: str, resize_mode: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_extractor(RANDOM, extractor, resize_mode)


def test_a_file_by_any_name_is_inception_weights(file: Path) -> None:
    extractor = make_extractor(Setup(), str(file.rename(file.with_suffix(".weights"))))
    assert isinstance(extractor, InceptionExtractor) and extractor.network_name == "inception_fid"


@pytest.mark.parametrize("mode", ["tf", "pytorch", "clean"])
def test_inception_is_given_each_protocols_range(mode: str) -> None:
    prepared, resized = make_extractor(RANDOM, resize=mode).prepare(picture()), resize(picture(), 299, mode)
    expected = (resized - 127.5) / 127.5 if mode == "pytorch" else (resized - 128) / 128
    assert prepared.shape == (3, 299, 299) and prepared.dtype == torch.float32
    torch.testing.assert_close(prepared, expected)


@pytest.mark.parametrize("name", [RESNET, "test_vit"])
def test_timm_features_are_timms_own(name: str, tmp_path: Path) -> None:
    file, network = timm_file(tmp_path / "net.pth", name)
    network.reset_classifier(0)
    extractor = make_extractor(Setup(weights={f"timm:{name}": file}), f"timm:{name}", "pytorch")
    config = timm.data.resolve_model_data_config(network)
    images = torch.stack([extractor.prepare(picture(50 + i)) for i in range(5)])
    assert images.shape == (5, *config["input_size"])
    for channel, (mean, std) in enumerate(zip(config["mean"], config["std"], strict=True)):
        value = (resize(picture(50), config["input_size"][1], "pytorch")[channel] / 255 - mean) / std
        torch.testing.assert_close(images[0, channel], value)
    with torch.no_grad():
        expected = network(images)
    assert extractor.width == expected.shape[1]
    torch.testing.assert_close(extractor.extract(images).clone(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("classes", [0, 7])
def test_timm_weights_come_with_any_classifier(classes: int, tmp_path: Path) -> None:
    file, network = timm_file(tmp_path / "net.pt", classes=classes)
    extractor, images = make_extractor(Setup(), f"timm:{RESNET}|{file}"), torch.randn(1, 3, 160, 160)
    network.reset_classifier(0)
    with torch.no_grad():
        torch.testing.assert_close(extractor.extract(images).clone(), network(images), rtol=1e-5, atol=1e-5)


def test_weights_of_another_network_are_refused_at_the_first_look(tmp_path: Path) -> None:
    file, _ = timm_file(tmp_path / "net.pt", prefix="module.")
    extractor = make_extractor(Setup(), f"timm:{RESNET}|{file}")
    with pytest.raises(WeightsError, match=f"does not fit timm:{RESNET}: Missing key"):
        extractor.extract(torch.zeros(1, 3, 160, 160))


def test_widths_are_measured_where_timm_counts_other_channels() -> None:
    # Its `num_features` (288) are those before the last layer that pooled features pass.
    extractor = make_extractor(RANDOM, "timm:mobilenetv3_small_050")
    assert extractor.width == 1024 == extractor.identity["width"]


def test_a_network_that_gives_maps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    unpooled = timm.create_model(RESNET, num_classes=0, global_pool="", device="meta")
    monkeypatch.setattr(classifiers, "_create", lambda *_, **__: unpooled)
    with pytest.raises(ConfigError, match=f"timm:{RESNET} gives maps"):
        make_extractor(RANDOM, f"timm:{RESNET}")


def test_random_networks_are_seeded_and_leave_the_stream_alone() -> None:
    images = torch.randn(2, 3, 160, 160)
    before = torch.get_rng_state()
    first, second = (make_extractor(RANDOM, f"timm:{RESNET}").extract(images) for _ in range(2))
    other = make_extractor(Setup(allow_random_weights=True, seed=1), f"timm:{RESNET}").extract(images)
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_get_no_network_and_preparing_needs_none() -> None:
    extractor = TimmExtractor(RANDOM, f"timm:{RESNET}")
    prepared = extractor.prepare(picture())
    assert "network" not in vars(extractor)
    rows = extractor.extract(prepared[None])
    assert "network" in vars(extractor)
    copy = pickle.loads(pickle.dumps(extractor))
    assert "network" not in vars(copy) and torch.equal(copy.prepare(picture()), prepared)
    assert copy.key == extractor.key and torch.equal(copy.extract(prepared[None]), rows)


def test_full_precision_is_set_and_set_back() -> None:
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    try:
        with torch.autocast("cpu"):
            with full_precision(torch.device("cpu")):
                assert not torch.backends.cudnn.allow_tf32 and not torch.is_autocast_enabled("cpu")
                assert torch.get_float32_matmul_precision() == "highest"
            assert torch.backends.cudnn.allow_tf32 and torch.is_autocast_enabled("cpu")
            assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
