"""Colourfulness after Hasler and Suesstrunk (2003, section 7), its opponents and statistics by OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from sketchkit.data.prepare.colorfulness import colorfulness
from tests.parity.recipe import draw, pictures

OPPONENTS = np.array([[1, -1, 0], [0.5, 0.5, -1]])
PICTURES = {
    "noise": pictures("colorfulness", 40, 30, 3),
    "dull": np.clip(draw("dull", (40, 30, 3), 8, 120), 0, 255).astype(np.uint8),
    "halves": np.repeat(np.array([[[250, 30, 10], [5, 20, 200]]], np.uint8), 15, 1).repeat(40, 0),
}


@pytest.mark.parametrize("name", PICTURES)
def test_it_is_the_papers(name):
    picture = PICTURES[name]
    mean, deviation = cv2.meanStdDev(cv2.transform(picture.astype(np.float64), OPPONENTS))
    expected = cv2.norm(deviation) + 0.3 * cv2.norm(mean)
    found = colorfulness(torch.from_numpy(picture.transpose(2, 0, 1).copy())[None], "signed")
    assert found.item() == pytest.approx(expected, rel=1e-6)
