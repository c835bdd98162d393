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


def colored(size=(512, 512), seed=0):
    """Darkish random colours, smooth, (3, H, W) uint8."""
    noise = np.random.default_rng(seed).integers(0, 200, (3, *size), dtype=np.uint8)
    return tv_tensors.Image(torch.from_numpy(uniform_filter(noise, (0, 5, 5))))


def draw(target, seed=0, **options):
    torch.manual_seed(seed)
    return ColorHints(**{"probability": 1.0, **options})({"target": target})["hint"]


def test_the_hint_is_rgba_with_colour_only_where_it_speaks():
    hint = draw(colored((96, 128)))
    assert isinstance(hint, tv_tensors.Image) and hint.shape == (4, 96, 128) and hint.dtype == torch.uint8
    assert set(hint[3].unique().tolist()) == {0, 255}
    assert (hint[:3, hint[3] == 0] == 0).all()


def test_a_block_has_the_mean_of_the_blurred_target_at_its_place():
    target, checked = colored(), 0
    blurred = np.stack([uniform_filter(plane.astype(float), 9, mode="mirror") for plane in target.numpy()])
    for seed in range(12):
        hint = draw(target, seed, max_blocks=3, strokes=0).numpy()
        blocks, count = label(hint[3])
        for number in range(1, count + 1):
            rows, columns = np.nonzero(blocks == number)
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            if len(rows) != height * width or height != width:
                continue  # two that touch
            assert 5 <= height <= 10
            expected = blurred[:, rows, columns].mean(1)
            assert np.abs(hint[:3, rows, columns] - expected[:, None]).max() <= 1.0
            checked += 1
    assert checked >= 10


def test_the_number_of_blocks_is_uniform_from_none_to_the_most():
    target = colored()
    counts = [label(draw(target, seed, max_blocks=4, strokes=0)[3].numpy())[1] for seed in range(200)]
    found = np.bincount(counts, minlength=5)
    # 40 of each expected, standard deviation 5.7; two blocks may touch.
    assert len(found) == 5 and found.min() > 20 and found.max() < 62


def test_block_sides_are_drawn_between_the_limits():
    sides, target = set(), colored()
    for seed in range(40):
        area = int((draw(target, seed, max_blocks=1, strokes=0)[3] > 0).sum())
        sides.add(round(area**0.5))
        assert round(area**0.5) ** 2 == area
    assert {5, 10} <= sides | {0} and sides <= {0, *range(5, 11)} and len(sides) >= 5


@pytest.mark.parametrize(("size", "sides"), [((1024, 1500), range(10, 21)), ((128, 200), (1, 2, 3)), ((32, 32), (1,))])
def test_blocks_scale_with_the_short_side(size, sides):
    target = colored(size)
    areas = {int((draw(target, seed, max_blocks=1, strokes=0)[3] > 0).sum()) for seed in range(8)} - {0}
    assert areas and areas <= {side**2 for side in sides}


def test_nothing_is_hinted_on_white():
    target = torch.full((3, 256, 256), 255, dtype=torch.uint8)
    assert (draw(tv_tensors.Image(target), max_blocks=50) == 0).all()
    target[:, :, :128] = torch.tensor([40, 90, 160], dtype=torch.uint8)[:, None, None]
    hinted = torch.stack([draw(tv_tensors.Image(target), seed)[3] > 0 for seed in range(10)]).any(0)
    assert hinted[:, :120].any() and not hinted[:, 140:].any()
    everywhere = torch.stack([draw(tv_tensors.Image(target), seed, white=256)[3] > 0 for seed in range(10)]).any(0)
    assert everywhere[:, 140:].any()


def test_strokes_carry_the_colours_along_the_way():
    """Left half one flat colour, right half another: every stroke pixel has one of the two, on its own side."""
    target = torch.empty(3, 512, 512, dtype=torch.uint8)
    left, right = torch.tensor([200, 30, 30]), torch.tensor([20, 120, 60])
    target[:, :, :256], target[:, :, 256:] = left[:, None, None], right[:, None, None]
    lengths, crossing = [], 0
    for seed in range(30):
        hint = draw(tv_tensors.Image(target), seed, max_blocks=0, strokes=4)
        drawn = hint[3] > 0
        for side, color in ((slice(0, 230), left), (slice(282, None), right)):
            part = hint[:3, :, side][:, drawn[:, side]]
            assert (part == color[:, None]).all()
        lengths.append(int(drawn.sum()))
        crossing += bool(drawn[:, :256].any() and drawn[:, 256:].any())
    assert lengths.count(0) >= 1 and max(lengths) > 500 and crossing >= 1


def test_same_seed_same_hint():
    target = colored((128, 128))
    assert torch.equal(draw(target, 5), draw(target, 5))
    assert not torch.equal(draw(target, 5), draw(target, 6))


def test_only_torchs_generator_is_drawn_from():
    target = colored((64, 64))
    np.random.seed(0)
    first = draw(target, 2)
    np.random.seed(1)
    assert torch.equal(first, draw(target, 2))
    state = torch.random.get_rng_state()
    draw(target, 2)
    assert np.random.get_state()[2] == 624, "numpy's generator has been used"
    assert torch.equal(torch.random.get_rng_state(), state)


def test_some_samples_have_no_hint_at_all():
    target = colored((32, 32))
    empty = [bool((draw(target, seed, max_blocks=50, probability=0.3) == 0).all()) for seed in range(100)]
    assert 55 <= sum(empty) <= 88  # 70 expected, and one in 50 of the others
    assert (draw(target, probability=0) == 0).all()


def test_it_comes_last_in_a_pipeline_and_registers_with_the_target():
    target = torch.zeros(3, 80, 80, dtype=torch.uint8)
    target[0, :, :40], target[2, :, 40:] = 250, 250
    sample = {"source": tv_tensors.Image(target), "target": tv_tensors.Image(target)}
    steps = [dict(type="RandomHorizontalFlip", p=1.0), dict(type="RandomCrop", size=(64, 72)), dict(type="ColorHints")]
    torch.manual_seed(1)
    out = build_pipeline(steps)(sample)
    hint, moved = out["hint"], out["target"]
    sure = (hint[3] > 0) & ((moved[0] > 0) ^ (moved[2] > 0))
    agree = ((hint[0] > hint[2]) == (moved[0] > moved[2]))[sure]
    assert hint.shape == (4, 64, 72) and sure.sum() > 10 and agree.float().mean() > 0.9


@pytest.mark.parametrize("size", [(1, 1), (3, 700)])
def test_the_smallest_pictures_are_no_error(size):
    assert draw(colored(size)).shape == (4, *size)


def test_a_gray_target_gives_gray_hints():
    target = tv_tensors.Image(torch.full((3, 64, 64), 90, dtype=torch.uint8))
    hint = draw(target, seed=1)
    assert (hint[:3, hint[3] > 0] == 90).all() and (hint[3] > 0).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(max_blocks=-1), "max_blocks=-1: give 0 or more"),
        (dict(block=(10, 5)), r"block=\(10, 5\)"),
        (dict(width=(0, 5)), r"width=\(0, 5\)"),
        (dict(blur=0), "blur=0: give 1 or more"),
        (dict(white=300), "white=300"),
        (dict(probability=1.5), "probability=1.5: give 0 to 1"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ColorHints(**options)


def test_a_sample_without_a_target_is_refused():
    with pytest.raises(ConfigError, match="a sample has no 'target'"):
        ColorHints()({"source": colored((8, 8))})


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
