"""The samples that grids and sweeps show."""

import torch

from sketchkit.engine.showcase import Showcase


class Echo:
    """Shows the source as it is and as its output; counts its calls."""

    def __init__(self):
        self.calls = 0

    def val_step(self, batch):
        self.calls += 1
        return [dict(key=batch["key"], label=None, source=batch["source"], fake=batch["source"] + 1, fake_alt=None)]


class Samples(list):
    is_paired = True


def samples(*sizes):
    return Samples(
        dict(key=str(i), label=0, source=torch.full((3, *size), float(i)), target=torch.zeros(3, *size))
        for i, size in enumerate(sizes)
    )


def test_samples_are_spread_over_the_data_and_shown_at_once():
    model, data = Echo(), samples(*[(4, 6)] * 10)
    shown = Showcase(data, 4).shown_by(model)
    assert (shown["key"], model.calls) == (["0", "2", "5", "7"], 1)
    assert shown.keys() == {"key", "source", "fake"}
    assert shown["fake"][:, 0, 0, 0].tolist() == [1, 3, 6, 8]
    assert Showcase(data, 99).shown_by(model)["source"].shape == (10, 3, 4, 6)


def test_samples_of_several_sizes_are_shown_one_by_one():
    """A run in batches of one may keep its pictures' own shapes."""
    model = Echo()
    shown = Showcase(samples((4, 6), (8, 6), (4, 6)), 3).shown_by(model)
    assert (shown["key"], model.calls) == (["0", "1", "2"], 3)
    assert shown["fake"].shape == (3, 3, 4, 6)
    assert shown["source"][:, 0, 0, 0].tolist() == [0, 1, 2]
