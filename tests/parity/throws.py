"""torch's random functions, throwing numbers by name: the same for an original and for ours, whatever their shapes."""

from contextlib import contextmanager

import torch

from tests.parity.recipe import stream


@contextmanager
def thrown(name):
    """In the block `torch.rand`, `randn` and `randint` give NumPy's numbers, by a name and their order."""
    own, dice = (torch.rand, torch.randn, torch.randint), stream(name)
    torch.rand = lambda *shape, **_: torch.from_numpy(dice.random_sample(_sides(shape)))
    torch.randn = lambda *shape, **_: torch.from_numpy(dice.standard_normal(_sides(shape)))
    torch.randint = lambda low, high, size, **_: torch.from_numpy(dice.randint(low, high, size=tuple(size)))
    try:
        yield
    finally:
        torch.rand, torch.randn, torch.randint = own


def _sides(shape):
    return tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
