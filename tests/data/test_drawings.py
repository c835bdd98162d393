"""A person's drawing, brought to the look of a training's; the training's own drawings stay as they are."""

import json
import math

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt
from skimage.morphology import skeletonize

from sketchkit.data.drawings import DrawingProfile, Frame, ground, measure_drawings, read_drawing
from sketchkit.data.drawings.strokes import redrawn, strokes_of
from sketchkit.data.sample import write_sketchy_sample
from tests.data.drawing_variants import FITTED, NAMES, variants

SAID = {
    "white on black": "inverted", "transparent": "transparent", "blue ink": "coloured", "thick pen": "thinned",
    "thin pen": "thickened", "pale pencil": "pale", "photo of paper": "paper", "in a corner": "fitted",
}  # fmt: skip


def open_rgb(file):
    return np.array(Image.open(file).convert("RGB"))


@pytest.fixture(scope="module")
def sketches(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawings") / "sketchy"
    write_sketchy_sample(root, photos_per_class=2, sketches_per_photo=3)
    return [open_rgb(file) for file in sorted(root.glob("sketch/*/*/*.png"))]


@pytest.fixture(scope="module")
def profile(sketches):
    return measure_drawings(sketches)


def lines_of(picture):
    return picture.min(2) < 128


def share_near(lines, others, pixels):
    return (distance_transform_edt(~others)[lines] <= pixels).mean()


def width_of(lines):
    return lines.sum() / skeletonize(lines).sum()


# -- drawings of the training --


def test_the_sample_sets_own_drawings_are_left_alone(sketches, profile):
    for fit in (False, True):
        touched = [r for s in sketches if (r := read_drawing(s, profile, fit=fit)).notes or (r.picture != s).any()]
        assert len(touched) <= (2 if fit else 0)


@pytest.mark.parametrize("name", ["lineart_openmoji", "sketchy"])
def test_real_drawings_of_the_training_are_left_alone(real_sketchy, name):
    folder = real_sketchy.parent / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    files = sorted(folder.glob("train/*.png" if name == "lineart_openmoji" else "sketch/*/*/*.png"))
    pictures = [open_rgb(file) for file in files[:: len(files) // 30]]
    pictures = [picture[:, -picture.shape[0] :] for picture in pictures]
    profile = measure_drawings(pictures[::2])
    assert profile and profile.is_gray and profile.is_clean and not profile.is_dark
    for picture in pictures:
        reading = read_drawing(picture, profile)
        assert reading.notes == () and np.array_equal(reading.picture, picture)


def test_a_training_of_white_lines_on_black_is_one(sketches, profile):
    dark = measure_drawings([255 - sketch for sketch in sketches[:20]])
    light = measure_drawings(sketches[:20])
    assert dark.is_dark and dark.to_dict() == {**light.to_dict(), "is_dark": True}
    reading = read_drawing(sketches[0], dark)
    assert len(reading.notes) == 1 and np.array_equal(reading.picture, 255 - sketches[0])
    assert not read_drawing(255 - sketches[0], dark).notes


def test_colors_and_papers_of_the_training_stay(sketches):
    blue = [variants(sketch, 0.02)["blue ink"] for sketch in sketches[:10]]
    paper = [variants(sketch, 0.02)["pale pencil"] for sketch in sketches[:10]]
    for pictures in (blue, paper):
        profile = measure_drawings(pictures)
        assert all(not read_drawing(picture, profile).notes for picture in pictures)
    assert not measure_drawings(blue).is_gray and not measure_drawings(paper).is_clean


# -- drawings of people --


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_comes_back_as_the_clean_drawing(sketches, profile, name):
    for number, clean in enumerate(sketches[::13]):
        variant = variants(clean, profile.pen, number)[name]
        reading = read_drawing(variant, profile, fit=name == FITTED)
        assert any(SAID[name] in note for note in reading.notes), reading.notes
        assert reading.picture.shape == clean.shape and (reading.frame is not None) == (name == FITTED)
        if name == FITTED:
            continue
        found, expected = lines_of(reading.picture), lines_of(clean)
        # A thick pen closes gaps, which are not found again.
        assert share_near(found, expected, 2) > 0.97 and share_near(expected, found, 2) > 0.94
        # Far from lines all is white, to the last level.
        assert (reading.picture[distance_transform_edt(~expected) > 8] == 255).all()


@pytest.mark.parametrize("name", ["white on black", "transparent"])
def test_what_can_be_undone_is_to_the_byte(sketches, profile, name):
    for clean in sketches[:5]:
        assert np.array_equal(read_drawing(variants(clean, profile.pen)[name], profile).picture, clean)


@pytest.mark.parametrize("name", ["blue ink", "pale pencil", "photo of paper"])
def test_what_was_levelled_is_black_on_white(sketches, profile, name):
    for clean in sketches[:5]:
        picture = read_drawing(variants(clean, profile.pen)[name], profile).picture
        assert np.ptp(picture, axis=2).max() == 0
        assert np.abs(picture.astype(float) - clean).mean() < 4


def test_light_lines_on_a_transparent_ground_are_seen(sketches, profile):
    clean = sketches[0]
    light = np.dstack([np.full_like(clean, 255), 255 - clean[..., 0]])
    reading = read_drawing(light, profile)
    assert len(reading.notes) == 2 and np.array_equal(reading.picture, clean)


@pytest.mark.parametrize("name", ["thick pen", "thin pen"])
def test_lines_become_as_thick_as_the_trainings(sketches, profile, name):
    before, after, wanted = [], [], [width_of(lines_of(sketch)) for sketch in sketches[::13]]
    for clean in sketches[::13]:
        variant = variants(clean, profile.pen)[name]
        before.append(width_of(lines_of(variant)))
        after.append(width_of(lines_of(read_drawing(variant, profile).picture)))
    away = [abs(math.log(np.mean(widths) / np.mean(wanted))) for widths in (before, after)]
    assert away[1] < 0.2 < 0.4 < away[0]


def test_a_filled_area_stays_filled(profile):
    sheet = Image.new("L", (256, 256), 255)
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((30, 30, 110, 110), fill=0)
    for y in range(130, 240, 30):
        pen.line((30, y, 220, y), fill=0, width=12)
    reading = read_drawing(np.dstack([sheet] * 3), profile)
    ink = lines_of(reading.picture)
    assert reading.notes == ("thick lines were thinned",)
    assert ink[34:107, 34:107].all() and ink[120:, 128].sum() < 4 * 8


def test_a_small_drawing_is_shown_where_the_trainings_are(sketches, profile):
    for clean in sketches[::13]:
        small = variants(clean, profile.pen)["in a corner"]
        reading = read_drawing(small, profile, fit=True)
        rows, columns = np.nonzero(lines_of(reading.picture))
        left, top, right, bottom = (128 * share for share in profile.box)
        assert abs(columns.min() + columns.max() + 1 - left - right) < 8
        assert abs(rows.min() + rows.max() + 1 - top - bottom) < 8
        assert max(np.ptp(columns) / (right - left), np.ptp(rows) / (bottom - top)) == pytest.approx(1, abs=0.1)
        assert read_drawing(small, profile).frame is None


def test_a_frame_cuts_what_belongs_to_the_drawing_alike():
    hint = np.zeros((40, 60, 4), np.uint8)
    hint[4:10, 50:56] = (255, 0, 0, 255)
    cut = Frame(45, -3, 30, 20).cut(hint, 0)
    assert cut.shape == hint.shape
    # Twice as large, with the frame's corner as the origin.
    assert (cut[16:24, 12:20] == (255, 0, 0, 255)).all() and not cut[:12].any() and not cut[:, 26:].any()
    whole = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
    assert np.array_equal(Frame(0, 0, 60, 40).cut(whole, 255), whole)


def test_a_sheet_in_the_dark_is_no_white_on_black(sketches, profile):
    dim = np.rint(sketches[0] * 0.35 + 10).astype(np.uint8)
    reading = read_drawing(dim, profile)
    assert not any("inverted" in note for note in reading.notes)
    assert np.abs(reading.picture.astype(float) - sketches[0]).mean() < 4


def test_specks_of_dirt_go(sketches, profile):
    paper = np.rint(sketches[0] * (200 / 255)).astype(np.uint8)
    paper[3:120:9, 3] = 120
    assert (read_drawing(paper, profile).picture[:, :6] == 255).all()


# -- the measures, against what Pillow draws --


def drawn_with(size, width):
    """Ink of lines in many directions, smooth: drawn four times as large."""
    whole = 4 * size
    sheet = Image.new("L", (whole, whole), 0)
    pen = ImageDraw.Draw(sheet)
    for share in (0.1, 0.25, 0.4):
        low, high = share * whole, (1 - share) * whole
        pen.ellipse((low, low, high, high), outline=255, width=round(4 * width))
    pen.line((0.5 * whole, 0.15 * whole, 0.6 * whole, 0.35 * whole), fill=255, width=round(4 * width))
    return np.array(sheet.reduce(4))


@pytest.mark.parametrize(("size", "width"), [(128, 1), (128, 2.5), (128, 6), (500, 1), (500, 9), (1100, 4), (1100, 25)])
def test_the_width_of_lines_is_that_of_the_pen(size, width):
    ink = drawn_with(size, width)
    strokes = strokes_of(ink)
    assert strokes.pen * size == pytest.approx(width, rel=0.12)
    for wanted in (0.01, 0.02, 0.03):
        expected = drawn_with(size, wanted * size)
        assert redrawn(strokes, wanted, ink).sum(dtype=float) == pytest.approx(expected.sum(dtype=float), rel=0.25)


def test_the_ground_of_a_photo_is_the_light_on_it(sketches, profile):
    y, x = np.mgrid[:1:128j, :1:128j]
    light = 230 * (1 - 0.3 * x) * (1 - 0.3 * y**2)
    drawn = (sketches[0] / 255 * 0.8 + 0.2) * light[..., None]
    found = ground.estimate(drawn.astype(np.uint8))[..., 0]
    assert np.quantile(np.abs(found / light - 1), 0.99) < 0.05


# -- what is no drawing --


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (64, 64), (20, 3000)])
def test_blank_sheets_and_noise_come_back(profile, shape):
    chance = np.random.default_rng(0)
    for fill in (0, 128, 255):
        blank = np.full((*shape, 3), fill, np.uint8)
        assert read_drawing(blank, profile, fit=True)[1:] == ((), None)
        assert np.array_equal(read_drawing(blank, profile, fit=True).picture, blank)
    for channels in (3, 4):
        noise = chance.integers(0, 256, (*shape, channels), dtype=np.uint8)
        assert read_drawing(noise, profile, fit=True).picture.shape == (*shape, 3)
    dot = np.full((*shape, 3), 255, np.uint8)
    dot[shape[0] // 2, shape[1] // 2] = 0
    assert read_drawing(dot, profile, fit=True).picture.shape == dot.shape


def test_photos_are_no_drawings(real_sketchy, profile):
    photos = [open_rgb(file) for file in sorted(real_sketchy.glob("photo/*/*/*.jpg"))[::10]]
    left = [np.array_equal(read_drawing(photo, profile).picture, photo) for photo in photos]
    assert np.mean(left) > 0.6
    assert measure_drawings(photos) is None


def test_nothing_is_said_of_sets_without_drawings():
    assert measure_drawings([]) is None
    assert measure_drawings([np.full((32, 32, 3), 255, np.uint8)] * 3) is None


# -- what is kept of a profile --


def test_a_profile_is_kept_as_json(profile):
    assert DrawingProfile.from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


@pytest.mark.parametrize(
    "change",
    [
        dict(pen=math.nan), dict(pen=math.inf), dict(pen=0), dict(pen=-1), dict(pen="1"), dict(pen=True),
        dict(pen=10**400), dict(pens=[0.5, 0.9]), dict(pens=[0.01]), dict(pens=0.01), dict(pens="ab"),
        dict(box=[0.5, 0, 0.5, 1]), dict(box=[0, 0, 1, 2]), dict(box=[0, 0, 1]), dict(box=[None] * 4),
        dict(sizes=[0.9, 0.1]), dict(is_dark=1), dict(is_gray=None), dict(strength=2), dict(offset=[0]), dict(more=1),
    ],
)  # fmt: skip
def test_what_is_no_profile_is_refused_in_a_line(profile, change):
    with pytest.raises(ValueError) as error:
        DrawingProfile.from_dict({**profile.to_dict(), **change})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [None, [], "profile", {}, {"pen": 1}])
def test_other_things_are_refused_in_a_line(value):
    with pytest.raises(ValueError, match="profile of drawings"):
        DrawingProfile.from_dict(value)
