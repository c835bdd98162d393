import hashlib

import numpy as np
import pytest

from sketchkit.data.images import read_image
from sketchkit.data.sample import write_sketchy_sample
from sketchkit.data.sketchy import SketchyDataset
from sketchkit.errors import DataError

TX = "tx_000000000000"


def digest(root):
    names = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in names}


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert write_sketchy_sample(tmp_path / name, seed=seed, photos_per_class=2, sketches_per_photo=1, size=32)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    same = {name for name, value in digest(tmp_path / "a").items() if digest(tmp_path / "c").get(name) == value}
    assert not {name for name in same if name.endswith((".png", ".jpg"))}


def test_the_layout_is_the_databases(sample_root):
    assert {path.name for path in sample_root.iterdir()} == {"photo", "sketch", "info", "sample.json"}
    names = {path.name for path in (sample_root / "info").iterdir()}
    assert names == {"testset.txt", *(f"invalid-{flag}.txt" for flag in ("error", "ambiguous", "pose", "context"))}
    found = SketchyDataset(sample_root, split="all", drop=()).describe()
    assert found["classes"] >= 10
    assert found["photos"] == 5 * found["classes"]
    assert found["sketches"] == 10 * found["classes"]
    assert found["test_sketches"] == 2 * found["classes"]
    assert found["without_photo"] == 0


def test_photos_of_one_class_differ_and_sketches_are_ink_on_paper(sample_root):
    for folder in (sample_root / "photo" / TX).iterdir():
        photos = [read_image(path).astype(float) for path in sorted(folder.iterdir())]
        pairs = [(a, b) for i, a in enumerate(photos) for b in photos[:i]]
        assert min(np.abs(a - b).mean() for a, b in pairs) > 8
        assert all(photo.std() > 10 for photo in photos)
    for path in (sample_root / "sketch" / TX).rglob("*.png"):
        sketch = read_image(path)
        assert 0.005 < (sketch < 128).mean() < 0.4, path
        assert (sketch > 250).mean() > 0.4, path


@pytest.mark.slow
def test_some_sketches_are_flagged_of_every_kind(tmp_path):
    write_sketchy_sample(tmp_path / "set", photos_per_class=24, sketches_per_photo=3, size=16)
    flagged = SketchyDataset(tmp_path / "set", split="all", drop=()).describe()["flagged"]
    assert all(count > 0 for count in flagged.values())
    assert sum(flagged.values()) < 0.2 * 24 * 3 * 13


def test_valid_sketches_register_with_their_photos(sample_root):
    """Along a sketch's ink the photo changes more than elsewhere; shifted, the sketch loses that."""
    dataset = SketchyDataset(sample_root, split="all", drop=("error", "ambiguous", "pose", "context"))
    gains = []
    for sample in (dataset[i] for i in range(0, len(dataset), 3)):
        photo = sample["target"].float().mean(0).numpy()
        edges = np.hypot(*np.gradient(photo))
        ink = sample["source"].float().mean(0).numpy() < 128
        shifted = np.roll(ink, (7, 5), (0, 1))
        gains.append(edges[ink].mean() - edges[shifted].mean())
    assert np.mean(np.array(gains) > 0) > 0.85


def test_a_second_call_leaves_the_set_and_other_folders_alone(tmp_path):
    small = dict(photos_per_class=1, sketches_per_photo=1, size=16)
    assert write_sketchy_sample(tmp_path / "a", **small)
    assert not write_sketchy_sample(tmp_path / "a", **small)
    with pytest.raises(DataError, match="is not empty: name a new folder"):
        write_sketchy_sample(tmp_path / "a", seed=5, **small)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="is not empty"):
        write_sketchy_sample(tmp_path / "mine", **small)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"
    with pytest.raises(DataError, match="is a file"):
        write_sketchy_sample(tmp_path / "mine" / "thesis.txt", **small)


def test_a_call_that_was_stopped_leaves_nothing_at_its_place(tmp_path):
    small = dict(photos_per_class=1, sketches_per_photo=1, size=16)

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sketchy_sample(tmp_path / "a", progress=stop, **small)
    assert not (tmp_path / "a").exists()
    assert write_sketchy_sample(tmp_path / "a", **small)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_counts_below_one_are_refused(tmp_path):
    with pytest.raises(DataError, match="at least one photo"):
        write_sketchy_sample(tmp_path / "a", photos_per_class=0)
