import numpy as np
import pytest
import torch

from sketchkit.data.statistics import image_statistics
from sketchkit.errors import DataError


def test_statistics_are_numpys_over_all_pixels():
    rng = np.random.default_rng(0)
    images = [rng.integers(20, 240, (3, 4 + i, 5), dtype=np.uint8) for i in range(3)]
    data = [{"source": torch.from_numpy(image), "target": torch.from_numpy(image // 2)} for image in images]
    found = image_statistics(data)
    values = np.concatenate([image.ravel() for image in images]) / 255
    assert found["source"] == pytest.approx((values.mean(), values.min(), values.max()), abs=1e-12)
    assert found["target"].maximum == max(int(image.max()) // 2 for image in images) / 255


def test_no_data_and_other_types_are_refused():
    with pytest.raises(DataError, match="empty"):
        image_statistics([])
    with pytest.raises(DataError, match="need uint8"):
        image_statistics([{"source": torch.rand(3, 2, 2)}], keys=("source",))
