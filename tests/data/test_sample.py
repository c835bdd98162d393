import hashlib
import json

import cv2
import numpy as np
import pytest

from sketchkit.data.datasets.sketchy import SketchyDataset
from sketchkit.data.image_io import read_image
from sketchkit.data.prepare.colorfulness import sort_out
from sketchkit.data.sample import write_sample, write_sketchy_sample
from sketchkit.data.sample.kinds import LAYOUTS
from sketchkit.errors import ConfigError, DataError

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


def counts(root):
    """Pictures a folder."""
    files = [path for path in root.rglob("*.*") if path.suffix in (".png", ".jpg")]
    folders = {path.parent for path in files}
    return {
        folder.relative_to(root).as_posix(): sum(path.parent == folder for path in files) for folder in sorted(folders)
    }


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Each of the other kinds: 2 photos a class, so 26 figures."""
    root = tmp_path_factory.mktemp("sets")
    for kind in LAYOUTS:
        assert write_sample(kind, root / kind, photos_per_class=2, size=48)
    return root


def test_a_sketchy_set_is_still_what_it_was_in_the_first_release(tmp_path):
    """Which sketches are flagged hangs on every random number drawn before: a change of the drawing changes this."""
    write_sketchy_sample(tmp_path / "a", photos_per_class=4, sketches_per_photo=3, size=16)
    info = hashlib.sha256()
    for path in sorted((tmp_path / "a" / "info").iterdir()):
        info.update(path.read_bytes())
    assert info.hexdigest() == "fe31472269f9e74d93b62b25b9e6525e3965b0e33a9058c19dd4f6f7f6871393"


@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_kind_is_the_same_for_the_same_seed(tmp_path, kind):
    small = dict(photos_per_class=1, size=16)
    said = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert write_sample(kind, tmp_path / name, seed=seed, **small, progress=lambda *done: said.append(done))
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    other = digest(tmp_path / "c")
    assert not [name for name, value in digest(tmp_path / "a").items() if other.get(name) == value]
    assert said[:13] == [(done, 13) for done in range(1, 14)]
    assert not write_sample(kind, tmp_path / "a", seed=1, **small)
    assert json.loads((tmp_path / "a" / "sample.json").read_text())["kind"] == kind


def test_a_set_of_one_kind_is_not_taken_for_another(tmp_path):
    small = dict(photos_per_class=1, size=16)
    write_sample("color", tmp_path / "a", **small)
    with pytest.raises(DataError, match="is not empty"):
        write_sample("pairs", tmp_path / "a", **small)
    with pytest.raises(DataError, match="is not empty"):
        write_sketchy_sample(tmp_path / "a", sketches_per_photo=1, **small)
    (tmp_path / "a" / "sample.json").write_bytes(b"\xff{")
    with pytest.raises(DataError, match="is not empty"):
        write_sample("color", tmp_path / "a", **small)
    with pytest.raises(ConfigError, match="kind='pears' is not a choice: did you mean 'pairs'"):
        write_sample("pears", tmp_path / "b", **small)
    with pytest.raises(DataError, match="at least one photo"):
        write_sample("pairs", tmp_path / "b", photos_per_class=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_kind_that_was_stopped_leaves_nothing_at_its_place(tmp_path, kind):
    def stop(done, of):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(kind, tmp_path / "a", photos_per_class=1, size=16, progress=stop)
    assert not (tmp_path / "a").exists()


def test_the_working_folder_itself_can_be_filled(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert write_sample("color", ".", photos_per_class=1, size=16)
    assert len(list((tmp_path / "here").glob("*.jpg"))) == 13


def test_pairs_lie_side_by_side_and_register(sets):
    """26 pictures, of which every fifth is val; along the ink of the right half the left one changes most."""
    assert counts(sets / "pairs") == {"train": 21, "val": 5}
    gains = []
    for path in sorted((sets / "pairs").rglob("*.png")):
        both = read_image(path)
        assert both.shape == (48, 96, 3)
        photo, sketch = both[:, :48].astype(float), both[:, 48:]
        assert (sketch == sketch[..., :1]).all() and (sketch > 250).mean() > 0.4
        assert np.ptp(photo, axis=2).mean() > 5
        edges, ink = np.hypot(*np.gradient(photo.mean(2))), sketch[..., 0] < 128
        gains.append(edges[ink].mean() - edges[np.roll(ink, (7, 5), (0, 1))].mean())
    assert np.mean(np.array(gains) > 0) > 0.85


def test_unpaired_sides_differ_in_number_and_share_no_figure(sets):
    """Of 26 figures 12 are sketched; every fifth of a side is kept for the test."""
    assert counts(sets / "unpaired") == {"testA": 2, "testB": 2, "trainA": 10, "trainB": 12}
    names = {side: {path.stem for path in (sets / "unpaired").glob(f"*{side}/*.*")} for side in "AB"}
    assert not names["A"] & names["B"] and len(names["A"] | names["B"]) == 26
    for path in (sets / "unpaired").glob("*A/*"):
        sketch = read_image(path)
        assert sketch.shape == (48, 48, 3) and (sketch > 250).mean() > 0.4
    for path in (sets / "unpaired").glob("*B/*"):
        assert np.ptp(read_image(path).astype(int), axis=2).mean() > 5
    # The figure of a name is that of the pairs, so that a name on one side alone means a figure on one side alone.
    for path in sorted((sets / "unpaired").glob("*A/*")):
        (pair,) = (sets / "pairs").glob(f"*/{path.stem}.png")
        ink, drawn = (cv2.blur(image, (5, 5)) < 230 for image in (read_image(path), read_image(pair)[:, 48:]))
        assert (ink & drawn).sum() > 0.6 * min(ink.sum(), drawn.sum())


def test_one_colour_picture_in_ten_has_no_colour(sets):
    assert counts(sets / "color") == {".": 26}
    kept, dropped, unreadable = sort_out(sorted((sets / "color").glob("*.jpg")))
    assert [path.name for path in dropped] == ["0010.jpg", "0020.jpg"]
    assert set(dropped.values()) == {0.0} and not unreadable
    assert min(kept.values()) > 8
    # The same pictures as the pairs' left halves, but for JPEG.
    first = read_image(sets / "color" / "0001.jpg").astype(int) - read_image(sets / "pairs/train/0001.png")[:, :48]
    assert np.abs(first).mean() < 8
