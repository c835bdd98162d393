from itertools import islice

import pytest

from sketchkit.data import samplers
from sketchkit.data.samplers import ResumableSampler

DATA = range(10)


def draws(count, **options):
    sampler = ResumableSampler(DATA, **{"seed": 3, **options})
    return list(islice(iter(sampler), count))


def test_every_epoch_is_a_new_permutation():
    order = draws(30)
    assert [draw for _, draw in order] == list(range(30))
    epochs = [[index for index, _ in order[start : start + 10]] for start in (0, 10, 20)]
    assert all(sorted(epoch) == list(DATA) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert draws(30) == order != draws(30, seed=4)


def test_without_shuffling_it_is_the_order_of_the_data():
    assert [index for index, _ in draws(12, shuffle=False)] == [*DATA, 0, 1]


@pytest.mark.parametrize("start", [0, 3, 10, 27])
def test_a_skip_goes_on_where_another_would_be(start):
    sampler = ResumableSampler(DATA, seed=3)
    sampler.skip(start)
    assert list(islice(iter(sampler), 15)) == draws(start + 15)[start:]


@pytest.mark.parametrize("world", [2, 3])
def test_the_ranks_together_walk_the_order_of_one(world, monkeypatch):
    shares = []
    for rank in range(world):
        monkeypatch.setattr(samplers, "get_dist_info", lambda rank=rank: (rank, world))
        sampler = ResumableSampler(DATA, seed=3)
        sampler.skip(2)
        shares.append(list(islice(iter(sampler), 6)))
    together = [pair for step in zip(*shares, strict=True) for pair in step]
    monkeypatch.setattr(samplers, "get_dist_info", lambda: (0, 1))
    assert together == draws(8 * world)[2 * world :]


def test_its_length_is_an_epoch():
    assert len(ResumableSampler(DATA, seed=0)) == 10
