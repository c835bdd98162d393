"""`tools/drawing_variants.py`, as far as it goes without a run: `tests/data/test_drawings.py` tests what it shows."""

import numpy as np
import pytest
import torch
from PIL import Image

from sketchkit.errors import DataError
from tools import drawing_variants


@pytest.mark.slow  # a whole run
def test_a_run_of_no_drawings_is_named(runs, tmp_path):
    Image.fromarray(np.full((40, 40, 3), 255, np.uint8)).save(tmp_path / "a.png")
    arguments = [str(runs("pix2pix")), str(tmp_path), "-o", str(tmp_path / "out")]
    with pytest.raises(DataError, match="was not trained on drawings"):
        drawing_variants.main.main(arguments, standalone_mode=False)
    assert not (tmp_path / "out").exists()


def test_distances_are_from_the_clean_drawings_output():
    class Sum:
        def prepare(self, *pictures):
            return torch.stack(pictures).float()

        def extract(self, batch):
            return (batch[:, 0] - batch[:, 1]).abs().sum((1, 2, 3))[:, None]

    clean, other = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    found = drawing_variants.distances([(clean, clean), (clean, other)], clean, Sum())
    assert found.tolist() == [[0, 0], [48 * 51, pytest.approx(0.2)]]
    text = drawing_variants.table(["clean", "other"], found, found / 2)
    assert text.splitlines()[-1] == "| other | 2448.000 | 1224.000 | 0.200 | 0.100 |"
