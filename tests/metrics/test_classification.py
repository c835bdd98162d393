"""Accuracy by a classifier: its logits against timm's own, the counting against the words of its definition."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from sketchkit_plugins.metrics.classification import Classification
from torch import Tensor

from sketchkit.errors import ConfigError, DataError, WeightsError
from sketchkit.evaluation.features.resizing import resize
from sketchkit.evaluation.metric import Features, Setup

NETWORK = "test_resnet"
LETTERS = list("abcdefg")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a tiny network with 3 and with 7 outputs."""
    folder = tmp_path_factory.mktemp("classifier")
    for classes in (3, 7):
        torch.manual_seed(classes)
        torch.save(timm.create_model(NETWORK, num_classes=classes).state_dict(), folder / f"{classes}.pth")
    return folder


def metric(folder: Path, outputs: int, **options: object) -> Classification:
    return Classification(classifier=f"timm:{NETWORK}|{folder / f'{outputs}.pth'}", **options)  # type: ignore[arg-type]


def pictures(count: int, size: int = 50) -> Tensor:
    return torch.randint(256, (count, 3, size, size + 9), generator=torch.Generator().manual_seed(0)).byte()


def test_rows_are_the_logits_of_timms_own_network(files: Path) -> None:
    extractor = metric(files, 7).extractor
    network = timm.create_model(NETWORK, num_classes=7).eval()
    network.load_state_dict(torch.load(files / "7.pth"))
    published = timm.get_pretrained_cfg(NETWORK)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (published.mean, published.std))
    sized = [resize(picture, published.input_size[-1], "clean") / 255 for picture in pictures(6)]
    with torch.no_grad():
        expected = network(torch.stack([(picture - mean) / std for picture in sized]))
    rows = extractor.extract(torch.stack([extractor.prepare(picture) for picture in pictures(6)]))
    assert rows.shape == (6, extractor.width) == (6, 7)
    assert expected.std() > 1e-3
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-6)


def test_accuracy_counts_the_first_rank_and_the_first_five(files: Path) -> None:
    # Ranks of the class 'c' (0 the first): 0, 1, 4, 5.
    ranked = torch.tensor([[0, 1, 9, 2, 3, 4, 5], [9, 1, 8, 2, 3, 4, 5], [9, 8, 2, 7, 6, 0, 1], [9, 8, 2, 7, 6, 5, 1]])
    seen = Features(fake=ranked.float(), labels=["c"] * 4)
    judge = metric(files, 7, classes=LETTERS)
    assert judge.compute(seen) == {"classification": 0.25, "classification_top5": 0.75}
    assert judge.per_sample(seen).tolist() == [1, 0, 0, 0]


def test_without_names_the_classes_are_those_of_the_fakes_by_the_alphabet(files: Path) -> None:
    logits = torch.tensor([[9.0, 0, 1], [0, 9, 1], [0, 1, 9], [0, 1, 9]])
    judge = metric(files, 3)
    assert judge.compute(Features(fake=logits, labels=["ant", "bee", "cat", "bee"])) == {"classification": 0.75}
    with pytest.raises(ConfigError, match=r"has 3 outputs and there are 2 classes: name .* by the option classes"):
        judge.compute(Features(fake=logits, labels=["ant", "bee", "ant", "bee"]))


def test_names_come_from_a_list_or_a_file_in_the_order_of_the_outputs(files: Path, tmp_path: Path) -> None:
    listed = tmp_path / "classes.txt"
    listed.write_text("dog\ncat \n\nöl\n", encoding="utf-8")
    seen = Features(fake=torch.tensor([[0.0, 9, 1], [9, 0, 1]]), labels=["cat", "öl"])
    for classes in (str(listed), ["dog", "cat", "öl"], ("dog", "cat", "öl")):
        assert metric(files, 3, classes=classes).per_sample(seen).tolist() == [1, 0]


def test_wrong_names_are_refused(files: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 3 outputs and there are 2 classes"):
        metric(files, 3, classes=["a", "b"])
    with pytest.raises(ConfigError, match="the class 'a' stands 2 times"):
        metric(files, 3, classes=["a", "b", "a"])
    with pytest.raises(DataError, match="no file with the names of classes at"):
        metric(files, 3, classes=str(tmp_path / "gone.txt"))
    with pytest.raises(DataError, match="has no class 'horse': did you mean 'house'"):
        metric(files, 3, classes=["house", "b", "c"]).compute(Features(fake=torch.rand(1, 3), labels=["horse"]))


def test_logits_that_are_no_numbers_are_not_counted(files: Path) -> None:
    with pytest.raises(DataError, match="not finite"):
        metric(files, 3, classes=list("abc")).compute(Features(fake=torch.full((1, 3), torch.nan), labels=["a"]))


@pytest.mark.parametrize("classifier", ["", "resnet18", "inception"])
def test_a_classifier_must_be_given(classifier: str) -> None:
    with pytest.raises(ConfigError, match=r"--metric-options classification.classifier=timm:NAME\|PATH"):
        Classification(classifier=classifier)


def test_an_unknown_network_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'resnet18'"):
        Classification(classifier="timm:resnet_18")


def test_weights_are_found_by_name_and_missing_ones_said_at_once(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = Setup(weights={f"timm:{NETWORK}": files / "3.pth"})
    assert Classification(named, f"timm:{NETWORK}").extractor.key == metric(files, 3).extractor.key
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("SKETCHKIT_WEIGHTS", raising=False)
    with pytest.raises(WeightsError, match="downloads are off"):
        Classification(classifier="timm:resnet18")


def test_a_file_without_a_classifier_or_of_another_network_is_refused(files: Path, tmp_path: Path) -> None:
    state = torch.load(files / "3.pth")
    torch.save({name: tensor for name, tensor in state.items() if not name.startswith("fc.")}, tmp_path / "3.pth")
    with pytest.raises(WeightsError, match="has no classifier"):
        metric(tmp_path, 3)
    torch.save({"fc.weight": torch.zeros(7, 2)}, tmp_path / "7.pth")
    with pytest.raises(WeightsError, match="does not fit"):
        metric(tmp_path, 7).extractor.extract(torch.zeros(1, 3, 64, 64))


def test_random_weights_need_the_names(files: Path) -> None:
    random = Setup(allow_random_weights=True)
    judge = Classification(random, f"timm:{NETWORK}", classes=LETTERS)
    assert judge.extractor.is_random
    assert judge.extractor.extract(judge.extractor.prepare(pictures(1)[0])[None]).shape == (1, 7)
    with pytest.raises(ConfigError, match="random weights knows no classes: name them by the option classes"):
        Classification(random, f"timm:{NETWORK}")


def test_the_view_differs_by_weights_and_resizing_and_from_the_features(files: Path) -> None:
    from sketchkit.evaluation.features.classifiers import make_extractor

    extractors = [metric(files, 3).extractor, metric(files, 7).extractor, metric(files, 3, resize="tf").extractor]
    features = make_extractor(Setup(), f"timm:{NETWORK}|{files / '3.pth'}", "clean")
    assert len({extractor.key for extractor in (*extractors, features)}) == 4
    # Features of as many numbers as there are classes are told apart as well.
    assert extractors[0].identity["extractor"] != features.identity["extractor"]
