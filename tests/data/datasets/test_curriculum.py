"""Edge maps of photos beside real sketches, in shares that move over a run."""

import shutil

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sketchkit.data.base import collate_pictures
from sketchkit.data.datasets.curriculum import SketchyCurriculum
from sketchkit.data.datasets.edge_maps import EdgeMapDataset
from sketchkit.data.image_io import read_image, write_image
from sketchkit.errors import ConfigError, DataError

RESIZE = [dict(type="Resize", size=[16, 16]), dict(type="RandomHorizontalFlip")]


@pytest.fixture(scope="module")
def photos(sample_root, tmp_path_factory):
    """The sample's photos as a folder of their own, with one class more, and names that tell them apart."""
    root = tmp_path_factory.mktemp("photos")
    for folder in {file.parent for file in (sample_root / "photo").rglob("*.jpg")}:
        (root / folder.name).mkdir()
        for file in sorted(folder.glob("*.jpg"))[:2]:
            shutil.copy(file, root / folder.name / f"photo_{file.name}")
    (root / "zebra").mkdir()
    shutil.copy(next(root.rglob("*.jpg")), root / "zebra" / "other.jpg")
    return root


@pytest.fixture
def made(sample_root, photos):
    """`made(**options)`: a curriculum of a thousand draws."""

    def make(**options):
        with pytest.warns(UserWarning, match="1 photos in 1 folders of .* are of no class .* left out: zebra"):
            data = SketchyCurriculum(photos, data_root=sample_root, **{"pipeline": RESIZE, "photo_size": 48, **options})
        data.total_draws = 1000
        return data

    return make


def is_photo(sample):
    return "photo_" in sample["key"]


def the_originals(iteration, iterations):
    """train_single.py of wchen342/SketchyGAN, at 1828860."""
    return 0.2 + min(0.6, iteration / iterations * 0.6)


def test_the_share_is_the_published_codes(made):
    data = made()
    for draw in (0, 1, 250, 500, 999, 1000, 4000):
        assert data.share_at(draw) == pytest.approx(the_originals(draw, 1000))


def test_so_many_draws_are_real_sketches(made, monkeypatch):
    """Over four thousand draws, by tenths of the run; the standard deviation of a tenth is 0.025 at most."""
    data = made()
    data.total_draws = 4000
    monkeypatch.setattr(SketchyCurriculum, "_draw", lambda self, photos, is_sketch, places, draw: {"is": is_sketch})
    samples = [data[0, draw] for draw in range(4000)]
    for tenth in range(10):
        part = samples[400 * tenth : 400 * (tenth + 1)]
        expected = np.mean([the_originals(draw, 4000) for draw in range(400 * tenth, 400 * (tenth + 1))])
        assert np.mean([sample["is"] for sample in part]) == pytest.approx(expected, abs=0.08)
    assert np.mean([sample["real"]["is"] for sample in samples]) == pytest.approx(0.1, abs=0.02)


def test_samples_are_whole_and_the_discriminators_are_others(made):
    data = made()
    samples = [data[draw % len(data), draw] for draw in range(60)]
    labels = {name: label for label, name in enumerate(data.classes)}
    for sample in samples:
        for one in (sample, sample["real"]):
            assert one["source"].shape == one["target"].shape == (3, 16, 16)
            assert one["label"] == labels[one["key"].split("/")[0]]
    assert {is_photo(sample) for sample in samples} == {True, False}
    assert sum(sample["key"] == sample["real"]["key"] for sample in samples) < 10
    assert len({sample["real"]["key"] for sample in samples}) > 10


def test_a_draw_depends_on_its_number_alone(made):
    order = [(draw % 40, draw) for draw in range(100, 108)]
    first = [made()[one] for one in order]
    loader = DataLoader(made(), batch_size=4, sampler=order, num_workers=2, collate_fn=collate_pictures)
    for number, batch in enumerate(loader):
        for key in ("source", "target", "label"):
            expected = [torch.stack([sample[key] for sample in first[4 * number : 4 * number + 4]])]
            expected += [torch.stack([sample["real"][key] for sample in first[4 * number : 4 * number + 4]])]
            assert torch.equal(batch[key], expected[0]) and torch.equal(batch["real"][key], expected[1])
    assert not torch.equal(first[0]["target"], made(seed=1)[order[0]]["target"])


def test_by_its_index_alone_and_without_photos_a_sample_is_the_sketch(made, sample_root):
    data, plain = made(), SketchyCurriculum(None, data_root=sample_root, pipeline=RESIZE)
    for sample in (data[3], plain[3], plain[3, 0]):
        assert "real" not in sample and sample["key"] == plain.pairs[3].key
    assert len(data) == len(plain)


def test_the_discriminators_may_see_the_generators_pictures(made):
    assert "real" not in made(discriminator_share=None)[0, 0]


