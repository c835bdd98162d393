import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import label, uniform_filter
from torchvision import tv_tensors

from sketchkit.data.image_io import UnreadableImage
from sketchkit.data.transforms.build import build_pipeline
from sketchkit.data.transforms.hints import ColorHints, hint_from_picture, read_hint
from sketchkit.errors import ConfigError, DataError

FORMS = ("dot", "block", "stroke", "scribble")


def colored(size=(512, 512), seed=0):
    """Darkish random colours, smooth, without an area of one colour, (3, H, W) uint8."""
    noise = np.random.default_rng(seed).integers(0, 200, (3, *size), dtype=np.uint8)
    return tv_tensors.Image(torch.from_numpy(uniform_filter(noise, (0, 5, 5))))


def panes(side=64):
    """Four areas of one colour each, between black lines of two pixels."""
    picture = np.zeros((3, side, side), np.uint8)
    half = side // 2
    for number, color in enumerate(PANES):
        rows, columns = (slice(half * part + 1, half * part + half - 1) for part in divmod(number, 2))
        picture[:, rows, columns] = np.array(color)[:, None, None]
    return tv_tensors.Image(torch.from_numpy(picture))


PANES = [(200, 30, 30), (20, 120, 60), (240, 240, 250), (60, 60, 200)]


def drawn(target, seed=0, **options):
    torch.manual_seed(seed)
    return ColorHints(**{"probability": 1.0, **options})({"target": target})


def hint_of(target, seed=0, **options):
    return drawn(target, seed, **options)["hint"]


@pytest.mark.parametrize("options", [{}, {"repaint": 0.0}, {"marks": 1, "size": (0.01, 0.01)}])
def test_the_hint_is_rgba_with_colour_only_where_it_speaks(options):
    out = drawn(colored((96, 128)), **options)
    hint = out["hint"]
    assert isinstance(hint, tv_tensors.Image) and hint.shape == (4, 96, 128) and hint.dtype == torch.uint8
    assert hint.any() and (hint[:3, hint[3] == 0] == 0).all()
    assert isinstance(out["target"], tv_tensors.Image) and out["target"].dtype == torch.uint8


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize("form", FORMS)
def test_marks_are_of_all_sizes_from_the_least_to_the_largest(form, side):
    """Each third of the logarithm of the sizes comes about as often, measured by the box around a single mark."""
    found = []
    for seed in range(90):
        alpha = hint_of(plain(side), seed, forms=[form], marks=1)[3] > 0
        rows, columns = alpha.any(1).nonzero(), alpha.any(0).nonzero()
        is_cut = any(int(ends[0]) == 0 or int(ends[-1]) == side - 1 for ends in (rows, columns))
        if not is_cut:
            found.append(max(len(rows), len(columns)) / side)
    # A box is up to two pixels larger than what is in it.
    low, high = 0.01, 0.3 + 2 / side
    assert min(found) <= low + 2.5 / side and 0.25 < max(found) <= high
    thirds = np.histogram(found, [0, 0.031 + 1 / side, 0.097 + 1 / side, 1])[0] / len(found)
    assert thirds.min() > 0.15


def plain(side):
    return tv_tensors.Image(torch.full((3, side, side), 90, dtype=torch.uint8))


def test_what_is_thinner_than_a_pixel_is_there_faintly():
    alphas = torch.cat([hint_of(plain(64), seed, marks=1, size=(0.01, 0.02))[3].flatten() for seed in range(40)])
    assert alphas.any() and alphas.float().mean() < 1 and ((alphas > 20) & (alphas < 235)).sum() > 40


@pytest.mark.parametrize("side", [64, 256])
def test_few_marks_are_as_likely_as_many(side):
    """The logarithm of the number is uniform: of up to 15 marks, half of the draws have three or fewer."""
    counts = [
        label(hint_of(plain(side), seed, marks=15, size=(0.01, 0.011), forms=["block"])[3].numpy(), np.ones((3, 3)))[1]
        for seed in range(120)
    ]
    assert min(counts) == 1 and max(counts) >= 11 and 0.35 < np.mean(np.array(counts) <= 3) < 0.65


def test_a_mark_has_the_mean_of_the_blurred_target_under_it():
    target, checked = colored(), 0
    blurred = np.stack([uniform_filter(plane.astype(float), 9, mode="mirror") for plane in target.numpy()])
    for seed in range(12):
        hint = hint_of(target, seed, marks=3, size=(0.02, 0.04), blur=9 / 512).numpy()
        marks, count = label(hint[3], np.ones((3, 3)))
        for number in range(1, count + 1):
            rows, columns = np.nonzero(marks == number)
            if len(np.unique(hint[:3, rows, columns], axis=1).T) > 1:
                continue  # two that touch
            expected = np.average(blurred[:, rows, columns], 1, hint[3, rows, columns])
            assert np.abs(hint[:3, rows, columns] - expected[:, None]).max() <= 1.5
            checked += 1
    assert checked >= 10


