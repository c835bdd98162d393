"""Names -> metrics: companions, shared extractors, options, and what is usable as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from sketchkit.errors import ConfigError, WeightsError
from sketchkit.evaluation.build import make_metrics, parse_options, usable
from sketchkit.evaluation.metric import FeatureExtractor, Features, PictureMetric, Setup
from sketchkit.pretrained import weights
from sketchkit.registry import PICTURE_METRICS

RANDOM = Setup(allow_random_weights=True)


class Mean(FeatureExtractor):
    def __init__(self, power: int, weights: str | None = None) -> None:
        self.power, self.weights = power, weights

    @property
    def identity(self) -> dict[str, Any]:
        return {"extractor": "mean", "power": self.power, "weights": self.weights}

    def prepare(self, *pictures: Tensor) -> Tensor:
        return pictures[0].float().pow(self.power).mean().reshape(1)


class Plain(PictureMetric):
    def __init__(self, setup: Setup = Setup(), power: int = 1) -> None:
        self.setup, self.extractor = setup, Mean(power)

    def compute(self, seen: Features) -> dict[str, float]:
        return {}


class Leader(Plain):
    companion = "beside"

    def __init__(self, setup: Setup = Setup(), power: int = 1, own: str = "") -> None:
        super().__init__(setup, power)


class Beside(Plain):
    def __init__(self, setup: Setup = Setup(), power: int = 1, parts: int = 1) -> None:
        super().__init__(setup, power)
        self.parts = parts


class Untrained(Plain):
    def __init__(self, setup: Setup = Setup(), power: int = 1) -> None:
        self.extractor = Mean(power, "random")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, entry in {"plain": Plain, "leader": Leader, "beside": Beside, "untrained": Untrained}.items():
        monkeypatch.setitem(PICTURE_METRICS.module_dict, name, entry)


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights at hand, and no way to get them: downloads are not off, and none may be tried."""
    monkeypatch.setenv("SKETCHKIT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("SKETCHKIT_OFFLINE", raising=False)

    def download(*_: object) -> Path:
        raise AssertionError("a download was tried")

    monkeypatch.setattr(weights, "_download", download)


def test_a_companion_is_measured_once_behind_its_metric_with_its_options() -> None:
    made = make_metrics([{"type": "leader", "power": 3, "own": "x"}, "plain"], Setup())
    assert list(made) == ["leader", "beside", "plain"]
    assert made["beside"].extractor is made["leader"].extractor and made["beside"].extractor.identity["power"] == 3


def test_a_companion_that_is_asked_for_keeps_its_place_and_options() -> None:
    made = make_metrics([{"type": "beside", "parts": 7, "power": 2}, "leader"], Setup())
    assert list(made) == ["beside", "leader"]
    assert (made["beside"].parts, made["beside"].extractor.power, made["leader"].extractor.power) == (7, 2, 1)


def test_companions_can_be_left_out() -> None:
    assert list(make_metrics(["leader"], Setup(), companions=False)) == ["leader"]


def test_common_options_go_where_they_fit_and_a_metrics_own_come_first() -> None:
    setup = Setup(seed=9)
    made = make_metrics(["leader", {"type": "plain", "power": 5}], setup, {"power": 4, "parts": 6})
    assert [one.extractor.power for one in made.values()] == [4, 4, 5] and made["beside"].parts == 6
    assert made["plain"].setup is setup


def test_views_that_see_the_same_are_one_object() -> None:
    made = make_metrics(["plain", "beside", {"type": "leader", "power": 2}], Setup(), companions=False)
    assert made["plain"].extractor is made["beside"].extractor is not made["leader"].extractor


def test_random_weights_are_in_the_name() -> None:
    assert list(make_metrics(["untrained", "plain"], Setup())) == ["untrained_random", "plain"]


def test_fid_and_kid_share_one_network() -> None:
    made = make_metrics(["fid"], RANDOM, {"resize": "clean"})
    assert list(made) == ["fid_random", "kid_random"]
    assert made["fid_random"].extractor is made["kid_random"].extractor
    assert made["kid_random"].extractor.identity["resize"] == "clean"


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["plain", {"type": "plain", "power": 2}], "metric plain is asked for twice"),
        (["plian"], "no metric is named 'plian': did you mean 'plain'"),
        ([{"type": "plain", "powr": 2}], "Plain has no option 'powr': did you mean 'power'"),
        ([{"power": 2}], "is no metric: give a name"),
        ([{"type": "fid", "resise": "clean"}], "no option 'resise': did you mean 'resize'"),
    ],
)
def test_wrong_calls(specs: list[Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_metrics(specs, RANDOM)


def test_options_in_words() -> None:
    words = ["kid.subsets=100", "kid.subset_size=50", "fid.resize=clean", "lpips.net=alex=2", "is.splits=none"]
    assert parse_options(words) == {
        "kid": {"subsets": 100, "subset_size": 50},
        "fid": {"resize": "clean"},
        "lpips": {"net": "alex=2"},
        "is": {"splits": None},
    }


@pytest.mark.parametrize("word", ["kid", "kid.subsets", "kid=3", ".subsets=3", "kid.=3", "=", ""])
def test_words_of_another_form(word: str) -> None:
    with pytest.raises(ConfigError, match=r"is not of the form METRIC\.OPTION=VALUE"):
        parse_options([word])


@pytest.mark.usefixtures("no_weights")
def test_what_has_no_weights_is_not_usable_and_nothing_is_downloaded() -> None:
    good, without = usable(["psnr", "fid", "lpips", "colorfulness"], Setup())
    assert good == ["psnr", "colorfulness"] and set(without) == {"fid", "lpips"}
    assert "pt_inception-2015-12-05-6726825d.pth" in without["fid"] and "alexnet" in without["lpips"]
    assert not any("\n" in reason for reason in without.values())


@pytest.mark.usefixtures("no_weights")
def test_weights_at_hand_make_a_metric_usable(tmp_path: Path) -> None:
    own = tmp_path / "own.pth"
    own.write_bytes(b"read at the first look only")
    assert usable(["fid", "kid"], Setup(weights={"inception_fid": own})) == (["fid", "kid"], {})
    assert usable(["fid", "plain"], Setup(), {"feature_extractor": str(own)}) == (["fid", "plain"], {})
    assert usable(["fid"], RANDOM) == (["fid"], {})


@pytest.mark.usefixtures("no_weights")
def test_what_is_asked_for_by_name_needs_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="a download was tried"):
        make_metrics(["fid"], Setup())
    with pytest.raises(WeightsError, match="downloads are off"):
        make_metrics(["fid"], Setup(offline=True))
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1")
    with pytest.raises(WeightsError, match="downloads are off"):
        make_metrics(["fid"], Setup())
