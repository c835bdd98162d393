"""A metric of one's own, as the documentation writes it."""

import re

import numpy as np
from click.testing import CliRunner

from sketchkit.cli import cli
from sketchkit.data.image_io import write_image
from sketchkit.registry import PICTURE_METRICS
from sketchkit.testing import check_metric
from tests.conftest import ROOT


def test_the_documented_metric_is_measured(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/plugins.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if "PICTURE_METRICS" in block)
    (tmp_path / "my_metric.py").write_text(block)
    for name, gray in (("real", 100), ("fake", 140)):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "a.png", np.full((8, 8, 3), gray, np.uint8))
    words = ["eval", tmp_path / "real", tmp_path / "fake", "--metric", "brightness", "--no-cache", "--workers", 0]
    result = CliRunner().invoke(cli, [*map(str, words), "--plugin", str(tmp_path / "my_metric.py")])
    assert result.exit_code == 0, result.output
    assert re.search(r"^brightness +40 ", result.output, re.MULTILINE)
    check_metric(PICTURE_METRICS.build({"type": "brightness"}), "brightness")