def test_the_target_has_the_hints_colour_under_it_everywhere_but_on_lines():
    agreed = seen = 0
    for seed in range(60):
        out = drawn(panes(), seed, size=(0.05, 0.2))
        hint, target = out["hint"].int(), out["target"].int()
        sure = (hint[3] == 255) & (panes().sum(0) > 0)
        agreed += int(((hint[:3] - target).abs().amax(0) <= 2)[sure].sum())
        seen += int(sure.sum())
    # Where a mark barely reaches a neighbouring area, that stays as it is.
    assert seen > 5000 and agreed / seen > 0.93


def test_areas_without_a_mark_and_lines_stay_as_they_are():
    untouched = repainted = 0
    for seed in range(60):
        out, before = drawn(panes(), seed, marks=2, repaint=1.0, size=(0.02, 0.1)), panes()
        assert (out["target"][:, before.sum(0) == 0] == 0).all()
        for number in range(4):
            rows, columns = (slice(32 * part + 1, 32 * part + 31) for part in divmod(number, 2))
            after = out["target"][:, rows, columns]
            assert (after == after[:, :1, :1]).all(), "an area keeps one colour"
            is_same = torch.equal(after, before[:, rows, columns])
            is_hinted = bool(out["hint"][3, rows, columns].any())
            untouched += is_same and not is_hinted
            repainted += not is_same
            assert is_same or is_hinted
    assert untouched > 60 and repainted > 40


def test_colours_of_their_own_are_any():
    colors = [drawn(plain(32), seed, marks=1, repaint=1.0)["target"][:, 16, 16] for seed in range(200)]
    colors = torch.stack(colors).float()
    saturation = 1 - colors.amin(1) / colors.amax(1).clamp(min=1)
    assert (saturation > 0.7).float().mean() > 0.25
    assert (colors.amin(1) > 150).any() and (colors.amax(1) < 100).any()
    shares = np.histogram(colors, [0, 63.75, 191.25, 256])[0] / colors.numel()
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.06)


def test_shading_goes_along_and_the_soft_border_of_a_line_takes_the_new_colour():
    """A yellow area that darkens to the right; its line is soft, as after resizing: no yellow rim may stay."""
    shade = np.linspace(1, 0.9, 48)
    cover = np.ones((48, 48))
    cover[:, 22:26] = np.array([0.6, 0, 0, 0.6])
    picture = (np.array([250, 200, 40])[:, None, None] * shade * cover).round().astype(np.uint8)
    for seed in range(40):
        out = drawn(tv_tensors.Image(torch.from_numpy(picture)), seed, marks=1, repaint=1.0, size=(0.1, 0.1))
        after = out["target"].numpy().astype(float)
        if not np.array_equal(after[:, :, :20], picture[:, :, :20]):
            moved = after[:, 5, 5] - picture[:, 5, 5].astype(float)
            rim = after[:, 5, 22] - picture[:, 5, 22].astype(float)
            inner = [(after[c, 5] > 0).all() and (after[c, 5, :20] < 255).all() for c in range(3)]
            for channel in (c for c in range(3) if inner[c]):
                assert rim[channel] == pytest.approx(0.6 * moved[channel], abs=6)
            assert (after[:, :, 23:25] == 0).all()


def test_without_repainting_the_target_is_left_and_a_mark_stays_in_its_area():
    stayed = []
    for seed in range(40):
        out, before = drawn(panes(), seed, repaint=0.0, size=(0.3, 0.3), marks=1), panes()
        assert torch.equal(out["target"], before)
        hint = out["hint"].int()
        sure = (hint[3] > 0) & (before.sum(0) > 0)
        stayed.append(((hint[:3] - before.int()).abs().amax(0) <= 3)[sure].all())
    # A mark that lies on no area with half of itself has the mean of all.
    assert sum(stayed) >= 34


def test_what_is_white_can_be_left_out():
    target = torch.full((3, 256, 256), 255, dtype=torch.uint8)
    assert (hint_of(tv_tensors.Image(target), repaint=0.0, white=235) == 0).all()
    assert (hint_of(tv_tensors.Image(target), repaint=0.0) == 255).any()
    target[:, :, :128] = torch.tensor([40, 90, 160], dtype=torch.uint8)[:, None, None]
    hints = [hint_of(tv_tensors.Image(target), seed, repaint=0.0, white=235, size=(0.01, 0.02)) for seed in range(10)]
    hinted = torch.stack([hint[3] > 0 for hint in hints]).any(0)
    assert hinted[:, :120].any() and not hinted[:, 140:].any()


def test_same_seed_same_hint():
    target = panes()
    for name in ("hint", "target"):
        assert torch.equal(drawn(target, 5)[name], drawn(target, 5)[name])
        assert not torch.equal(drawn(target, 5)[name], drawn(target, 6)[name])
    assert torch.equal(target, panes()), "the sample that was given is left"


def test_only_torchs_generator_is_drawn_from():
    target = colored((64, 64))
    np.random.seed(0)
    first = hint_of(target, 2)
    np.random.seed(1)
    assert torch.equal(first, hint_of(target, 2))
    state = torch.random.get_rng_state()
    hint_of(target, 2)
    assert np.random.get_state()[2] == 624, "numpy's generator has been used"
    assert torch.equal(torch.random.get_rng_state(), state)


