import pytest
import torch
from sketchkit_plugins.translators.image_pool import ImagePool

from sketchkit.errors import ConfigError


def images(*values):
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)


def test_a_pool_passes_everything_until_it_is_full():
    pool = ImagePool(3)
    assert pool(images(1, 2, 3)).flatten().tolist() == [1, 2, 3]
    assert [image.item() for image in pool.kept] == [1, 2, 3]


def test_half_of_the_pictures_are_swapped_for_older_ones():
    torch.manual_seed(0)
    pool = ImagePool(50)
    pool(images(*range(50)))
    seen, swapped = set(range(50)), 0
    for value in range(50, 2050):
        given = pool(images(value)).item()
        assert given in seen or given == value
        swapped += given != value
        # What is handed out for a new picture leaves the pool, and the new one takes its place.
        assert (given in {image.item() for image in pool.kept}) is False
        seen = {image.item() for image in pool.kept}
        assert len(pool.kept) == 50
    assert swapped == pytest.approx(1000, abs=90)  # four standard deviations


def test_no_pool_passes_on_and_never_holds_a_graph():
    image = torch.ones(2, 1, 1, 1, requires_grad=True)
    for size in (0, 1):
        assert not ImagePool(size)(image * 2).requires_grad
    with pytest.raises(ConfigError, match="pool_size=-1"):
        ImagePool(-1)


def test_a_restored_pool_goes_on_as_it_would_have():
    def run(pool, state):
        torch.set_rng_state(state)
        return [pool(images(value)).item() for value in range(100, 140)]

    pool, twin = ImagePool(5), ImagePool(5)
    pool(images(*range(8)))
    state = torch.get_rng_state()
    twin.load([image.clone() for image in pool.state()], torch.device("cpu"))
    assert run(pool, state) == run(twin, state)


def test_pictures_of_another_size_are_not_mixed():
    torch.manual_seed(0)
    pool = ImagePool(2)
    pool(torch.zeros(2, 1, 4, 4))
    for _ in range(20):
        assert pool(torch.ones(1, 1, 2, 2)).shape == (1, 1, 2, 2)
