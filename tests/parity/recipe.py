"""What the scripts that ask an original and the tests that ask us share: numbers by name, and what is kept of results.

Only NumPy: an original may live in an environment without torch.
"""

import subprocess
import sys
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
KEPT = 24


def stream(name):
    """Random numbers that depend on a name alone; of the one generator whose numbers NumPy promises to keep."""
    return np.random.RandomState(zlib.crc32(name.encode()))


def draw(name, shape, std=1.0, mean=0.0):
    """float64 normal numbers."""
    return mean + std * stream(name).standard_normal(shape)


def pictures(name, *shape):
    """uint8 noise, 0..255."""
    return stream(name).randint(256, size=shape).astype(np.uint8)


def batches(name, steps, count, size):
    """The pictures of each step: source and target, (count, 3, size, size)."""
    return [[pictures(f"{name}.{kind}.{step}", count, 3, size, size) for kind in "AB"] for step in range(steps)]


def symmetric(picture):
    """0..255 to [-1, 1], in float64."""
    return (picture.astype(np.float64) / 255 - 0.5) / 0.5


def weight(name, shape, fan_in):
    """A layer's weights by name: a bias is small, a scale near 1, and a kernel keeps the size of what it is given."""
    if name.endswith("bias"):
        return draw(name, shape, 0.1)
    return draw(name, shape, 0.1, 1.0) if len(shape) == 1 else draw(name, shape, fan_in**-0.5)


class Dice:
    """A fixed sequence of throws, for what asks Python's, NumPy's or torch's global generator."""

    def __init__(self, name):
        self.stream = stream(name)

    def uniform(self, *_):
        """A number in [0, 1)."""
        return self.stream.random_sample()

    def randint(self, low, high):
        """A whole number from `low` to `high`, both included."""
        return self.stream.randint(low, high + 1)


def order(count):
    """A fixed shuffle of 0 .. count - 1, whenever it is asked for."""
    return stream("order").permutation(count)


def summary(array):
    """Sum, norm, sum times random numbers, and some of the values: a misplaced number shows in one of them."""
    flat = np.asarray(array, np.float64).ravel()
    some = flat[np.linspace(0, flat.size - 1, min(KEPT, flat.size)).astype(int)]
    whole = [flat.sum(), np.sqrt((flat**2).sum()), flat @ draw("summary", flat.size)]
    return np.concatenate([whole, some])


def checkout(repository):
    """The folder named in the call, whose modules can be imported from now on, and what is kept of where it is from."""
    folder = Path(sys.argv[1]).resolve()
    commit = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    sys.path.insert(0, str(folder))
    return folder, {"repository": f"https://github.com/{repository}", "commit": commit.stdout.strip()}


def write(name, about, values: Mapping[str, np.ndarray]):
    """Keep arrays by key."""
    np.savez_compressed(FOLDER / f"{name}.npz", **about, **values)
    print(f"{name}.npz: {len(values)} arrays, {(FOLDER / f'{name}.npz').stat().st_size / 1024:.0f} KiB")


def read(name):
    """The arrays of a script by key."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def far(found: Iterable, kept: Iterable):
    """The greatest difference, as a share of the greatest value."""
    found, kept = np.asarray(found, np.float64), np.asarray(kept, np.float64)
    assert found.shape == kept.shape, f"{found.shape} where the original has {kept.shape}"
    return float(np.abs(found - kept).max() / max(np.abs(kept).max(), 1e-300))
