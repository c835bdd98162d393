"""The Inception network with one set of weights in ours, torch-fidelity's and pytorch-fid's."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import pytorch_fid.inception
import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchvision.models import Inception3

from sketchkit.errors import WeightsError
from sketchkit.evaluation.features import inception as ours
from sketchkit.evaluation.features.classifiers import InceptionExtractor
from sketchkit.evaluation.metric import Setup

SIZES = [(75, 50), (340, 420)]


class Theirs(NamedTuple):
    features: Tensor
    logits: Tensor


def seeded_state() -> dict[str, Tensor]:
    """Weights under the names that torchvision gives them, with every normalisation doing something of its own."""
    with torch.device("meta"):
        network = Inception3(num_classes=1008, aux_logits=False, init_weights=False)
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in network.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith(("running_var", "bn.weight")):
            state[name] = 0.75 + 0.5 * torch.rand(tensor.shape, generator=generator)
        elif tensor.ndim > 1:
            state[name] = noise * (2 / tensor[0].numel()) ** 0.5
        elif name.endswith("tracked"):
            state[name] = torch.tensor(0)
        else:
            state[name] = noise * 0.1
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("inception") / "seeded.pth"
    torch.save(seeded_state(), file)
    return file


@pytest.fixture(scope="module")
def pictures() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for size in SIZES]


@pytest.fixture(scope="module")
def torch_fidelitys(weights, pictures) -> Theirs:
    network = FeatureExtractorInceptionV3("seeded", ["2048", "logits_unbiased"], str(weights))
    with torch.no_grad():
        seen = [network(picture[None]) for picture in pictures]
    return Theirs(*(torch.cat(rows) for rows in zip(*seen, strict=True)))


@pytest.fixture(scope="module")
def network(weights) -> torch.nn.Module:
    return ours.inception(weights)


@pytest.fixture(scope="module")
def extractor(weights) -> InceptionExtractor:
    return InceptionExtractor(Setup(weights={"inception_fid": weights}))


def batch(pictures: list[Tensor], extractor: InceptionExtractor) -> Tensor:
    return torch.stack([extractor.prepare(picture) for picture in pictures])


def test_plain_features_and_logits_are_torch_fidelitys(network, extractor, pictures, torch_fidelitys) -> None:
    with torch.no_grad():
        features = network(batch(pictures, extractor))
    assert features.shape == (2, 2048) and features.dtype == torch.float32
    assert (features - torch_fidelitys.features).abs().max() <= 1e-5
    assert torch_fidelitys.features.std() > 0.05  # or the comparison above says nothing
    torch.testing.assert_close(ours.logits(network, features), torch_fidelitys.logits, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_plain_features_are_pytorch_fids(network, weights, pictures, monkeypatch) -> None:
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights))
    theirs = pytorch_fid.inception.InceptionV3().eval()
    extractor = InceptionExtractor(Setup(), "pytorch", weights)
    with torch.no_grad():
        expected = torch.cat([theirs(picture[None] / 255)[0].flatten(1) for picture in pictures])
        assert (network(batch(pictures, extractor)) - expected).abs().max() <= 1e-5


def test_the_view_is_within_rounding_of_torch_fidelity(extractor, pictures, torch_fidelitys) -> None:
    with torch.inference_mode():  # what is built in it serves outside as well
        seen = extractor.extract(batch(pictures, extractor))
    assert ((seen - torch_fidelitys.features).norm() / torch_fidelitys.features.norm()).item() <= 1e-4
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in extractor.network.modules())
    assert ((extractor.logits(seen) - torch_fidelitys.logits).norm() / torch_fidelitys.logits.norm()).item() <= 1e-4


@pytest.mark.slow
def test_a_row_does_not_depend_on_its_batch(extractor, pictures) -> None:
    images = batch([*pictures, *pictures, pictures[0]], extractor)  # more than are looked at together on a CPU
    together = extractor.extract(images)
    for image, row in zip(images[:2], together[:2], strict=True):
        assert ((extractor.extract(image[None])[0] - row).norm() / row.norm()).item() <= 1e-5
    torch.testing.assert_close(together[4], together[0], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_random_weights_are_seeded_and_keep_the_activations_alive() -> None:
    first, again, other = (ours.inception(None, seed) for seed in (0, 0, 1))
    states = [network.state_dict() for network in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["fc.weight"], states[2]["fc.weight"])
    image = torch.rand(1, 3, 299, 299, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        assert 0.05 < first(image).std() < 5
    assert set(states[0]) == set(seeded_state())


def test_a_file_without_counters_fits_and_another_networks_is_refused(weights, tmp_path) -> None:
    state = torch.load(weights)
    file = tmp_path / "file.pth"
    torch.save({name: tensor for name, tensor in state.items() if not name.endswith("tracked")}, file)
    assert torch.equal(ours.inception(file).state_dict()["fc.weight"], state["fc.weight"])
    torch.save({**state, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}, file)
    with pytest.raises(WeightsError, match=r"does not fit inception_fid: size mismatch for fc\.weight"):
        ours.inception(file)
    torch.save({"features.0.weight": torch.zeros(3)}, file)
    with pytest.raises(WeightsError, match="does not fit inception_fid: Missing key"):
        InceptionExtractor(Setup(), "tf", file).extract(torch.zeros(1, 3, 299, 299))
