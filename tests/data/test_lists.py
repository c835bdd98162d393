"""Lists of names, however they were written."""

import shutil
import unicodedata

import pytest

from sketchkit.data.datasets.color import ColorDataset
from sketchkit.data.datasets.sketchy import SketchyDataset
from sketchkit.data.lists import Names, read_lines
from sketchkit.data.names import names_of
from sketchkit.errors import DataError
from sketchkit.evaluation.images.image_set import read_set
from tests.data.test_listing import picture

WRITTEN = {
    "plain": str.encode,
    "bom": lambda text: text.encode("utf-8-sig"),
    "crlf": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "cr": lambda text: text.replace("\n", "\r").encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "backslashes": lambda text: text.replace("/", "\\").encode(),
    "no ending": lambda text: text.replace(".jpg", "").replace(".png", "").encode(),
    "another ending": lambda text: text.replace(".jpg", ".jpeg").replace(".png", ".bmp").encode(),
    "blanks": lambda text: text.replace("\n", " \n\n\t\n ").encode(),
    "dots": lambda text: "".join(f"./{line}\n" for line in text.splitlines()).encode(),
    "remarks": lambda text: ("# which are test\n" + text).encode(),
}


@pytest.fixture(scope="module")
def folder(sample_root, tmp_path_factory):
    """A sample set whose test set a test may write again."""
    return shutil.copytree(sample_root, tmp_path_factory.mktemp("lists") / "sketchy")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("way", WRITTEN)
def test_the_test_set_is_the_same_however_it_is_written(folder, sample_root, way):
    text = (sample_root / "info/testset.txt").read_text()
    (folder / "info/testset.txt").write_bytes(WRITTEN[way](text))
    dataset = SketchyDataset(folder, split="test", drop=())
    assert [pair.key for pair in dataset.pairs] == [
        pair.key for pair in SketchyDataset(sample_root, split="test", drop=()).pairs
    ]


def test_lines_that_name_nothing_are_counted_and_a_list_of_such_is_refused(folder, sample_root):
    file, text = folder / "info/testset.txt", (sample_root / "info/testset.txt").read_text()
    file.write_text(text + "".join(f"apple/none_{number}.jpg\n" for number in range(7)))
    with pytest.warns(UserWarning, match=r"7 of 20 lines of testset.txt name nothing in .*none_0.*none_4.*and 2 more"):
        SketchyDataset(folder, split="test", drop=())
    file.write_text("apple/none.jpg\npear/none.jpg\n")
    with pytest.raises(DataError, match=r"none of the 2 lines of .*testset.txt names anything in .*: test_ratio=0.2"):
        SketchyDataset(folder, drop=())
    file.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match=r"testset.txt \(it is no text\): save it as UTF-8"):
        SketchyDataset(folder, drop=())
    file.write_text("\n")
    with pytest.raises(DataError, match=r"testset.txt is empty"):
        SketchyDataset(folder, drop=())


def test_a_byte_order_mark_hides_no_real_test_photo(real_sketchy, tmp_path):
    for part in ("photo", "sketch"):
        (tmp_path / part).symlink_to(real_sketchy / part)
    shutil.copytree(real_sketchy / "info", tmp_path / "info")
    file = tmp_path / "info/testset.txt"
    # The first line names a photo that is there.
    file.write_text("\ufeff" + file.read_text(), encoding="utf-8")
    with pytest.warns(UserWarning, match="name nothing in"):
        assert len(SketchyDataset(tmp_path, split="test", drop=())) == 368


@pytest.fixture
def pictures(tmp_path):
    for number, name in enumerate(("a/one.png", "two.jpg", unicodedata.normalize("NFC", "café.png"), "#3.png")):
        picture(tmp_path / "data" / name, number)
    return tmp_path / "data"


LINES = ["a\\one.png", "two", unicodedata.normalize("NFD", "café.png"), "#3.png", "# a remark", "", "no.png"]


def test_lists_of_other_commands_are_read_alike(pictures, tmp_path):
    list_file = tmp_path / "data/kept.txt"
    list_file.write_text("\r\n".join(LINES), encoding="utf-16")
    with pytest.warns(UserWarning, match=r"1 lines of .*kept.txt name no picture of .*: no\.png"):
        assert len(ColorDataset(pictures, split=None, list_file=list_file)) == 4
    found = read_set(list_file, on_error="skip")
    assert len(found) == 4 and [file.name for file in found.unreadable] == ["no.png"]
    with pytest.raises(DataError, match=r"1 pictures cannot be used: .*no\.png"):
        read_set(list_file)


def test_what_is_written_exactly_comes_first_and_what_fits_several_means_none():
    names = Names({name: name for name in ("a.png", "a.jpg", " b.png", "b.png", "c.tar.png")})
    assert [names.find(line) for line in ("a.png", "a", "a.bmp", " b.png", "b.png ", "c.tar", "c")] == [
        "a.png", None, None, " b.png", "b.png", "c.tar.png", None,
    ]  # fmt: skip


def test_what_is_no_file_is_no_list(tmp_path):
    for path, why in ((tmp_path, "it is no file"), (tmp_path / "none.txt", "No such file")):
        with pytest.raises(DataError, match=why):
            read_lines(path)


def test_no_two_pictures_have_one_name(tmp_path):
    forms = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    files = [tmp_path / name for name in ("a.png", "a.bmp", "a.png.jpg", "b.png", "d/b.png", *forms)]
    assert list(names_of(files, tmp_path).values()) == ["a.png", "a.bmp", "a.png.jpg", "b", "d/b", *forms]
    assert names_of([tmp_path / forms[1]], tmp_path) == {tmp_path / forms[1]: "é"}