def test_files_and_faults_are_those_of_both_folders(made, photos):
    data = made()
    assert {file for file in data.files() if "photo_" in file.name} == set(photos.rglob("photo_*.jpg"))
    assert data.record()["photos"] == len(data.photos) == len(data.classes) * 2
    data.photos._bad[0] = True
    assert data.unreadable() == [data.photos.files()[0]]
    assert data.fingerprint() != SketchyCurriculum(None, data_root=data.root).fingerprint()


def test_edge_maps_are_thin_lines_where_the_photo_has_edges_and_are_kept(tmp_path):
    photo = np.full((300, 200, 3), 220, np.uint8)
    photo[60:240, 50:150] = 40
    (tmp_path / "box").mkdir()
    write_image(tmp_path / "box/one.png", photo)
    data = EdgeMapDataset(tmp_path)
    sample = data[0]
    ink = sample["source"][0].numpy() == 0
    assert sample["target"].shape == (3, 256, 256) and sample["label"] == 0 and sample["key"] == "box/one"
    rows, columns = np.nonzero(ink)
    box = {"top": 60 * 256 / 300, "bottom": 240 * 256 / 300, "left": 64, "right": 192}
    near = [np.abs(rows - box["top"]), np.abs(rows - box["bottom"]), np.abs(columns - box["left"]),
            np.abs(columns - box["right"])]  # fmt: skip
    assert ink.sum() > 500 and np.min(near, 0).max() <= 3
    assert torch.equal(data[0]["source"], sample["source"])
    assert torch.equal(data[0, 7]["source"], sample["source"])


def test_a_dark_photo_has_edges_and_stays_dark(tmp_path):
    photo = np.zeros((256, 256, 3), np.uint8)
    photo[80:180, 80:180] = 15
    (tmp_path / "night").mkdir()
    write_image(tmp_path / "night/one.png", photo)
    sample = EdgeMapDataset(tmp_path)[0]
    assert (sample["source"][0] == 0).sum() > 200
    assert torch.equal(sample["target"], torch.from_numpy(photo).permute(2, 0, 1))


def test_photos_keep_their_size_and_may_be_drawn_otherwise(photos):
    options = dict(photo_size=None, lines=[dict(type="ExtractLines", method="sobel", sigma=(0.5, 2.0))])
    sample, again = (EdgeMapDataset(photos, **options)[0] for _ in range(2))
    file = min(photos.rglob("*.jpg"))
    assert sample["target"].shape[1:] == read_image(file).shape[:2]
    assert sample["source"].unique().numel() > 10
    assert torch.equal(sample["source"], again["source"])


@pytest.mark.parametrize(
    ("lines", "error", "line"),
    [
        ([], ConfigError, "lines draws no source of a photo: begin it with"),
        ([dict(type="ThinLines")], ConfigError, "ThinLines: a sample has no 'source'"),
        ([dict(type="RandomCrop", size=[99, 99])], DataError, "does not go through the pipeline"),
    ],
)
def test_lines_that_draw_nothing_are_a_line(photos, lines, error, line):
    with pytest.raises(error, match=line) as caught:
        EdgeMapDataset(photos, photo_size=48, lines=lines)[0]
    assert "\n" not in str(caught.value)


def test_damaged_photos_are_replaced_by_their_neighbours(tmp_path, photos):
    shutil.copytree(photos, tmp_path / "photos")
    first, second = sorted((tmp_path / "photos").rglob("*.jpg"))[:2]
    first.write_bytes(first.read_bytes()[:200])
    data = EdgeMapDataset(tmp_path / "photos", photo_size=48)
    with pytest.warns(UserWarning, match="the next sample takes its place"):
        assert data[0]["key"] == f"{second.parent.name}/{second.stem}"
    assert data.unreadable() == [first]


def test_classes_without_photos_are_said(photos):
    with pytest.warns(UserWarning, match=r"left out: ") as said:
        EdgeMapDataset(photos, categories=["apple", "quince", "banana", "lime"])
    assert any("has no photos of 2 of the 4 classes, of which there will be" in str(one.message) for one in said)
    assert any(str(one.message).endswith("edge maps: quince, lime") for one in said)


def test_photos_without_classes_are_a_line(sample_root, photos, tmp_path):
    shutil.copy(next(photos.rglob("*.jpg")), tmp_path / "flat.jpg")
    with pytest.raises(DataError, match=r"flat.jpg lies in no folder of a class, .*: sort the photos"):
        SketchyCurriculum(tmp_path, data_root=sample_root)
    (tmp_path / "flat.jpg").unlink()
    with pytest.raises(DataError, match="no picture in"):
        SketchyCurriculum(tmp_path, data_root=sample_root)
    with pytest.raises(DataError, match="no folder at"):
        SketchyCurriculum(tmp_path / "nowhere", data_root=sample_root)
    (tmp_path / "appel").mkdir()
    shutil.copy(next(photos.rglob("*.jpg")), tmp_path / "appel")
    with pytest.raises(DataError, match=r"no folder of .* is called as a class: appel: did you mean 'apple'\?"):
        SketchyCurriculum(tmp_path, data_root=sample_root)
    with pytest.raises(ConfigError, match="photo_root='' is empty"):
        SketchyCurriculum("", data_root=sample_root)
