import numpy as np
import pytest
import torch

from sketchkit.data.statistics import image_statistics
from sketchkit.errors import DataError


def test_statistics_are_numpys_of_each_channel():
    rng = np.random.default_rng(0)
    images = [rng.integers(20, 240, (3, 4 + i, 5), dtype=np.uint8) for i in range(3)]
    data = [{"source": torch.from_numpy(image), "target": torch.from_numpy(image // 2)} for image in images]
    before = torch.get_rng_state()
    found = image_statistics(data)
    assert found == image_statistics(data, num_workers=1) and torch.equal(before, torch.get_rng_state())
    values = np.concatenate([image.reshape(3, -1) for image in images], 1) / 255
    for value, expected in zip(found["source"], (values.mean(1), values.min(1), values.max(1)), strict=True):
        assert value == pytest.approx(tuple(expected), abs=1e-12)
    assert found["target"].maximum == tuple(max(int(image[i].max()) // 2 for image in images) / 255 for i in range(3))


def test_no_data_and_other_types_are_refused():
    with pytest.raises(DataError, match="empty"):
        image_statistics([])
    with pytest.raises(DataError, match="need uint8"):
        image_statistics([{"source": torch.rand(3, 2, 2)}], keys=("source",))