def test_some_samples_have_no_hint_at_all():
    target = colored((32, 32))
    empty = [bool((hint_of(target, seed, probability=0.3) == 0).all()) for seed in range(100)]
    assert 55 <= sum(empty) <= 85
    assert (hint_of(target, probability=0.0) == 0).all() and (hint_of(target, marks=0) == 0).all()


def test_it_comes_last_in_a_pipeline_and_registers_with_the_target():
    target = torch.zeros(3, 80, 80, dtype=torch.uint8)
    target[0, :, :40], target[2, :, 40:] = 250, 250
    sample = {"source": tv_tensors.Image(target), "target": tv_tensors.Image(target)}
    steps = [dict(type="RandomHorizontalFlip", p=1.0), dict(type="RandomCrop", size=(64, 72))]
    torch.manual_seed(1)
    out = build_pipeline([*steps, dict(type="ColorHints", repaint=0.0, probability=1.0)])(sample)
    hint, moved = out["hint"], out["target"]
    sure = (hint[3] > 0) & ((moved[0] > 0) ^ (moved[2] > 0))
    agree = ((hint[0] > hint[2]) == (moved[0] > moved[2]))[sure]
    assert hint.shape == (4, 64, 72) and sure.sum() > 10 and agree.float().mean() > 0.9


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 700), (700, 1)])
def test_the_smallest_pictures_are_no_error(size):
    for seed in range(20):
        assert hint_of(colored(size), seed).shape == (4, *size)


def test_a_gray_target_gives_gray_hints():
    hint = hint_of(plain(64), seed=1, repaint=0.0)
    assert (hint[:3, hint[3] > 0] == 90).all() and (hint[3] > 0).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(marks=-1), "marks=-1: give 0 or more"),
        (dict(size=(0.2, 0.1)), r"size=\(0.2, 0.1\)"),
        (dict(size=(0, 0.1)), r"size=\(0, 0.1\)"),
        (dict(size=(0.1, 3)), r"size=\(0.1, 3\)"),
        (dict(forms=[]), r"forms=\[\]: give one or more"),
        (dict(forms=["circle"]), "forms='circle'"),
        (dict(blur=-1), "blur=-1: give 0 to 1"),
        (dict(white=300), "white=300"),
        (dict(repaint=1.5), "repaint=1.5: give 0 to 1"),
        (dict(probability=1.5), "probability=1.5: give 0 to 1"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ColorHints(**options)


def test_a_sample_without_a_target_is_refused():
    with pytest.raises(ConfigError, match="a sample has no 'target'"):
        ColorHints()({"source": colored((8, 8))})
    with pytest.raises(ConfigError, match="needs a target of 3 channels, and it has 1"):
        ColorHints()({"target": colored((8, 8))[:1]})


RGBA = np.random.default_rng(1).integers(1, 255, (6, 9, 4), dtype=np.uint8)
RGBA[:2, :, 3] = 0


def save(path, image):
    image.save(path)
    return path


def test_strokes_become_a_hint(tmp_path):
    hint = read_hint(save(tmp_path / "a.png", Image.fromarray(RGBA)), (6, 9))
    assert hint.dtype == torch.uint8 and hint.shape == (4, 6, 9)
    assert (hint[:, :2] == 0).all()
    assert np.array_equal(hint[:, 2:].permute(1, 2, 0).numpy(), RGBA[2:]), "alpha in between is kept, colour straight"
    assert torch.equal(hint, hint_from_picture(RGBA))
    assert RGBA[0].any(), "the picture itself is left as it was"


def test_a_palette_with_a_transparent_entry_has_transparency(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode="P")
    image.putpalette([9, 9, 9, 200, 100, 50])
    image.save(tmp_path / "a.png", transparency=0)
    hint = read_hint(tmp_path / "a.png", (2, 2))
    assert hint[:, 0, 1].tolist() == [200, 100, 50, 255] and hint[:, 0, 0].tolist() == [0, 0, 0, 0]


def test_a_hint_of_another_size_names_both_sizes_and_the_file(tmp_path):
    path = save(tmp_path / "strokes.png", Image.fromarray(RGBA))
    with pytest.raises(DataError, match=r"strokes\.png is 9x6 and the sketch 512x256") as caught:
        read_hint(path, (256, 512))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_hint_without_transparency_is_refused(tmp_path, name):
    path = save(tmp_path / name, Image.fromarray(RGBA[..., :3]))
    with pytest.raises(DataError, match=r"a\.\w+ has no transparency: save"):
        read_hint(path, (6, 9))


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"hello")
    with pytest.raises(UnreadableImage, match=r"a\.png is not a whole image"):
        read_hint(tmp_path / "a.png", (6, 9))


@pytest.mark.parametrize("wrong", [RGBA[..., :3], RGBA[0], RGBA.astype(float)])
def test_an_array_that_is_no_rgba_is_refused(wrong):
    with pytest.raises(DataError, match="a hint is"):
        hint_from_picture(wrong)
