import numpy as np
import pytest
import torch

from sketchkit.data.image_io import write_image
from sketchkit.data.prepare.colorfulness import colorfulness, measure, sort_out
from sketchkit.errors import ConfigError

RNG = np.random.default_rng(0)


def literal(image, signed):
    """The seed's formula on one (H, W, 3) picture; signed, that of Hasler and Suesstrunk."""
    r, g, b = (image[..., channel].astype(np.float64) for channel in range(3))
    rg, yb = r - g, 0.5 * (r + g) - b
    if not signed:
        rg, yb = np.abs(rg), np.abs(yb)
    mu = np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    sigma = np.sqrt(rg.std() ** 2 + yb.std() ** 2)
    return 0.3 * mu + sigma


def batch(*pictures):
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def plain(color, size=8):
    return np.broadcast_to(np.array(color, np.uint8), (size, size, 3)).copy()


@pytest.mark.parametrize("signed", [False, True])
def test_it_is_the_formula(signed):
    pictures = [RNG.integers(0, high, (31, 17, 3), dtype=np.uint8) for high in (20, 120, 256)]
    expected = [literal(picture, signed) for picture in pictures]
    for images in (batch(*pictures), batch(*pictures).float()):
        found = colorfulness(images, "signed" if signed else "absolute")
        assert found.tolist() == pytest.approx(expected, rel=1e-5)
    assert literal(pictures[2], True) > 1.2 * literal(pictures[2], False)


def test_every_grey_is_zero():
    gray = RNG.integers(0, 256, (1, 16, 16, 1), dtype=np.uint8).repeat(3, -1)
    for opponent in ("absolute", "signed"):
        assert colorfulness(batch(*gray), opponent).item() == 0


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ((255, 0, 0), 0.3 * 285.0986),  # |rg| = 255, yb = 127.5: the root of 81281.25
        ((0, 255, 0), 0.3 * 285.0986),
        ((0, 0, 255), 76.5),  # rg = 0, |yb| = 255
        ((255, 255, 0), 76.5),
        ((255, 255, 255), 0.0),
    ],
)
def test_plain_colours_are_their_mean_alone(color, expected):
    for opponent in ("absolute", "signed"):
        assert colorfulness(batch(plain(color)), opponent).item() == pytest.approx(expected, abs=1e-3)


def test_opposite_colours_spread_only_when_signed():
    """Half red, half green: rg is 255 and -255, yb is 127.5 everywhere."""
    halves = np.concatenate([plain((255, 0, 0)), plain((0, 255, 0))], 1)
    assert colorfulness(batch(halves), "absolute").item() == pytest.approx(0.3 * 285.0986, abs=1e-3)
    assert colorfulness(batch(halves), "signed").item() == pytest.approx(0.3 * 127.5 + 255, abs=1e-3)


def test_an_unknown_form_is_one_line():
    with pytest.raises(ConfigError, match="opponent='sined' is not a choice: did you mean 'signed'"):
        colorfulness(batch(plain((1, 2, 3))), "sined")
    with pytest.raises(ConfigError, match="not a choice"):
        measure([], "sined")


@pytest.fixture
def folder(tmp_path):
    write_image(tmp_path / "red.png", plain((255, 0, 0)))
    write_image(tmp_path / "blue.png", plain((0, 0, 255), size=5))
    write_image(tmp_path / "grey.png", plain((90, 90, 90))[..., 0])
    (tmp_path / "cut.png").write_bytes((tmp_path / "red.png").read_bytes()[:40])
    return tmp_path


@pytest.mark.parametrize("workers", [1, 3])
def test_files_of_any_size_are_measured_in_order_and_bad_ones_kept_apart(folder, workers):
    files = [folder / name for name in ("red.png", "cut.png", "grey.png", "blue.png")]
    said = []
    values, unreadable = measure(files, "absolute", workers, lambda done, of: said.append((done, of)))
    assert list(values) == [files[0], files[2], files[3]]
    assert list(values.values()) == pytest.approx([0.3 * 285.0986, 0.0, 76.5], abs=1e-3)
    assert list(unreadable) == [files[1]] and "cut.png is not a whole image" in unreadable[files[1]]
    assert said == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_files_are_kept_from_the_minimum_on(folder):
    files = sorted(folder.iterdir())
    kept, dropped, unreadable = sort_out(files)
    assert {path.name for path in kept} == {"red.png", "blue.png"}
    assert {path.name: value for path, value in dropped.items()} == {"grey.png": 0}
    assert [path.name for path in unreadable] == ["cut.png"]
    assert {path.name for path in sort_out(files, minimum=80).kept} == {"red.png"}
    assert set(sort_out(files, minimum=0).kept) == {*kept, *dropped}


def test_a_call_that_is_stopped_does_not_read_on(folder, monkeypatch):
    read = []

    def stop(done, of):
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "sketchkit.data.prepare.colorfulness.read_image", lambda file: read.append(file) or plain((1, 2, 3))
    )
    with pytest.raises(KeyboardInterrupt):
        measure([folder / f"{number}.png" for number in range(5000)], workers=1, progress=stop)
    assert len(read) < 4000
