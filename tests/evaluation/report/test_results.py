"""Numbers as they are kept and shown, and the notes on what they cannot be compared with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sketchkit.data.image_io import Probe
from sketchkit.errors import DataError
from sketchkit.evaluation.features.statistics import Statistics
from sketchkit.evaluation.features.statistics_file import StatisticsFile
from sketchkit.evaluation.images.image_set import PictureFile, PictureSet
from sketchkit.evaluation.metric import FeatureExtractor, Features, PictureMetric
from sketchkit.evaluation.report import results

FEATURES = {"network": "net", "weights": "0123456789abcdef", "resize": "tf", "width": 4}


class Fixed(FeatureExtractor):
    def __init__(self, identity: dict[str, Any]) -> None:
        self.given = identity

    @property
    def identity(self) -> dict[str, Any]:
        return self.given

    def prepare(self, *pictures: Tensor) -> Tensor:
        return pictures[0].flatten()[:1].float()


class Given(PictureMetric):
    """Says what it is told to say."""

    better = "higher"
    least = 2

    def __init__(
        self, numbers: dict[str, float], extractor: dict[str, Any] = FEATURES, remark: str | None = None
    ) -> None:
        self.numbers, self.extractor, self.said = numbers, Fixed(extractor), remark

    def compute(self, seen: Features) -> dict[str, float]:
        return self.numbers

    def remark(self, seen: Features) -> str | None:
        return self.said


def sets(folder: str, count: int = 3, size: tuple[int, int] = (8, 6), kind: str = "png") -> PictureSet:
    files = [PictureFile(f"{i}", Path(folder, f"{i}.{kind}"), Probe(f"{i}", *size, kind)) for i in range(count)]
    return PictureSet(Path(folder), {file.name: file for file in files})


def seen(real: int = 3, fake: int = 3) -> Features:
    return Features(real=torch.zeros(real, 4), fake=torch.zeros(fake, 4))


def score(name: str = "fid", real: int = 3, fake: int = 3, extractor: dict[str, Any] = FEATURES) -> dict[str, Any]:
    return {name: results.score(name, Given({name: 1.5}, extractor), seen(real, fake))}


def noted(scores: dict[str, Any], real: PictureSet | StatisticsFile, fake: PictureSet) -> list[str]:
    return list(results.notes(scores, real, fake))


@pytest.mark.parametrize(
    ("number", "text"), [(float("inf"), "inf"), (float("-inf"), "-inf"), (float("nan"), "nan"), (0.1, 0.1)]
)
def test_every_result_is_valid_json(tmp_path: Path, number: float, text: str | float) -> None:
    file = tmp_path / "metrics.json"
    results.write_result(file, {"psnr": results.score("psnr", Given({"psnr": number, "more": number}), seen())})

    def constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(file.read_text(), parse_constant=constant)["psnr"]
    assert found["value"] == text and found["more"] == text
    assert list(tmp_path.iterdir()) == [file]


def test_numbers_that_are_not_made_plain_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        results.write_result(tmp_path / "metrics.json", {"value": float("inf")})
    assert list(tmp_path.iterdir()) == []


def test_a_score_says_how_it_was_measured() -> None:
    rows = Features(real=torch.zeros(5, 4), fake=torch.zeros(3, 4), pair=torch.zeros(2, 1), draws=torch.zeros(4, 1))
    assert results.score("kid", Given({"kid": 0.25, "kid_std": 0.5}, remark="is only given"), rows) == {
        "value": 0.25,
        "kid_std": 0.5,
        "better": "higher",
        "n": {"real": 5, "fake": 3, "pair": 2, "draws": 4},
        "extractor": FEATURES,
        "note": "is only given",
    }


@pytest.mark.parametrize("count", [20, None])
def test_the_count_of_kept_statistics_is_the_real_one(count: int | None) -> None:
    kept = Statistics(torch.zeros(4), torch.eye(4), count)
    found = results.score("fid", Given({"fid": 1.0}), Features(fake=torch.zeros(3, 4), statistics=kept))
    assert found["n"] == {"fake": 3, "real": count}


@pytest.mark.parametrize(("real", "fake", "role"), [(1, 3, "real"), (3, 1, "fake"), (3, 0, "fake")])
def test_too_few_pictures_are_refused(real: int, fake: int, role: str) -> None:
    with pytest.raises(DataError) as caught:
        results.score("fid", Given({"fid": 1.0}), seen(real, fake))
    assert str(caught.value) == f"fid needs 2 pictures or more, and there are {min(real, fake)} ({role})"


def test_a_metrics_own_remark_is_noted() -> None:
    scores = {"kid": results.score("kid", Given({"kid": 0.25}, remark="is only given"), seen(3, 3))}
    assert noted(scores, sets("real"), sets("fake")) == ["kid is only given"]


def test_random_weights_are_noted() -> None:
    (note,) = noted(score("kid_random"), sets("real"), sets("fake"))
    assert note.startswith("kid_random: the network has random weights")


def test_other_sizes_and_formats_are_noted() -> None:
    real, fake = sets("real", 3, (8, 6)), sets("fake", 2, (6, 8), "jpeg")
    found = noted(score("kid"), real, fake)
    assert found == [
        "sizes differ, and that is measured too: real 8x6 (3); fake 6x8 (2)",
        "formats differ, and that is measured too: real png (3); fake jpeg (2)",
        "2 of 2 fakes are JPEG: its losses are measured too; write PNG",
    ]


def test_long_lists_of_sizes_are_cut() -> None:
    files = {f"{i}": PictureFile(f"{i}", Path(f"{i}"), Probe(f"{i}", 8 + i, 6, "png")) for i in range(5)}
    (note,) = noted(score("kid"), PictureSet(Path("real"), files), sets("fake"))
    assert note.endswith("real 8x6 (1), 9x6 (1), 10x6 (1) and 2 more; fake 8x6 (3)")


def test_jpeg_real_pictures_alone_are_a_difference_and_no_loss_of_the_fakes() -> None:
    assert [note.split(",")[0] for note in noted(score("kid"), sets("real", kind="jpeg"), sets("fake"))] == [
        "formats differ"
    ]


def test_files_that_were_left_out_are_noted_for_both_sets() -> None:
    real, fake = (PictureSet(one.path, one.pictures, {Path("x"): "cut"}) for one in (sets("real"), sets("fake")))
    assert noted(score("kid"), real, fake) == [
        f"1 files in {name} could not be read and are left out" for name in ("real", "fake")
    ]


def test_statistics_that_do_not_say_how_they_were_taken_are_noted() -> None:
    kept = Statistics(torch.zeros(4), torch.eye(4), 20)
    unknown = StatisticsFile(Path("r.npz"), kept)
    (note,) = noted(score("kid"), unknown, sets("fake"))
    assert note.startswith("r.npz does not say how its statistics were taken")
    assert noted(score("kid"), StatisticsFile(Path("r.npz"), kept, FEATURES, "f00d"), sets("fake")) == []


def test_sets_as_the_result_names_them() -> None:
    whole = PictureSet(Path("real"), sets("real").pictures, {Path("real/x.png"): "cut"})
    assert results.describe(whole) == {
        "path": "real",
        "n": 3,
        "sizes": {"8x6": 3},
        "formats": {"png": 3},
        "fingerprint": whole.fingerprint,
        "unreadable": {"real/x.png": "cut"},
    }
    kept = StatisticsFile(Path("r.npz"), Statistics(torch.zeros(4), torch.eye(4), 20), FEATURES, "f00d")
    assert results.describe(kept) == {"path": "r.npz", "n": 20, "fingerprint": "f00d"}


def test_the_table_in_words() -> None:
    kept = Features(fake=torch.zeros(3, 4), statistics=Statistics(torch.zeros(4), torch.eye(4)))
    scores = {
        "fid": results.score("fid", Given({"fid": 12.3456789}), kept),
        "psnr": results.score(
            "psnr", Given({"psnr": float("inf")}, {"extractor": "psnr"}), Features(pair=torch.zeros(2, 1))
        ),
        "untrained": results.score("untrained", Given({"u": 1e-7}, {**FEATURES, "weights": "random"}), seen(2, 2)),
    }
    rows = results.table(scores)
    assert [list(row.values()) for row in rows] == [
        ["fid", "12.3457", "higher", "unknown real / 3 fake", "net, resize tf, weights 01234567"],
        ["psnr", "inf", "higher", "2 pairs", "pixels"],
        ["untrained", "1e-07", "higher", "2 real / 2 fake", "net, resize tf, random"],
    ]


def test_columns_line_up() -> None:
    rows = [{"metric": "fid", "value": "1.5", "n": "3"}, {"metric": "colorfulness", "value": "2", "n": "12345"}]
    assert list(results.aligned(rows)) == [
        "metric        value  n",
        "fid           1.5    3",
        "colorfulness  2      12345",
    ]
