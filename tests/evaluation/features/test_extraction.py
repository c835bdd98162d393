"""One pass over the pictures: what is read and computed how often, what is kept, and what fails."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sketchkit.data.image_io import UnusablePicture, write_image
from sketchkit.errors import DataError
from sketchkit.evaluation.features import extraction
from sketchkit.evaluation.features.cache import FeatureCache
from sketchkit.evaluation.features.extraction import ExtractedFeatures, Item, extract_features
from sketchkit.evaluation.features.statistics import Statistics
from sketchkit.evaluation.images.image_set import read_set
from sketchkit.evaluation.images.pairing import make_items
from sketchkit.evaluation.metric import FeatureExtractor, Features, PictureMetric
from sketchkit.registry import PICTURE_METRICS


class Channels(FeatureExtractor):
    """The mean of each channel, seen by a 'network' that counts what it is shown."""

    width = 3

    def __init__(self, name: str = "channels") -> None:
        self.name, self.prepared, self.seen = name, 0, 0

    @property
    def identity(self) -> dict[str, Any]:
        return {"extractor": self.name}

    def prepare(self, *pictures: Tensor) -> Tensor:
        self.prepared += 1
        return pictures[0].float()

    def extract(self, batch: Tensor) -> Tensor:
        self.seen += len(batch)
        return batch.mean((2, 3))


class Difference(FeatureExtractor):
    """The mean absolute difference of all pictures to the first, in float64."""

    dtype = torch.float64
    identity = {"extractor": "difference"}

    def prepare(self, *pictures: Tensor) -> Tensor:
        first, *others = (picture.double() for picture in pictures)
        if any(other.shape != first.shape for other in others):
            raise UnusablePicture("sizes differ")
        return torch.stack([(first - other).abs().mean() for other in others]).mean().reshape(1)


class Needing(PictureMetric):
    def __init__(self, extractor: FeatureExtractor, *needs: str, takes_statistics: bool = False) -> None:
        self.extractor, self.needs, self.takes_statistics = extractor, needs, takes_statistics

    def compute(self, seen: Features) -> dict[str, float]:
        return {}


def array(seed: int, size: tuple[int, int] = (6, 4)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def save(file: Path, seed: int, size: tuple[int, int] = (6, 4)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array(seed, size)).save(file)


def save_undecodable(file: Path) -> None:
    """A PNG whose chunks are whole, and whose pixels are not: only decoding finds it out."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 4, 6, 8, 2, 0, 0, 0)), (b"IDAT", b"no stream"), (b"IEND", b"")]
    parts = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


