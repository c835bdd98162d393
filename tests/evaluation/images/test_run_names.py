"""A run's pictures keep apart what is named alike, and find what is written in another form of Unicode."""

import unicodedata

from sketchkit.data.datasets.color import ColorDataset
from sketchkit.evaluation.images.run_images import RunImages
from sketchkit.inference import TrainedTranslator
from tests.data.test_listing import picture


def test_two_pictures_of_one_name_are_both_translated(runs, tmp_path):
    for number, name in enumerate(("testA/a.png", "testA/a.bmp", "testA/a.png.jpg", "testB/b.png")):
        picture(tmp_path / name, number)
    decomposed = unicodedata.normalize("NFD", "é.png")
    picture(tmp_path / "testA" / decomposed, 9)
    translator = TrainedTranslator(runs("cut"), "cpu")
    translator.config["val_dataloader"]["dataset"]["max_samples"] = None
    judge = RunImages(translator, split="test", data=tmp_path)
    made = judge.translate(workers=0)
    assert sorted(made.fake.pictures) == [f"testA/{name}" for name in ("a.bmp", "a.png", "a.png.jpg", "é")]
    assert len({picture.probe.digest for picture in made.fake.pictures.values()}) == 4


def test_keys_are_names_that_no_other_has(tmp_path):
    for number, name in enumerate(("a.png", "a.bmp", "b.png")):
        picture(tmp_path / name, number)
    dataset = ColorDataset(tmp_path, split=None)
    assert [dataset[index]["key"] for index in range(3)] == ["a.bmp", "a.png", "b"]
