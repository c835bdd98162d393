"""Lab as pix2pix's recolouring has it, by way of scikit-image."""

import numpy as np
import pytest
import torch

from sketchkit.registry import MODELS
from tests.parity.make_lab import shown
from tests.parity.recipe import read

KEPT = read("lab")
# Of [-1, 1] and of 0..255; measured: 4e-7 and 1.2e-3. Ours computes in float32, and a cube root is steep near black.
SEEN, SHOWN = 1e-6, 3e-3


@pytest.mark.parametrize("number", [0, 1])
def test_lab_and_back_are_the_originals(number):
    preprocessor = MODELS.build(dict(type="LabPreprocessor", predicted="ab"))
    picture = torch.from_numpy(shown()[number].transpose(2, 0, 1).copy())[None]
    batch = preprocessor({"target": picture})
    found = torch.cat([batch["source"], batch["target"]], 1)[0].numpy()
    assert np.abs(found - KEPT[f"{number}/lab"]).max() < SEEN
    lab = torch.from_numpy(KEPT[f"{number}/lab"])[None]
    for name, part in (("rgb", 1.0), ("muted", 0.25)):
        back = preprocessor.to_picture(part * lab[:, 1:], "target", lab[:, :1])[0].permute(1, 2, 0).numpy()
        assert np.abs((back + 1) * 127.5 - KEPT[f"{number}/{name}"]).max() < SHOWN