NAMES = [f"p{i}" for i in range(8)]
SIZES = [(6, 4), (6, 4), (9, 5)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pairs, of mixed sizes from pair to pair."""
    for i, name in enumerate(NAMES):
        save(tmp_path / "real" / f"{name}.png", i, SIZES[i % 3])
        save(tmp_path / "fake" / f"{name}.png", 100 + i, SIZES[i % 3])
    return tmp_path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterable[Counter[str]]:
    """How often each file was decoded."""
    counts: Counter[str] = Counter()
    original = extraction.read_image

    def read(file: Path, digest: str) -> np.ndarray:
        counts[f"{file.parent.name}/{file.stem}"] += 1
        return original(file, digest)

    monkeypatch.setattr(extraction, "read_image", read)
    return counts


def test_a_file_that_changes_meanwhile_is_not_kept_under_its_old_name(tmp_path: Path) -> None:
    for name, value in (("real", 10), ("fake", 20)):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "a.png", np.full((8, 8, 3), value, np.uint8))
    metric = PICTURE_METRICS.build({"type": "l1"})
    items = items_of(tmp_path, metric)
    write_image(tmp_path / "fake/a.png", np.full((8, 8, 3), 99, np.uint8))
    with pytest.raises(DataError, match=r"fake/a.png has changed since it was first looked at"):
        extract_features([metric], items, workers=0)


def items_of(folder: Path, *metrics: PictureMetric, on_error: str = "fail") -> list[Item]:
    return make_items(read_set(folder / "real"), read_set(folder / "fake"), metrics, on_error)[0]


def extract(metrics: list[PictureMetric], items: list[Item], **options: Any) -> ExtractedFeatures:
    return extract_features(metrics, items, **{"workers": 0, **options})


def three() -> tuple[Channels, Channels, list[PictureMetric]]:
    """Two networks and a measure of pairs; the first network is shared by two metrics."""
    one, other = Channels("one"), Channels("other")
    return one, other, [Needing(one, "real", "fake"), Needing(one, "fake"), Needing(other, "fake", "real"), pairs()]


def pairs() -> Needing:
    return Needing(Difference(), "pair")


def test_rows_are_what_the_views_see(folder: Path) -> None:
    _, _, metrics = three()
    items = items_of(folder, *metrics)
    extracted = extract(metrics, items)
    seen, differences = extracted.features_of(metrics[0]), extracted.features_of(metrics[3])
    pixels = [[array(start + i, SIZES[i % 3]).astype(np.float64) for i in range(8)] for start in (0, 100)]
    for rows, expected in zip((seen.real, seen.fake), pixels, strict=True):
        assert rows is not None and rows.dtype == torch.float32
        np.testing.assert_allclose(rows.numpy(), [one.mean((0, 1)) for one in expected], rtol=1e-6)
    assert differences.pair is not None and differences.pair.dtype == torch.float64
    apart = [[np.abs(a - b).mean()] for a, b in zip(*pixels, strict=True)]
    np.testing.assert_allclose(differences.pair.numpy(), apart, rtol=1e-12)
    assert (seen.pair, seen.draws, differences.real, differences.fake) == (None, None, None, None)
    assert extracted.looked_at == 16 and extracted.failed == {}


def test_each_file_is_read_once_and_each_network_sees_it_once(folder: Path, reads: Counter[str]) -> None:
    one, other, metrics = three()
    extract(metrics, items_of(folder, *metrics))
    assert reads == {f"{kind}/{name}": 1 for kind in ("real", "fake") for name in NAMES}
    assert (one.prepared, one.seen, other.prepared, other.seen) == (16, 16, 16, 16)


def test_metrics_may_come_from_a_generator(folder: Path) -> None:
    extractor = Channels()
    items = items_of(folder, Needing(extractor, "fake"))
    extract((metric for metric in [Needing(extractor, "fake")]), items)  # type: ignore[arg-type]
    assert extractor.seen == 8


def test_only_what_a_metric_needs_is_read(folder: Path, reads: Counter[str]) -> None:
    metric = Needing(Channels(), "fake")
    extract([metric], items_of(folder, metric))
    assert reads == {f"fake/{name}": 1 for name in NAMES}


def test_statistics_stand_for_real_pictures_where_they_can(folder: Path, reads: Counter[str]) -> None:
    kept = Statistics(torch.zeros(3), torch.eye(3))
    able, unable = Needing(Channels(), "real", "fake", takes_statistics=True), Needing(Channels("b"), "real")
    items = items_of(folder, able)
    extracted = extract([able], items, statistics=kept)
    assert set(reads) == {f"fake/{name}" for name in NAMES}
    seen = extracted.features_of(able, kept)
    assert seen.statistics is kept and seen.real is None and seen.fake is not None and len(seen.fake) == 8
    seen = extract([unable], items, statistics=kept).features_of(unable, kept)
    assert seen.statistics is None and seen.real is not None and len(seen.real) == 8


def test_workers_order_and_batches_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(workers: int = 0, turned: bool = False) -> Iterator[bytes]:
        _, _, metrics = three()
        items = items_of(folder, *metrics)[:: -1 if turned else 1]
        extracted = extract(metrics, items, workers=workers)
        for metric in metrics:
            seen = extracted.features_of(metric)
            yield from (part.numpy().tobytes() for part in (seen.real, seen.fake, seen.pair) if part is not None)

    expected = list(rows())
    assert list(rows(workers=2)) == expected
    assert list(rows(turned=True)) == expected
    monkeypatch.setattr(extraction, "BATCH", 1)
    assert list(rows()) == expected


def test_the_order_is_that_of_names_however_pictures_are_paired(tmp_path: Path) -> None:
    for i, name in enumerate(["a", "a-", "b"]):
        save(tmp_path / "real" / f"{name}.png", i)
    for i, name in enumerate(["a_1", "a-", "b_1", "b_2"]):
        save(tmp_path / "fake" / f"{name}.png", 10 + i)
    alone, together = Needing(Channels(), "real", "fake"), [Needing(Channels(), "real", "fake"), pairs()]
    seen = []
    for metrics in ([alone], together):
        items = items_of(tmp_path, *metrics)
        seen.append(extract(metrics, items).features_of(metrics[0]))
    assert torch.equal(seen[0].fake, seen[1].fake) and torch.equal(seen[0].real, seen[1].real)


def test_classes_are_in_the_order_of_the_rows(tmp_path: Path) -> None:
    # One picture in two classes: what they are of is told by the file, not by its content.
    for name, seed in (("dog/a", 1), ("cat/b", 1), ("cat/c", 2)):
        save(tmp_path / f"{name}.png", seed)
    metric = Needing(Channels(), "fake", "labels")
    items = make_items(None, read_set(tmp_path), [metric])[0][::-1]
    seen = extract([metric], items).features_of(metric)
    assert seen.labels == ["cat", "cat", "dog"] and seen.fake is not None
    assert torch.equal(seen.fake[0], seen.fake[2]) and not torch.equal(seen.fake[0], seen.fake[1])
    save(tmp_path / "none.png", 3)
    items = make_items(None, read_set(tmp_path), [metric])[0]
    with pytest.raises(DataError, match=r"none\.png has no class: put outputs into folders"):
        extract([metric], items).features_of(metric)


def test_draws_are_seen_together(tmp_path: Path) -> None:
    for i, name in enumerate(["a_1", "a_2", "a_3", "b"]):
        save(tmp_path / f"{name}.png", i)
    metric = Needing(Difference(), "draws")
    items = make_items(None, read_set(tmp_path), [metric])[0]
    first, *others = (array(i).astype(float) for i in range(3))
    expected = np.mean([np.abs(first - other).mean() for other in others])
    seen = extract([metric], items).features_of(metric)
    assert seen.draws is not None
    np.testing.assert_allclose(seen.draws.numpy(), [[expected]], rtol=1e-12)


def test_kept_rows_are_not_computed_again(folder: Path, reads: Counter[str]) -> None:
    store = FeatureCache(folder / "cache")
    _, _, metrics = three()
    items = items_of(folder, *metrics)
    first = extract(metrics, items, store=store)
    reads.clear()
    one, other, metrics = three()
    again = extract(metrics, items_of(folder, *metrics), store=store)
    assert reads == {} and (one.seen, other.seen, again.looked_at) == (0, 0, 0)
    assert all(torch.equal(again.rows[key], row) for key, row in first.rows.items()) and len(again.rows) == 40

    save(folder / "fake" / "p3.png", 999)
    one, other, metrics = three()
    changed = extract(metrics, items_of(folder, *metrics), store=store)
    # The pair is seen anew, and so its real picture is read; the networks see the changed one only.
    assert reads == {"fake/p3": 1, "real/p3": 1} and (one.seen, other.seen) == (1, 1)
    assert changed.looked_at == 2


def test_rows_of_a_view_are_not_taken_for_anothers(folder: Path) -> None:
    store = FeatureCache(folder / "cache")
    items = items_of(folder, Needing(Channels(), "fake"))
    extract([Needing(Channels("one"), "fake")], items, store=store)
    other = Channels("other")
    extract([Needing(other, "fake")], items, store=store)
    assert other.seen == 8


def test_the_same_contents_under_other_names_are_known(folder: Path) -> None:
    store = FeatureCache(folder / "cache")
    extract([Needing(Channels(), "fake")], items_of(folder, Needing(Channels(), "fake")), store=store)
    (folder / "fake").rename(folder / "moved")
    extractor = Channels()
    items = make_items(None, read_set(folder / "moved"), [Needing(extractor, "fake")])[0]
    extract([Needing(extractor, "fake")], items, store=store)
    assert extractor.seen == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_cannot_be_decoded(folder: Path, workers: int) -> None:
    save_undecodable(folder / "fake" / "p2.png")
    extractor = Channels()
    metrics: list[PictureMetric] = [Needing(extractor, "real", "fake"), pairs()]
    items = items_of(folder, *metrics)
    with pytest.raises(DataError) as caught:
        extract(metrics, items, workers=workers)
    words = str(caught.value)
    assert words.startswith("1 pictures cannot be used") and str(folder / "fake" / "p2.png") in words
    assert "--on-error skip" in words and "\n" not in words

    extracted = extract(metrics, items, on_error="skip")
    seen, differences = extracted.features_of(metrics[0]), extracted.features_of(metrics[1])
    assert [len(rows) for rows in (seen.real, seen.fake, differences.pair) if rows is not None] == [8, 7, 7]
    assert len(set(extracted.failed.values())) == 1
    assert "p2" not in [task.pictures[0].name for task in extracted.tasks(metrics[0], "fake")]


def test_what_fails_in_one_role_is_seen_in_the_others(folder: Path) -> None:
    save(folder / "fake" / "p0.png", 0, (30, 30))
    metrics: list[PictureMetric] = [Needing(Channels(), "real", "fake"), pairs()]
    items = items_of(folder, *metrics)
    extracted = extract(metrics, items, on_error="skip")
    seen, differences = extracted.features_of(metrics[0]), extracted.features_of(metrics[1])
    assert [len(rows) for rows in (seen.real, seen.fake, differences.pair) if rows is not None] == [8, 8, 7]
    (reason,) = extracted.failed.values()
    assert reason == f"{folder / 'real/p0.png'} and {folder / 'fake/p0.png'}: sizes differ"
    with pytest.raises(DataError, match=r"1 pictures cannot be used: .*sizes differ"):
        extract(metrics, items)


def test_a_set_of_which_nothing_is_left_has_no_rows(folder: Path) -> None:
    for name in NAMES:
        save_undecodable(folder / "fake" / f"{name}.png")
    metric = Needing(Channels(), "fake")
    items = items_of(folder, metric)
    seen = extract([metric], items, on_error="skip").features_of(metric)
    assert seen.fake is not None and seen.fake.shape == (0, 3)


def test_a_stopped_call_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "BATCH", 2)
    store = FeatureCache(folder / "cache")
    metric = Needing(Channels(), "fake")
    for name in NAMES:
        save(folder / "fake" / f"{name}.png", ord(name[1]))  # of one size, so that two make a batch
    items = make_items(None, read_set(folder / "fake"), [metric])[0]

    def stop(done: int, total: int) -> None:
        assert total == 8
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract([metric], items, store=store, progress=stop)
    store.close()
    steps: list[tuple[int, int]] = []
    extractor = Channels()
    rest = extract(
        [Needing(extractor, "fake")],
        items,
        store=FeatureCache(folder / "cache"),
        progress=lambda done, total: steps.append((done, total)),
    )
    # Two batches of two were kept; the fifth picture was waiting for its neighbour.
    assert extractor.seen == rest.looked_at == 4 and steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(rest.rows) == 8
